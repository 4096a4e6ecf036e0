"""A stored webhook event is handled: its order found, what it says settled, itself marked, in one commit.

Locks: the event, then its order, then the account. Twice, late, out of order, for an order that is not there
yet: each has an end, and every end stands in the event's row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from credit_service.payments import repository, webhook_events
from credit_service.payments.facts import Notice
from credit_service.payments.providers import Provider, Providers
from credit_service.payments.readings import Unreadable
from credit_service.payments.settlement import Settlement, log_settlement, settle_facts
from credit_service.payments.states import OPEN_STATES, EventState
from credit_service.payments.webhook_events import StoredEvent
from credit_service.store import LedgerPart, Store
from servicekit.logs import get_logger

log = get_logger(__name__)

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(hours=1)
_MAX_AGE = timedelta(days=4)
"""How long an event waits for its order: Stripe repeats an event for three days."""


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of an event."""

    event_id: str
    state: EventState
    order_id: UUID | None = None
    #: Whether it had ended before.
    before: bool = False
    detail: str = ""


class Handler:
    """Handles events; any number of copies may handle at once."""

    def __init__(self, store: Store, providers: Providers) -> None:
        """Take the ledger, and who reads the events."""
        self._store = store
        self._providers = providers

    @property
    def providers(self) -> Sequence[str]:
        """Whose events this copy of the service can handle; others are left to copies that can."""
        return self._providers.names

    async def handle(self, event_number: int) -> Handled:
        """Handle an event of an offered provider, or answer how it has ended. Raises as `Store.execute`."""
        settlements: list[Settlement] = []

        async def work(part: LedgerPart) -> Handled:
            settlements.clear()
            event = await webhook_events.lock(part.connection, event_number)
            if event.state not in OPEN_STATES:
                return Handled(event.event_id, event.state, event.order_id, before=True)
            return await self._handle(part, event, settlements)

        handled = await self._store.join(work)
        for settlement in settlements:
            log_settlement(settlement)
        if handled.state in (EventState.REFUSED, EventState.UNMATCHED) and not handled.before:
            log.error(
                "webhook_needs_a_look", event_id=handled.event_id, state=handled.state, detail=handled.detail
            )
        return handled

    async def _handle(self, part: LedgerPart, event: StoredEvent, settlements: list[Settlement]) -> Handled:
        provider = self._providers.offered(event.provider)
        try:
            notice = provider.read(event.body, event.headers).notice
        except Unreadable as error:
            return await self._end(part, event, EventState.REFUSED, detail=str(error))
        if not notice.about.anything:
            return await self._end(part, event, EventState.IGNORED)
        order_id = await repository.find(part.connection, event.provider, notice.about)
        if order_id is None:
            return await self._wait(part, event, "its order is not known", notice.about.payment_id)
        settlement = await settle_facts(part, order_id, notice.facts)
        settlements.append(settlement)
        return await self._settled(part, event, provider, notice, settlement)

    async def _settled(
        self, part: LedgerPart, event: StoredEvent, provider: Provider, notice: Notice, settlement: Settlement
    ) -> Handled:
        order = settlement.after
        if settlement.refusal:
            return await self._end(part, event, EventState.REFUSED, order.order_id, settlement.refusal)
        if settlement.before.payment_id is None and order.payment_id is not None:
            await webhook_events.wake(part.connection, provider.name, order.payment_id)
        state = EventState.HANDLED if notice.facts else EventState.IGNORED
        return await self._end(part, event, state, order.order_id, "; ".join(settlement.details))

    async def _end(
        self,
        part: LedgerPart,
        event: StoredEvent,
        state: EventState,
        order_id: UUID | None = None,
        detail: str = "",
    ) -> Handled:
        await webhook_events.end(part.connection, event.event_number, state, detail, order_id)
        return Handled(event.event_id, state, order_id, detail=detail)

    async def _wait(
        self, part: LedgerPart, event: StoredEvent, detail: str, payment_id: str | None
    ) -> Handled:
        """Try again later, ever more seldom, until it is too old to hope."""
        if event.age > _MAX_AGE:
            return await self._end(part, event, EventState.UNMATCHED, detail=detail)
        await webhook_events.wait(part.connection, event.event_number, detail, payment_id, pause(event.tries))
        return Handled(event.event_id, EventState.WAITING, detail=detail)


def pause(tries: int) -> timedelta:
    """Answer how long to wait after so many tries."""
    return min(_FIRST_PAUSE * 2.0 ** min(tries, 16), _LONGEST_PAUSE)


def is_late(event: StoredEvent) -> bool:
    """Whether an event that cannot be handled has been tried for long enough.

    One that waits for its order ends by itself, unless handling it fails once the order is there.
    """
    return event.age > (_MAX_AGE if event.state is EventState.PENDING else 2 * _MAX_AGE)
