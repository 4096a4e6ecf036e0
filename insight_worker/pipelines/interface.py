"""What a pipeline is to the runner, and what the runner gives to a pipeline.

A pipeline is pure: its stages are plain synchronous functions of the messages and the params, and of what a
language model answers. The runner does the rest: it reads the messages, asks the model, times each stage,
saves each result, beats the lease, and settles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What fits into a google.protobuf.Struct. Floats are finite; keys are strings."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as a pipeline sees it.

    `position` grows from message to message. `author` is None for a system line. `sent_local_time` is naive:
    the time on the clock of the phone that exported the chat. `kind` is the lower-case name of
    chat.v1.MessageKind without its prefix: 'text', 'system', 'image', 'video', 'audio', 'sticker', 'gif',
    'document', 'contact', 'location', 'poll', 'call', 'deleted', 'other'; any other word means 'other'.
    """

    position: int
    author: str | None
    sent_local_time: datetime
    body: str
    kind: str
    edited: bool


@dataclass(frozen=True, slots=True)
class InsightResult:
    """What one insight type is for one chat.

    `data` holds the numbers a chart is drawn from: finite, less than 256 KiB as JSON. `sentences` are 2 to 6
    sentences for people, each of at most 1,024 characters.
    """

    data: Mapping[str, JsonValue]
    sentences: tuple[str, ...]


class InsightFailed(Exception):
    """This insight type cannot be made of this chat. A stage that makes insights returns it; one that only
    prepares raises it, and then nothing of the job is made.

    `reason` is machine-readable: NOT_ENOUGH_MESSAGES, NEEDS_TWO_AUTHORS, NEEDS_MORE_AUTHORS,
    TOO_MANY_AUTHORS, UNKNOWN_INSIGHT_TYPE, MODEL_UNAVAILABLE, MODEL_REFUSED, MODEL_ANSWER_INVALID,
    QUOTES_NOT_FOUND. `metadata` repeats the numbers of `message`.
    """

    def __init__(self, reason: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = dict(metadata or {})


class InvalidParams(Exception):
    """The job's params are not what the pipeline expects: no attempt can succeed."""


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """How a language model makes an insight, as the catalogue has it."""

    prompt: str
    #: The computed insights that it is told as facts.
    statistics: tuple[str, ...]
    #: JSON schema of its answer.
    result_schema: Mapping[str, JsonValue]
    chart: str
    drawing: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an insight type needs, and how it is made; without `model` it is computed."""

    min_people: int = 1
    max_people: int | None = None
    min_messages: int = 1
    model: ModelRecipe | None = None


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """What a language model is asked: (role, text) in order, and the JSON schema that its answer fits."""

    name: str
    messages: tuple[tuple[Literal["system", "user"], str], ...]
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What an answer took; the cost is in millionths of a US dollar."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a language model answered, and whether it came to an end by itself."""

    text: str
    ended: Literal["whole", "cut_off", "refused"]
    use: ModelUse


class ModelUnavailable(Exception):
    """No language model can be asked, or none has answered for as long as the attempt may wait."""


class PipelineContext(Protocol):
    """What the runner gives to every stage of one attempt. The same object goes to all stages."""

    @property
    def params(self) -> Mapping[str, JsonValue]:
        """The job's params, and under `model_made_ids` those insight types that need a language model."""
        ...

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """What the job's insight types need, by id; types that the catalogue does not know are left out."""
        ...

    @property
    def sample_chars(self) -> int:
        """How many characters of the chat a language model is shown at most."""
        ...

    @property
    def partial(self) -> bool:
        """Whether the job goes on without what cannot be made."""
        ...

    def ask(self, question: ModelQuestion) -> ModelAnswer:
        """Asks the language model, once: call it within `once`. Raises ModelUnavailable."""
        ...

    def once(
        self, name: str, make: Callable[[], tuple[Mapping[str, JsonValue], ModelUse | None]]
    ) -> Mapping[str, JsonValue]:
        """What `make` made when it was first run for this job, in whatever attempt: saved before it is
        answered, so that what was paid for is not paid again. `name` is unique within the job.
        """
        ...

    @property
    def state(self) -> dict[str, object]:
        """What stages leave for later stages of the same attempt. Empty at first, in memory only."""
        ...

    def messages(self) -> Iterator[ChatMessage]:
        """Streams the messages of the job's subject in the order of the file. At most once an attempt."""
        ...

    def checkpoint(self) -> None:
        """Raises the runner's own exception when the job was cancelled or the lease was lost.

        Cheap enough to be called every thousand messages. Stages let the exception pass.
        """
        ...


class Stage(Protocol):
    """One step of a pipeline.

    A stage that produces nothing prepares `context.state` for later stages: it has no result to save, so the
    runner runs it in every attempt in which a later stage has something left to make. A stage whose results
    are all saved is skipped. What a stage makes depends on the messages, the params, and what `once` answers.
    """

    @property
    def name(self) -> str:
        """Short and unique within the pipeline, such as 'rhythm'. 1 to 128 characters."""
        ...

    @property
    def title(self) -> str:
        """For people, such as 'Finding the rhythm'."""
        ...

    @property
    def produces(self) -> tuple[str, ...]:
        """The insight types it makes; `run` answers with exactly these keys."""
        ...

    @property
    def needs_messages(self) -> bool:
        """Whether it calls `context.messages()`."""
        ...

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Makes its insights. Raises only what `context` raises, or on a defect."""
        ...


class Pipeline(Protocol):
    """One kind of job. A pipeline's module exports its instance as `PIPELINE`."""

    @property
    def kind(self) -> str:
        """The job kind it serves, such as 'chat_insights'."""
        ...

    def stages(self, params: Mapping[str, JsonValue]) -> Sequence[Stage]:
        """The stages for a job with these params, in the order they run. Raises InvalidParams."""
        ...
