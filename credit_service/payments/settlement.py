"""A fact about an order is settled: the order, its reversals and the coins, in one transaction.

Locks in this order: the order, then its user's account. What moves coins carries a key of the business fact
that it stands for, twice over: as the request id in the ledger and as the primary key of
`order_transactions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from credit_service.ledger import (
    Debit,
    Debited,
    Grant,
    Granted,
    Operation,
    TransactionType,
)
from credit_service.payments import repository
from credit_service.payments.facts import Fact
from credit_service.payments.rules import Move, Order, Purse, contradiction, moves_coins, settle
from credit_service.store import LedgerPart
from servicekit.logs import business_event

_NAMESPACE = UUID("0f3f5f0c-6d6e-5f0b-9f5f-0a4a6b1f7a10")


@dataclass(frozen=True, slots=True)
class Settlement:
    """An order before and after facts; with a `refusal` nothing was done. `details` are for operators."""

    before: Order
    after: Order
    moves: Sequence[Move] = ()
    refusal: str = ""
    details: Sequence[str] = ()


async def settle_facts(part: LedgerPart, order_id: UUID, facts: Sequence[Fact]) -> Settlement:
    """Settle facts about one order in the transaction of `part`; the order is there.

    All or nothing: a fact that contradicts the order refuses all of them.
    """
    before = order = await repository.lock(part.connection, order_id)
    for fact in facts:
        if refusal := contradiction(order, fact):
            return Settlement(before, before, refusal=refusal)
    known = await repository.reversals(part.connection, order_id)
    purse = await _purse(part, order, facts)
    now = await repository.clock(part.connection)
    moves: list[Move] = []
    details = []
    for fact in facts:
        settled = settle(order, known, fact, purse, now)
        order = settled.order
        if settled.reversal is not None:
            known = [*(one for one in known if one.key != settled.reversal.key), settled.reversal]
            await repository.put_reversal(part.connection, order_id, settled.reversal)
        moves += settled.moves
        purse = Purse(purse.balance + sum(move.coins for move in settled.moves), purse.open)
        details += [settled.detail] if settled.detail else []
    if order != before:
        await repository.update(part.connection, order)
    await _move(part, order, moves)
    return Settlement(before, order, moves, details=details)


async def _purse(part: LedgerPart, order: Order, facts: Sequence[Fact]) -> Purse:
    """Lock the account, if any of the facts may move coins, and answer what is in it."""
    if not any(moves_coins(order, fact) for fact in facts):
        return Purse(0)
    account = await part.open(_at_most(order))
    return Purse(account.balance, account.close_time is None)


def _at_most(order: Order) -> Sequence[Operation]:
    """Answer what may be done to the account, in the largest amounts: one request id each is looked up."""
    key = f"any:{order.order_id}"
    return [
        _operation(order, Move(f"{key}:in", order.coins, TransactionType.PURCHASE)),
        _operation(order, Move(f"{key}:out", -order.coins, TransactionType.REFUND)),
    ]


async def _move(part: LedgerPart, order: Order, moves: Sequence[Move]) -> None:
    """Move the coins. The account is locked and was asked: the ledger has no reason to refuse."""
    if not moves:
        return
    results = await part.apply([_operation(order, move) for move in moves])
    for move, result in zip(moves, results, strict=True):
        if not isinstance(result, Granted | Debited):
            raise AssertionError(f"{move.business_key} was refused: {result}")
        await repository.add_transaction(
            part.connection,
            move.business_key,
            order.order_id,
            result.transaction.transaction_id,
            move.coins,
        )


def _operation(order: Order, move: Move) -> Operation:
    request_id = uuid5(_NAMESPACE, move.business_key)
    metadata = {"order_id": str(order.order_id), "business_key": move.business_key}
    text = _description(order, move)
    if move.coins > 0:
        return Grant(order.user_id, move.coins, move.type, request_id, text, metadata)
    return Debit(order.user_id, -move.coins, move.type, request_id, text, metadata, allow_reserved=True)


def _description(order: Order, move: Move) -> str:
    if move.type is TransactionType.PURCHASE:
        return f"bought {order.package_id}"
    if move.type is TransactionType.CHARGEBACK:
        return f"the payment of {order.package_id} is disputed"
    return f"coins of {order.package_id} again" if move.coins > 0 else f"money back for {order.package_id}"


def log_settlement(settlement: Settlement) -> None:
    """Record what became of the order, after the commit; the coins have records of their own."""
    order = settlement.after
    if order == settlement.before and not settlement.details:
        return
    business_event(
        f"order_{order.state.lower()}",
        order_id=str(order.order_id),
        user_id=order.user_id,
        provider=order.provider,
        currency=order.currency,
        order_amount=order.amount,
        refunded_amount=order.refunded_amount,
        disputed_amount=order.disputed_amount,
        missing_coins=order.missing_coins,
        details=list(settlement.details),
    )
