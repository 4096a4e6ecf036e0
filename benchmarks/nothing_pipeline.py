"""A pipeline that does nothing: what a job costs without its work."""

from collections.abc import Mapping, Sequence

from insight_worker.pipelines.interface import (
    InsightFailed,
    InsightResult,
    JsonValue,
    Pipeline,
    PipelineContext,
    Stage,
)


class NothingStage:
    """Makes the one insight of the benchmark's catalogue out of nothing."""

    name = "nothing"
    title = "Doing nothing"
    produces = ("nothing",)
    needs_messages = False

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Answer the same result for every chat."""
        return {"nothing": InsightResult(data={"count": 0}, sentences=("There is nothing to say.",))}


class NothingPipeline:
    """The job kind of the benchmark's catalogue."""

    kind = "nothing"

    def stages(self, params: Mapping[str, JsonValue]) -> Sequence[Stage]:
        """Answer the one stage."""
        return (NothingStage(),)


PIPELINE: Pipeline = NothingPipeline()
