"""Insights that a language model makes: one stage each, one question each, at most two answers each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..interface import (
    InsightFailed,
    InsightResult,
    JsonValue,
    ModelQuestion,
    ModelRecipe,
    ModelUnavailable,
    ModelUse,
    PipelineContext,
)
from . import prompts
from .answers import Unusable, judge
from .definition import InsightType, Needs
from .digest import Digest
from .sample import Sample

MAX_ASKED = 2
"""How often the model is asked for one insight: an answer that cannot be used is asked for again once."""
MAX_FACT_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class ModelStage:
    """Makes one insight by asking a language model.

    Every answer is saved before it is looked at, also one that cannot be used. So an attempt that starts
    again comes to the same end without paying for an answer twice.
    """

    insight_type_id: str
    computed: Mapping[str, InsightType]
    needs_messages: bool = False

    @property
    def name(self) -> str:
        """Its step."""
        return f"model.{self.insight_type_id}"

    @property
    def title(self) -> str:
        """For people."""
        return f"Reading for {self.insight_type_id.replace('_', ' ')}"

    @property
    def produces(self) -> tuple[str, ...]:
        """The one insight."""
        return (self.insight_type_id,)

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Make it, unless the chat has too little for it."""
        digest, sample = context.state[Digest.__name__], context.state[Sample.__name__]
        assert isinstance(digest, Digest)
        assert isinstance(sample, Sample)
        recipe = context.recipes[self.insight_type_id]
        missing = Needs.of(recipe).missing(self.insight_type_id, digest)
        if missing is not None or recipe.model is None:
            return {self.insight_type_id: missing or _no_recipe(self.insight_type_id)}
        facts = tuple(self._facts(digest, recipe.model.statistics))
        return {self.insight_type_id: self._ask(context, recipe.model, sample, facts)}

    def _facts(self, digest: Digest, statistics: Sequence[str]) -> Sequence[str]:
        """What the computed insights say in sentences; one that cannot be made of this chat says nothing."""
        results = [self.computed[name].attempt(digest) for name in statistics if name in self.computed]
        return [
            sentence[:MAX_FACT_CHARACTERS]
            for result in results
            if isinstance(result, InsightResult)
            for sentence in result.sentences
        ]

    def _ask(
        self, context: PipelineContext, recipe: ModelRecipe, sample: Sample, facts: Sequence[str]
    ) -> InsightResult | InsightFailed:
        unusable: Unusable | None = None
        for asked in range(1, MAX_ASKED + 1):
            problem = None if unusable is None else unusable.problem
            question = prompts.question(self.insight_type_id, recipe, sample, facts, problem)
            try:
                saved = context.once(f"{self.name}.answer_{asked}", partial(_answer, context, question))
            except ModelUnavailable:
                return InsightFailed("MODEL_UNAVAILABLE", "No language model could be asked.")
            judged = judge(saved, recipe, sample, facts)
            if isinstance(judged, InsightResult):
                return judged
            unusable = judged
            if unusable.reason == "MODEL_REFUSED":
                break
        assert unusable is not None
        return unusable.as_failure()


def _answer(context: PipelineContext, question: ModelQuestion) -> tuple[Mapping[str, JsonValue], ModelUse]:
    answer = context.ask(question)
    return {"text": answer.text, "ended": answer.ended, "model": answer.use.model}, answer.use


def _no_recipe(insight_type_id: str) -> InsightFailed:
    return InsightFailed("UNKNOWN_INSIGHT_TYPE", f"There is no recipe for {insight_type_id!r}.")
