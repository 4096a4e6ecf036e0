"""Ids, request ids and settings."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from servicekit.context import accept_request_id
from servicekit.ids import uuid7
from servicekit.settings import KitSettings


def test_ids_are_version_7_and_grow_with_time() -> None:
    ids = [uuid7() for _ in range(1_000)]

    assert {(i.version, i.variant) for i in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 1_000
    assert [i.int >> 80 for i in ids] == sorted(i.int >> 80 for i in ids)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "{}", "line\nbreak"])
def test_an_unsafe_request_id_is_not_taken(given: str) -> None:
    assert accept_request_id(given) != given


def test_a_safe_request_id_is_kept() -> None:
    assert accept_request_id("job-01:2.3") == "job-01:2.3"


def test_the_environment_wins_over_the_launchers_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "stores.env").write_text("HOLDFAST_LOG_LEVEL=error\nHOLDFAST_BIND_HOST=127.0.0.9\n")
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_LOG_LEVEL", "debug")

    settings = KitSettings.load()

    assert (settings.log_level, settings.bind_host) == ("debug", "127.0.0.9")


def test_a_wrong_setting_names_itself() -> None:
    with pytest.raises(ValidationError, match="rpc_timeout_s"):
        KitSettings(rpc_timeout_s=-1)


def test_production_refuses_a_development_secret() -> None:
    with pytest.raises(ValidationError, match="HOLDFAST_PAGE_TOKEN_SECRET must be set in production"):
        KitSettings(environment="production")
    KitSettings(environment="production", page_token_secret="0f3a")
