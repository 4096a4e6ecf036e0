"""What a pipeline's stages get of the runner."""

from collections.abc import Iterator, Mapping

from insight_worker.chats_client import ChatsClient
from insight_worker.errors import is_transient
from insight_worker.lease import Lease
from insight_worker.patience import Patience
from insight_worker.pipelines.interface import ChatMessage, JsonValue
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError

_PAUSE_S = 0.5


class StageContext:
    """The `PipelineContext` of one attempt."""

    def __init__(
        self,
        job: insight_pb2.Job,
        params: Mapping[str, JsonValue],
        chats: ChatsClient,
        lease: Lease,
        patience: Patience,
    ) -> None:
        """Take the job and what reads its messages."""
        self._job = job
        self._params = params
        self._state: dict[str, object] = {}
        self._chats = chats
        self._lease = lease
        self._patience = patience
        self._streamed = False

    @property
    def params(self) -> Mapping[str, JsonValue]:
        """The job's params."""
        return self._params

    @property
    def state(self) -> dict[str, object]:
        """What stages leave for later stages of this attempt."""
        return self._state

    def checkpoint(self) -> None:
        """Raise JobCancelled or StaleLease when there is no reason to go on."""
        self._lease.check()

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
        position, deadline = 0, None
        while True:
            try:
                for batch in self._chats.batches(self._job.user_id, self._job.subject_id, position):
                    self.checkpoint()
                    yield from batch
                    position, deadline = batch[-1].position, None
                return
            except ServiceError as error:
                if not is_transient(error):
                    raise
                deadline = deadline or self._patience.deadline()
                self._patience.wait(error, deadline, _PAUSE_S)
