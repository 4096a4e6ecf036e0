"""What a fact does to an order, and which coins move for it. Pure: no clock, no database, no provider.

However often facts come and in whatever order, an order ends the same: each is kept once, a reversal's status
only goes forward, and the coins that should have gone back are computed from all that is known. What moved
already is subtracted, so a fact moves only what none before it has moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from credit_service.ledger import MAX_BALANCE, TransactionType
from credit_service.payments.facts import Closed, Fact, Paid, Reversed
from credit_service.payments.states import OrderState, ReversalKind, ReversalStatus

_RANKS: Mapping[ReversalStatus, int] = {
    ReversalStatus.PENDING: 0,
    ReversalStatus.INQUIRY: 0,
    ReversalStatus.TAKEN: 1,
    ReversalStatus.OPEN: 1,
    ReversalStatus.LOST: 2,
    ReversalStatus.FAILED: 3,
    # An arbitration may turn a lost dispute, never a won one.
    ReversalStatus.WON: 3,
}
_NOT_CREDITED = "the account takes no coins: give the money back"
_DISPUTED = frozenset({ReversalStatus.OPEN, ReversalStatus.LOST})


@dataclass(frozen=True, slots=True)
class Order:
    """A row of `orders`: money in minor units, coins whole."""

    order_id: UUID
    user_id: str
    request_id: UUID
    package_id: str
    provider: str
    currency: str
    amount: int
    coins: int
    state: OrderState
    provider_order_id: str | None
    checkout: Mapping[str, str]
    payment_id: str | None
    paid_time: datetime | None
    refunded_amount: int
    disputed_amount: int
    granted_coins: int
    taken_coins: int
    missing_coins: int
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Reversal:
    """A row of `reversals`."""

    kind: ReversalKind
    reversal_id: str
    payment_id: str
    amount: int
    status: ReversalStatus

    @property
    def key(self) -> tuple[ReversalKind, str]:
        """What it is known by within its order."""
        return self.kind, self.reversal_id


@dataclass(frozen=True, slots=True)
class Purse:
    """The account of an order's user: its balance, and whether coins can go in and out."""

    balance: int
    open: bool = True


@dataclass(frozen=True, slots=True)
class Move:
    """Coins that come in (positive) or are taken back (negative), under the key of what they stand for."""

    business_key: str
    coins: int
    type: TransactionType


@dataclass(frozen=True, slots=True)
class Settled:
    """An order after a fact, the reversal that it brought or changed, and the coins that move."""

    order: Order
    reversal: Reversal | None = None
    moves: tuple[Move, ...] = ()
    detail: str = ""


def contradiction(order: Order, fact: Fact) -> str:
    """Answer what of the fact cannot be true of the order; empty when nothing."""
    if isinstance(fact, Closed):
        return ""
    if fact.currency != order.currency:
        return f"the order is in {order.currency}, this in {fact.currency[:8]}"
    if isinstance(fact, Paid) and fact.amount != order.amount:
        return f"the order costs {order.amount}, paid were {fact.amount}"
    return ""


def moves_coins(order: Order, fact: Fact) -> bool:
    """Whether the fact may move coins, so that the account has to be locked."""
    if isinstance(fact, Paid):
        return order.payment_id is None
    return isinstance(fact, Reversed) and order.payment_id == fact.payment_id


def settle(order: Order, reversals: Sequence[Reversal], fact: Fact, purse: Purse, now: datetime) -> Settled:
    """Answer what becomes of the order. `reversals` are all that are known of it, as they were heard of."""
    if isinstance(fact, Paid):
        return _paid(order, reversals, fact, purse, now)
    if isinstance(fact, Reversed):
        return _reversed(order, reversals, fact, purse)
    closed = order.state is OrderState.CREATED
    return Settled(replace(order, state=OrderState.FAILED) if closed else order)


def _paid(order: Order, reversals: Sequence[Reversal], paid: Paid, purse: Purse, now: datetime) -> Settled:
    if order.payment_id is not None:
        second = order.payment_id != paid.payment_id
        detail = f"payment {paid.payment_id} came beside {order.payment_id}: give it back" if second else ""
        return Settled(order, detail=detail)
    credited = purse.open and purse.balance + order.coins <= MAX_BALANCE
    order = replace(
        order,
        state=OrderState.PAID,
        payment_id=paid.payment_id,
        paid_time=now,
        granted_coins=order.coins if credited else 0,
    )
    if not credited:
        return _after_all(Settled(order, detail=_NOT_CREDITED), reversals, purse)
    key = f"purchase:{order.provider.lower()}:{order.order_id}"
    granted = Settled(order, moves=(Move(key, order.coins, TransactionType.PURCHASE),))
    return _after_all(granted, reversals, replace(purse, balance=purse.balance + order.coins))


def _after_all(settled: Settled, reversals: Sequence[Reversal], purse: Purse) -> Settled:
    """Let what was heard of before the payment follow it, one after another as it would have."""
    known: list[Reversal] = []
    for reversal in reversals:
        known.append(reversal)
        if reversal.payment_id == settled.order.payment_id:
            order, moves, purse = _take_back(settled.order, known, reversal, purse)
            settled = replace(settled, order=order, moves=settled.moves + moves)
    return settled


def _reversed(order: Order, reversals: Sequence[Reversal], fact: Reversed, purse: Purse) -> Settled:
    before = {reversal.key: reversal for reversal in reversals}
    new = Reversal(fact.kind, fact.reversal_id, fact.payment_id, fact.amount, fact.status)
    merged = _forward(before[new.key], new) if new.key in before else new
    if before.get(new.key) == merged:
        return Settled(order)
    if order.payment_id != merged.payment_id:
        # Not paid yet, or of another payment, which granted nothing.
        return Settled(order, merged)
    known = list({**before, merged.key: merged}.values())
    order, moves, _ = _take_back(order, known, merged, purse)
    return Settled(order, merged, moves)


def _forward(old: Reversal, new: Reversal) -> Reversal:
    """Answer the later of two statements; of equals that of more money, so their order is no matter."""
    return max(new, old, key=lambda reversal: (_RANKS[reversal.status], reversal.amount))


def _take_back(
    order: Order, known: Sequence[Reversal], cause: Reversal, purse: Purse
) -> tuple[Order, tuple[Move, ...], Purse]:
    """Move what has to move now that all these reversals are known; of the payment's own only."""
    own = [reversal for reversal in known if reversal.payment_id == order.payment_id]
    order = replace(
        order,
        refunded_amount=min(_refunded(own), order.amount),
        disputed_amount=min(_disputed(own), order.amount),
    )
    order = replace(order, state=_state(order))
    back = order.granted_coins * min(order.refunded_amount + order.disputed_amount, order.amount)
    change = back // order.amount - order.taken_coins - order.missing_coins
    coins = _possible(order, change, purse)
    forgiven = min(order.missing_coins, -change) if change < 0 else 0
    missing = max(change, 0) + coins if change > 0 else -forgiven
    order = replace(order, taken_coins=order.taken_coins - coins, missing_coins=order.missing_coins + missing)
    move = Move(_key(order, cause), coins, _type(cause, coins))
    return order, (move,) if coins else (), replace(purse, balance=purse.balance + coins)


def _possible(order: Order, change: int, purse: Purse) -> int:
    """Answer the coins that can move when `change` more should be with us: negative are taken.

    More than there is cannot be taken: the rest is missing, and the first to be forgiven when some of it
    is to be given again.
    """
    if not purse.open:
        return 0
    if change > 0:
        return -min(change, purse.balance)
    again = -change - min(order.missing_coins, -change)
    return again if purse.balance + again <= MAX_BALANCE else 0


def _refunded(own: Sequence[Reversal]) -> int:
    """Answer the money that refunds gave back: the more of what they add up to and what the payment names.

    What the payment names counts refunds that failed later.
    """
    refunds = [reversal for reversal in own if reversal.kind is ReversalKind.REFUND]
    taken = sum(refund.amount for refund in refunds if refund.status is ReversalStatus.TAKEN)
    failed = sum(refund.amount for refund in refunds if refund.status is ReversalStatus.FAILED)
    named = max((one.amount for one in own if one.kind is ReversalKind.REFUND_TOTAL), default=0)
    return max(taken, named - failed)


def _disputed(own: Sequence[Reversal]) -> int:
    disputes = (reversal for reversal in own if reversal.kind is ReversalKind.DISPUTE)
    return sum(dispute.amount for dispute in disputes if dispute.status in _DISPUTED)


def _state(order: Order) -> OrderState:
    """Answer the state of a paid order."""
    if order.disputed_amount:
        return OrderState.DISPUTED
    return OrderState.REFUNDED if order.refunded_amount >= order.amount else OrderState.PAID


def _key(order: Order, cause: Reversal) -> str:
    """Name the fact: a reversal in one status, of one amount. It is stated often and moves coins once."""
    provider = order.provider.lower()
    return f"{cause.kind.lower()}:{provider}:{cause.reversal_id}:{cause.status.lower()}:{cause.amount}"


def _type(cause: Reversal, coins: int) -> TransactionType:
    chargeback = cause.kind is ReversalKind.DISPUTE and coins < 0
    return TransactionType.CHARGEBACK if chargeback else TransactionType.REFUND
