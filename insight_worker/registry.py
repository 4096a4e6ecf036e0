"""Finds the pipelines that the settings name."""

import importlib
from collections.abc import Iterable, Mapping

from insight_worker.pipelines.interface import Pipeline


def load_pipelines(modules: Iterable[str]) -> Mapping[str, Pipeline]:
    """Import the modules and answer their pipelines by kind.

    Raises ImportError for a module that is not there, ValueError for one without a PIPELINE and for two
    of one kind.
    """
    pipelines: dict[str, Pipeline] = {}
    for module in modules:
        pipeline: Pipeline | None = getattr(importlib.import_module(module), "PIPELINE", None)
        if pipeline is None:
            raise ValueError(f"HOLDFAST_WORKER_PIPELINES: {module} has no PIPELINE")
        if pipeline.kind in pipelines:
            raise ValueError(f"HOLDFAST_WORKER_PIPELINES: two pipelines make {pipeline.kind}")
        pipelines[pipeline.kind] = pipeline
    return pipelines
