"""A pipeline for tests: its stages wait at gates, fail on demand, and leave a note whenever they run.

Gates and notes are files in the directory that HOLDFAST_TEST_GATES names, so that a test commands a worker
in another process: `hold-two` keeps stage two waiting, `deaf-two` keeps it waiting without checkpoints,
`fail-two` makes it answer InsightFailed, `crash-two` makes it raise, `odd-two` makes it answer what cannot
be saved.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from insight_worker.pipelines.interface import (
    InsightFailed,
    InsightResult,
    InvalidParams,
    JsonValue,
    PipelineContext,
    Stage,
)

GATES_VARIABLE = "HOLDFAST_TEST_GATES"
READ = "read"
_POLL_S = 0.01
_HELD_S_MAX = 60.0
#: How often the first stage looks at its gate.
_GATE_MESSAGES = 1_000


class Gates:
    """The directory of gates and notes, from both sides."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, order: str, stage: str) -> None:
        """Give an order to a stage, such as "hold"."""
        (self.path / f"{order}-{stage}").touch()

    def lift(self, order: str, stage: str) -> None:
        """Take the order back."""
        (self.path / f"{order}-{stage}").unlink()

    def has(self, order: str, stage: str) -> bool:
        """Whether the order stands."""
        return (self.path / f"{order}-{stage}").exists()

    def note(self, kind: str, stage: str) -> None:
        """Leave a note: a line in the file of this kind, written at once."""
        with (self.path / kind).open("ab", buffering=0) as file:
            file.write(f"{stage}\n".encode())

    def notes(self, kind: str) -> list[str]:
        """Answer the notes of this kind, in order."""
        path = self.path / kind
        return path.read_text().split() if path.exists() else []


class ReadStage:
    """Counts the messages for the later stages."""

    name = READ
    title = "Reading the messages"
    produces: tuple[str, ...] = ()
    needs_messages = True

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Leave the count in the state."""
        gates = Gates(Path(os.environ[GATES_VARIABLE]))
        gates.note("started", self.name)
        count = 0
        for _ in context.messages():
            count += 1
            if count % _GATE_MESSAGES == 1:
                _pass(gates, self.name, context)
        context.state["count"] = count
        gates.note("done", self.name)
        return {}


@dataclass(frozen=True)
class GatedStage:
    """Makes one insight."""

    name: str
    needs_messages: bool = False

    @property
    def title(self) -> str:
        """For people."""
        return f"Making {self.name}"

    @property
    def produces(self) -> tuple[str, ...]:
        """The insight that is named like the stage."""
        return (self.name,)

    def run(self, context: PipelineContext) -> Mapping[str, InsightResult | InsightFailed]:
        """Wait at the gate, then do as ordered."""
        gates = Gates(Path(os.environ[GATES_VARIABLE]))
        gates.note("started", self.name)
        _pass(gates, self.name, context)
        if gates.has("crash", self.name):
            raise RuntimeError("secret password=123")
        if gates.has("fail", self.name):
            return {self.name: InsightFailed("NOT_ENOUGH_MESSAGES", "7 are too few", {"found": "7"})}
        gates.note("done", self.name)
        count = float("nan") if gates.has("odd", self.name) else int(str(context.state["count"]))
        return {self.name: InsightResult({"count": count}, (f"{self.name} of {count} messages.",))}


class GatedPipeline:
    """One stage reads, then one for each insight type that the job asks for."""

    kind = "gated"

    def stages(self, params: Mapping[str, JsonValue]) -> Sequence[Stage]:
        """Answer the stages."""
        names = params.get("insight_type_ids")
        if not isinstance(names, Sequence) or isinstance(names, str):
            raise InvalidParams("insight_type_ids is no list")
        return [ReadStage(), *(GatedStage(str(name)) for name in names)]


PIPELINE = GatedPipeline()


def _pass(gates: Gates, stage: str, context: PipelineContext) -> None:
    """Wait until the gate is open."""
    deadline = time.monotonic() + _HELD_S_MAX
    while (held := gates.has("hold", stage)) or gates.has("deaf", stage):
        if time.monotonic() > deadline:
            raise AssertionError(f"the gate of {stage} was never opened")
        if held:
            context.checkpoint()
        time.sleep(_POLL_S)
