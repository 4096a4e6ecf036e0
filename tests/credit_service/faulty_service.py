"""credit_service that kills itself at one statement; for tests alone, the product knows nothing of it.

FAULT_ARMED names a file. Once it is there, the FAULT_COUNT-th statement that begins with FAULT_STATEMENT is
the last one: the process dies by SIGKILL before it sends the statement, or after PostgreSQL has answered it
(FAULT_MOMENT: "before" or "after"). Everything else is `python -m credit_service serve`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakSet

import asyncpg

from credit_service.__main__ import main

_Send = Callable[..., Awaitable[Any]]

_PATCHED = ("execute", "fetch", "fetchrow")
"""The methods by which the ledger's statements go to PostgreSQL."""

_LAST_WORDS_S = 0.05


@dataclass
class Fault:
    """Where the process dies."""

    armed: Path
    statement: str
    moment: str
    count: int
    writing: WeakSet[Any] = field(default_factory=WeakSet)

    def is_due(self, connection: Any, query: str) -> bool:
        """Tell whether this statement is the last one; counts down to it, past every COMMIT of nothing."""
        if query.startswith("BEGIN"):
            self.writing.discard(connection)
        elif query.startswith("WITH"):
            self.writing.add(connection)
        meant = query.startswith(self.statement) and (query != "COMMIT" or connection in self.writing)
        if not meant or not self.armed.exists():
            return False
        self.count -= 1
        return self.count == 0

    def around(self, send: _Send) -> _Send:
        """Answer the method with the fault in it."""

        async def sent(connection: Any, query: str, *arguments: Any, **options: Any) -> Any:
            due = self.is_due(connection, query)
            if due and self.moment == "before":
                # Long enough for an answer that did not wait for this statement to get out.
                await asyncio.sleep(_LAST_WORDS_S)
                os.kill(os.getpid(), signal.SIGKILL)
            answer = await send(connection, query, *arguments, **options)
            if due:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return sent


def install(fault: Fault) -> None:
    """Put the fault into the driver of this process."""
    for name in _PATCHED:
        setattr(asyncpg.Connection, name, fault.around(getattr(asyncpg.Connection, name)))


if __name__ == "__main__":
    install(
        Fault(
            Path(os.environ["FAULT_ARMED"]),
            os.environ["FAULT_STATEMENT"],
            os.environ["FAULT_MOMENT"],
            int(os.environ["FAULT_COUNT"]),
        )
    )
    sys.exit(main(["serve"]))
