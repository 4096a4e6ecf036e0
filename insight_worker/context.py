"""What a pipeline's stages get of the runner."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from insight_worker.chats_client import ChatsClient
from insight_worker.errors import AttemptAbandoned, is_transient
from insight_worker.lease import Lease
from insight_worker.model import LanguageModel, ModelAway
from insight_worker.patience import Patience
from insight_worker.pipelines.interface import (
    ChatMessage,
    JsonValue,
    ModelAnswer,
    ModelQuestion,
    ModelUnavailable,
    ModelUse,
    Recipe,
)
from insight_worker.recipes import of_claim
from insight_worker.steps import Steps
from insight_worker.structs import from_struct
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError

_PAUSE_S = 0.5


@dataclass(frozen=True)
class StageTools:
    """What stages use of the worker, for one attempt."""

    chats: ChatsClient
    model: LanguageModel
    lease: Lease
    patience: Patience
    steps: Steps
    sample_chars: int


@dataclass(frozen=True)
class Assignment:
    """What is to be made."""

    job: insight_pb2.Job
    params: Mapping[str, JsonValue]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)

    @classmethod
    def of(cls, claim: insight_pb2.ClaimJobResponse) -> "Assignment":
        """Read it from a claim."""
        recipes = of_claim(claim)
        by_model = [name for name, recipe in recipes.items() if recipe.model is not None]
        return cls(claim.job, {**from_struct(claim.job.params), "model_made_ids": by_model}, recipes)

    @property
    def partial(self) -> bool:
        """Whether what succeeds is paid for by itself."""
        return self.job.charge_mode == insight_pb2.CHARGE_MODE_WHAT_SUCCEEDED


class StageContext:
    """The `PipelineContext` of one attempt."""

    def __init__(self, assignment: Assignment, tools: StageTools) -> None:
        """Take what is to be made and what it is made with."""
        self._assignment = assignment
        self._tools = tools
        self._state: dict[str, object] = {}
        self._streamed = False

    @property
    def params(self) -> Mapping[str, JsonValue]:
        """The job's params."""
        return self._assignment.params

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """What the job's insight types need."""
        return self._assignment.recipes

    @property
    def sample_chars(self) -> int:
        """How many characters of the chat a language model is shown at most."""
        return self._tools.sample_chars

    @property
    def partial(self) -> bool:
        """Whether the job goes on without what cannot be made."""
        return self._assignment.partial

    @property
    def state(self) -> dict[str, object]:
        """What stages leave for later stages of this attempt."""
        return self._state

    def checkpoint(self) -> None:
        """Raise JobCancelled or StaleLease when there is no reason to go on."""
        self._tools.lease.check()

    def ask(self, question: ModelQuestion) -> ModelAnswer:
        """Ask the language model; while it is away, again for as long as patience lasts.

        Raises ModelUnavailable, JobCancelled, StaleLease.
        """
        patience = self._tools.patience
        deadline = patience.deadline()
        while True:
            self.checkpoint()
            try:
                return self._tools.model.ask(question)
            except ModelAway as error:
                try:
                    patience.wait(error, deadline, _PAUSE_S)
                except AttemptAbandoned:
                    raise ModelUnavailable(error.message) from None

    def once(
        self, name: str, make: Callable[[], tuple[Mapping[str, JsonValue], ModelUse | None]]
    ) -> Mapping[str, JsonValue]:
        """Answer what was saved under the name, or make it and save it first. Raises what `make` raises."""
        saved = self._tools.steps.get(name)
        if saved is not None:
            return saved
        started = time.monotonic()
        result, use = make()
        return self._tools.steps.save(name, result, (time.monotonic() - started) * 1000, use=use)

    def messages(self) -> Iterator[ChatMessage]:
        """Stream the messages, never more than a batch in memory. Raises RuntimeError the second time."""
        if self._streamed:
            raise RuntimeError(
                "the messages were streamed before in this attempt: keep what later stages need"
            )
        self._streamed = True
        return self._stream()

    def _stream(self) -> Iterator[ChatMessage]:
        """Go on after the last message where a stream broke off; patience begins anew with every batch."""
        job, position, deadline = self._assignment.job, 0, None
        while True:
            try:
                for batch in self._tools.chats.batches(job.user_id, job.subject_id, position):
                    self.checkpoint()
                    yield from batch
                    position, deadline = batch[-1].position, None
                return
            except ServiceError as error:
                if not is_transient(error):
                    raise
                deadline = deadline or self._tools.patience.deadline()
                self._tools.patience.wait(error, deadline, _PAUSE_S)
