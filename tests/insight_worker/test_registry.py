"""Finding pipelines by the modules that the settings name."""

import pytest

from insight_worker.registry import load_pipelines

_GATED = "tests.insight_worker.slow_pipeline"


def test_each_pipeline_is_found_under_its_kind() -> None:
    # When two modules are loaded
    found = load_pipelines(["insight_worker.pipelines.chat_insights", _GATED])
    # Then both kinds can be made
    assert set(found) == {"chat_insights", "gated"}


def test_a_module_that_is_not_there_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="no_such_module"):
        load_pipelines(["no_such_module"])


def test_a_module_without_a_pipeline_is_named() -> None:
    with pytest.raises(ValueError, match=r"insight_worker\.structs has no PIPELINE"):
        load_pipelines(["insight_worker.structs"])


def test_two_pipelines_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="two pipelines make gated"):
        load_pipelines([_GATED, _GATED])
