"""The pipeline for job kind chat_insights: one pass over the messages, then everything from the digest.

What a language model makes comes last, when all that costs nothing has succeeded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..interface import (
    InsightFailed,
    InsightResult,
    InvalidParams,
    JsonValue,
    PipelineContext,
    Recipe,
    Stage,
)
from . import (
    activity_heatmap,
    affection,
    attention,
    badges,
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
    style,
    timeline,
    topics,
    words_and_catchphrases,
    working_hours,
)
from .definition import InsightType, Needs
from .digest import Digest
from .model_insights import ModelStage
from .reader import read
from .sample import Sample, Sampler

KIND = "chat_insights"
TYPES_PARAM = "insight_type_ids"
MODEL_PARAM = "model_made_ids"

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
    ("topics", "Finding topics and styles", (topics.INSIGHT, style.INSIGHT)),
    ("feelings", "Listening to the tone", (sentiment.INSIGHT, laughter.INSIGHT, affection.INSIGHT)),
    ("badges", "Awarding badges", (badges.INSIGHT,)),
)
INSIGHT_TYPES: Mapping[str, InsightType] = {kind.id: kind for _, _, kinds in _STAGES for kind in kinds}
"""All insight types that this pipeline can make, by id."""


@dataclass(frozen=True, slots=True)
class ReadStage:
    """Streams the messages into the digest and the sample, which the later stages share."""

    with_sample: bool = False

    name: str = "read"
    title: str = "Reading the messages"
    produces: tuple[str, ...] = ()
    needs_messages: bool = True

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Leaves the digest and the sample in the context's state.

        Raises InsightFailed where a type cannot be made of this chat and all have to be: before anything is
        made, and before a model is paid.
        """
        sampler = Sampler(context.sample_chars)
        messages = context.messages()
        watched = sampler.watch(messages) if self.with_sample else messages
        digest = read(watched, context.checkpoint)
        context.state[Digest.__name__] = digest
        context.state[Sample.__name__] = sampler.sample()
        if self.with_sample and not context.partial:
            _refuse_what_is_missing(context.recipes, digest)
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
        digest = context.state[Digest.__name__]
        assert isinstance(digest, Digest)
        results: dict[str, InsightResult | InsightFailed] = {}
        for kind in self.types:
            context.checkpoint()
            results[kind.id] = kind.attempt(digest, context.recipes.get(kind.id))
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
    """The pipeline: insights of a chat, computed from its messages, and made by a language model."""

    kind: str = KIND

    def stages(self, params: Mapping[str, JsonValue]) -> Sequence[Stage]:
        """Reading, then what makes a requested type. Raises InvalidParams without insight_type_ids."""
        wanted = _requested(params)
        asked = _asked(params, wanted)
        unknown = tuple(kind for kind in wanted if kind not in INSIGHT_TYPES and kind not in asked)
        stages: list[Stage] = [UnknownStage(unknown)] if unknown else []
        chosen = [
            InsightStage(name, title, tuple(kind for kind in kinds if kind.id in wanted))
            for name, title, kinds in _STAGES
        ]
        making: list[Stage] = [stage for stage in chosen if stage.types]
        making += [ModelStage(kind, INSIGHT_TYPES) for kind in asked]
        return [*stages, ReadStage(with_sample=bool(asked)), *making] if making else stages


def _requested(params: Mapping[str, JsonValue]) -> list[str]:
    """The ids of the params, each once, in their order."""
    ids = params.get(TYPES_PARAM)
    if isinstance(ids, str) or not isinstance(ids, Sequence) or not ids:
        raise InvalidParams(f"{TYPES_PARAM} must be a list of insight type ids")
    if not all(isinstance(kind, str) and kind for kind in ids):
        raise InvalidParams(f"{TYPES_PARAM} must hold ids only")
    return list(dict.fromkeys(str(kind) for kind in ids))


def _asked(params: Mapping[str, JsonValue], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted types that a language model makes; what can be computed is computed."""
    ids = params.get(MODEL_PARAM, ())
    if isinstance(ids, str) or not isinstance(ids, Sequence):
        raise InvalidParams(f"{MODEL_PARAM} must be a list of insight type ids")
    return [kind for kind in wanted if kind in ids and kind not in INSIGHT_TYPES]


def _refuse_what_is_missing(recipes: Mapping[str, Recipe], digest: Digest) -> None:
    for kind, recipe in recipes.items():
        computed = INSIGHT_TYPES.get(kind)
        missing = computed.missing(digest, recipe) if computed else Needs.of(recipe).missing(kind, digest)
        if missing is not None:
            raise missing


def _unknown(kind: str) -> InsightFailed:
    return InsightFailed(
        "UNKNOWN_INSIGHT_TYPE", f"There is no insight type {kind!r}.", {"insight_type_id": kind}
    )


PIPELINE = ChatInsights()
