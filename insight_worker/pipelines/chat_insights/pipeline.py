"""The pipeline for job kind chat_insights: one pass over the messages, then everything from the digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..interface import InsightFailed, InsightResult, InvalidParams, JsonValue, PipelineContext, Stage
from . import (
    activity_heatmap,
    affection,
    attention,
    emoji_use,
    initiations_and_silences,
    laughter,
    media_and_links,
    message_balance,
    milestones,
    night_owls,
    reply_graph,
    response_times,
    sentiment,
    streaks,
    timeline,
    words_and_catchphrases,
    working_hours,
)
from .definition import InsightType
from .digest import Digest
from .reader import read

KIND = "chat_insights"
TYPES_PARAM = "insight_type_ids"
_DIGEST = "digest"

_STAGES: tuple[tuple[str, str, tuple[InsightType, ...]], ...] = (
    (
        "rhythm",
        "Finding the rhythm",
        (
            activity_heatmap.INSIGHT,
            timeline.INSIGHT,
            streaks.INSIGHT,
            night_owls.INSIGHT,
            working_hours.INSIGHT,
            milestones.INSIGHT,
        ),
    ),
    (
        "balance",
        "Weighing who writes what",
        (message_balance.INSIGHT, media_and_links.INSIGHT, reply_graph.INSIGHT),
    ),
    (
        "conversation",
        "Following the conversation",
        (response_times.INSIGHT, initiations_and_silences.INSIGHT, attention.INSIGHT),
    ),
    ("words", "Counting words and emoji", (words_and_catchphrases.INSIGHT, emoji_use.INSIGHT)),
    ("feelings", "Listening to the tone", (sentiment.INSIGHT, laughter.INSIGHT, affection.INSIGHT)),
)
INSIGHT_TYPES: Mapping[str, InsightType] = {kind.id: kind for _, _, kinds in _STAGES for kind in kinds}
"""All insight types that this pipeline can make, by id."""


@dataclass(frozen=True, slots=True)
class ReadStage:
    """Streams the messages into the digest, which the later stages share."""

    name: str = "read"
    title: str = "Reading the messages"
    produces: tuple[str, ...] = ()
    needs_messages: bool = True

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Leaves the digest in the context's state."""
        context.state[_DIGEST] = read(context.messages(), context.checkpoint)
        return {}


@dataclass(frozen=True, slots=True)
class InsightStage:
    """Makes some insight types from the digest."""

    name: str
    title: str
    types: tuple[InsightType, ...]
    needs_messages: bool = False

    @property
    def produces(self) -> tuple[str, ...]:
        """The ids of its types."""
        return tuple(kind.id for kind in self.types)

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """One insight a type; the runner may cancel between two of them."""
        digest = context.state[_DIGEST]
        assert isinstance(digest, Digest)
        results: dict[str, InsightResult | InsightFailed] = {}
        for kind in self.types:
            context.checkpoint()
            results[kind.id] = kind.attempt(digest)
        return results


@dataclass(frozen=True, slots=True)
class UnknownStage:
    """Answers for the types that the catalogue sells and this version cannot make."""

    produces: tuple[str, ...]
    name: str = "unknown"
    title: str = "Looking for unknown insights"
    needs_messages: bool = False

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """A failure for each, so that nobody pays for them."""
        return {kind: _unknown(kind) for kind in self.produces}


@dataclass(frozen=True, slots=True)
class ChatInsights:
    """The pipeline: insights of a chat that are computed from its messages without any model."""

    kind: str = KIND

    def stages(self, params: Mapping[str, JsonValue]) -> Sequence[Stage]:
        """Reading, then what makes a requested type. Raises InvalidParams without insight_type_ids."""
        wanted = _requested(params)
        unknown = tuple(kind for kind in wanted if kind not in INSIGHT_TYPES)
        stages: list[Stage] = [UnknownStage(unknown)] if unknown else []
        chosen = [
            InsightStage(name, title, tuple(kind for kind in kinds if kind.id in wanted))
            for name, title, kinds in _STAGES
        ]
        making = [stage for stage in chosen if stage.types]
        return [*stages, ReadStage(), *making] if making else stages


def _requested(params: Mapping[str, JsonValue]) -> list[str]:
    """The ids of the params, each once, in their order."""
    ids = params.get(TYPES_PARAM)
    if isinstance(ids, str) or not isinstance(ids, Sequence) or not ids:
        raise InvalidParams(f"{TYPES_PARAM} must be a list of insight type ids")
    if not all(isinstance(kind, str) and kind for kind in ids):
        raise InvalidParams(f"{TYPES_PARAM} must hold ids only")
    return list(dict.fromkeys(str(kind) for kind in ids))


def _unknown(kind: str) -> InsightFailed:
    return InsightFailed(
        "UNKNOWN_INSIGHT_TYPE", f"There is no insight type {kind!r}.", {"insight_type_id": kind}
    )


PIPELINE = ChatInsights()
