"""Who waits for a change of which job, and who tells them.

Changes made by this process reach its watchers at once, with the row as it was committed; those of other
copies are found by one query for all watched jobs together. So watching costs no connection while nothing
happens, and no read of the row while this process is the one that changes it.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.jobs.models import Job
from servicekit.database import Sessions
from servicekit.errors import ServiceError, Unavailable
from servicekit.logs import get_logger
from servicekit.retry import execute_in_transaction

log = get_logger(__name__)

#: Job ids in one query.
_CHUNK = 1_000


class Watcher:
    """One who waits for news of one job."""

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        #: The update_time of the newest row that it has or is about to get.
        self.seen: datetime | None = None
        self._news: Job | None = None
        self._changed = asyncio.Event()
        self._over = False

    def offer(self, job: Job) -> None:
        """Give the row, unless one that is as new was seen: two commits may be told in the wrong order."""
        if self.seen is None or job.update_time > self.seen:
            self.seen, self._news = job.update_time, job
            self._changed.set()

    def saw(self, job: Job) -> None:
        """Note a row that was read. What was given meanwhile and is older than it is forgotten."""
        if self._news is None or self._news.update_time <= job.update_time:
            self.seen, self._news = job.update_time, None

    def wake(self) -> None:
        """Say that there may be something new to read."""
        self._changed.set()

    def end(self) -> None:
        """Say that there will be no more news from this process."""
        self._over = True
        self._changed.set()

    async def wait(self) -> Job | None:
        """Wait for the next row, or None: read it. What came since the last wait counts, the newest only.

        Raises `Unavailable` when the service stops: the job goes on, and another copy tells of it.
        """
        await self._changed.wait()
        if self._over:
            raise Unavailable("the server is going down; try again")
        self._changed.clear()
        news, self._news = self._news, None
        return news


class JobChanges:
    """The watchers of this process."""

    def __init__(self) -> None:
        """Nobody watches yet."""
        self._watchers: dict[uuid.UUID, set[Watcher]] = defaultdict(set)
        self._somebody = asyncio.Event()
        self._stopping = False

    @contextmanager
    def watcher(self, job_id: uuid.UUID) -> Iterator[Watcher]:
        """Watch a job for as long as the context lasts."""
        watcher = Watcher()
        if self._stopping:
            watcher.end()
        self._watchers[job_id].add(watcher)
        self._somebody.set()
        try:
            yield watcher
        finally:
            self._watchers[job_id].discard(watcher)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    def changed(self, job: Job) -> None:
        """Give the row to those who watch the job; call it after the commit, and never change it then."""
        for watcher in self._watchers.get(job.job_id, ()):
            watcher.offer(job)

    def stop(self) -> None:
        """End all watching. A stream that waits for news would hold up the drain for its whole time."""
        self._stopping = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    async def poll(self, sessions: Sessions, interval_s: float) -> None:
        """Look for changes that other copies made, for ever; asks only while somebody watches."""
        while True:
            await self._somebody.wait()
            await asyncio.sleep(interval_s)
            if not self._watchers:
                self._somebody.clear()
                continue
            try:
                await self._look(sessions)
            except ServiceError as error:
                log.warning("watched_jobs_not_read", reason=error.reason)

    async def _look(self, sessions: Sessions) -> None:
        watched = list(self._watchers)
        for start in range(0, len(watched), _CHUNK):
            for job_id, update_time in await _update_times(sessions, watched[start : start + _CHUNK]):
                self._wake_outdated(job_id, update_time)

    def _wake_outdated(self, job_id: uuid.UUID, update_time: datetime) -> None:
        for watcher in self._watchers.get(job_id, ()):
            if watcher.seen != update_time:
                watcher.wake()


async def _update_times(sessions: Sessions, job_ids: list[uuid.UUID]) -> list[tuple[uuid.UUID, datetime]]:
    async def work(session: AsyncSession) -> list[tuple[uuid.UUID, datetime]]:
        found = await session.execute(select(Job.job_id, Job.update_time).where(Job.job_id.in_(job_ids)))
        return [(job_id, update_time) for job_id, update_time in found]

    return await execute_in_transaction(sessions, work)
