"""What the parts of jobs share: made once by `bootstrap`."""

from dataclasses import dataclass

from chat_service.core import Core
from chat_service.jobs.changes import JobChanges
from chat_service.jobs.outbox import Outbox
from chat_service.jobs.policy import JobPolicy


@dataclass(frozen=True)
class JobContext:
    """The shared tools of jobs; they belong to the service's event loop."""

    core: Core
    policy: JobPolicy
    changes: JobChanges
    outbox: Outbox
