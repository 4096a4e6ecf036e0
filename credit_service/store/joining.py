"""The ledger's part in a transaction that another part of this service has begun.

What an order becomes and the coins that move for it are committed together or not at all. The order of the
locks is: the caller's own rows first, accounts after them (`opening`), and nothing of the caller's after
those. Nobody waits for the caller's rows while holding an account, so no two transactions wait for each
other; an erasure, whose new name goes on to the orders, locks these first as well.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from credit_service.ledger import Account, Event, Operation, Result, apply
from credit_service.store.course import Course
from credit_service.store.opening import Opened, open_book
from credit_service.store.wants import wants
from credit_service.store.writing import write


class TooMuchDue(Exception):
    """The account has more expired reservations than one transaction writes down: those go first."""

    def __init__(self, user_id: str) -> None:
        super().__init__(user_id)
        self.user_id = user_id


class LedgerPart:
    """One account, locked in the caller's transaction, and what is done to it there."""

    def __init__(
        self,
        connection: "asyncpg.Connection[Any]",
        course: Course,
        new_id: Callable[[], UUID],
        due_limit: int,
    ) -> None:
        """Take the connection with the caller's transaction, and how far that has come."""
        self.connection = connection
        self.events: Sequence[Event] = ()
        self._course = course
        self._new_id = new_id
        self._due_limit = due_limit
        self._opened: Opened | None = None

    async def open(self, at_most: Sequence[Operation]) -> Account:
        """Lock the account that the operations are about and answer it as it is now; once a transaction.

        `at_most` is what may be done, in its largest amounts: less may turn out to be right, knowing the
        account; one Grant is among it, so that there is a row to lock. Also an account that was never granted
        a coin may be closed: an erasure does that. Raises `TooMuchDue`.
        """
        wanted = wants(at_most, {})
        [user_id] = wanted.user_ids
        self._opened = await open_book(self.connection, wanted, wait=True, due_limit=self._due_limit)
        if self._opened.more_due:
            raise TooMuchDue(user_id)
        return self._opened.book.locked_account(user_id)

    async def apply(self, operations: Sequence[Operation]) -> list[Result]:
        """Do the operations, in order, and answer one result each; from here on it is seen to its end.

        Nothing may follow in the transaction that waits for a lock.
        """
        assert self._opened is not None
        book = self._opened.book
        results = apply(book, operations, self._opened.now, [self._new_id() for _ in operations], ())
        self._course.writing = True
        await write(self.connection, book.changes(), book.events)
        self.events = book.events
        return results
