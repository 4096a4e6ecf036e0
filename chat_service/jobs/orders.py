"""Step 2 of the spine: the order becomes a job, once, whatever is repeated and whoever else orders."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.catalogue.prices import share
from chat_service.catalogue.service import CategoryOffer, get_category
from chat_service.chats.models import Chat
from chat_service.chats.repository import lock_live
from chat_service.errors import ChatNotReady, NothingToUnlock
from chat_service.insights.repository import unlocked_types
from chat_service.jobs import repository
from chat_service.jobs.models import Job
from chat_service.jobs.policy import JobPolicy
from protos.chat.v1 import chat_pb2
from servicekit.errors import RequestIdReused
from servicekit.ids import uuid7


@dataclass(frozen=True, slots=True)
class Order:
    """A checked UnlockRequest."""

    user_id: str
    chat_id: uuid.UUID
    category_id: str
    request_id: uuid.UUID


async def place(session: AsyncSession, order: Order, policy: JobPolicy) -> tuple[Job, bool]:
    """Answer the job of the order and whether this call made it.

    The replay is decided first, before any state is looked at. Raises `RequestIdReused`,
    `ChatNotFound`, `CategoryNotFound`, `ChatNotReady`, `NothingToUnlock`.
    """
    known = await _replayed(session, order)
    if known is not None:
        return known, False
    chat = await lock_live(session, order.user_id, order.chat_id)
    offer = await get_category(session, order.category_id, with_model=policy.with_model)
    if chat.state != chat_pb2.CHAT_STATE_READY:
        raise ChatNotReady(order.chat_id, _state_name(chat))
    weights = {insight_type.insight_type_id: insight_type.price for insight_type in offer.insight_types}
    values = _job_values(order, offer, weights, policy)
    await repository.lock_orders_of(session, order.user_id, order.chat_id)
    job = await repository.insert_unless_there(session, values, policy.reserve_retry)
    if job is None:
        return await _lost(session, order), False
    missing = await _missing(session, job, order, list(weights))
    if len(missing) < len(weights):
        part = _part(values, {name: weights[name] for name in missing})
        job = await _order_part(session, job, {**values, **part}, policy)
    return job, True


def _state_name(chat: Chat) -> str:
    state = chat_pb2.ChatState.ValueType(chat.state)
    return chat_pb2.ChatState.Name(state).removeprefix("CHAT_STATE_")


async def _replayed(session: AsyncSession, order: Order) -> Job | None:
    job = await repository.find_by_request(session, order.user_id, order.request_id)
    if job is None:
        return None
    if job.subject_id != str(order.chat_id):
        raise RequestIdReused(order.request_id, "chat_id")
    if job.category_id != order.category_id:
        raise RequestIdReused(order.request_id, "category_id")
    return job


async def _lost(session: AsyncSession, order: Order) -> Job:
    """Answer the job of a call with the same request id that was faster; raises when it was another order."""
    job = await _replayed(session, order)
    if job is None:
        raise NothingToUnlock(order.chat_id, order.category_id, "ORDERED")
    return job


async def _missing(session: AsyncSession, job: Job, order: Order, types: Sequence[str]) -> list[str]:
    """Answer what the chat does not have yet; raises `NothingToUnlock`, which takes the job back.

    Read after the insert: a job of the same category that ends right now either still blocks the insert,
    or its insights are seen here as unlocked. Read before, they could be bought twice. The same is why
    what is being made is read before what is there: a job that ends in between is seen in both.
    """
    ordered = await repository.types_being_made(session, job)
    there = await unlocked_types(session, order.chat_id, types)
    missing = [name for name in types if name not in there]
    if not missing:
        raise NothingToUnlock(order.chat_id, order.category_id, "UNLOCKED")
    if ordered.issuperset(missing):
        raise NothingToUnlock(order.chat_id, order.category_id, "ORDERED")
    if job.charge_mode is ChargeMode.WHAT_SUCCEEDED:
        # Each of its types is paid by itself, and what is being made is paid there.
        return [name for name in missing if name not in ordered]
    return missing


def _part(values: Mapping[str, Any], wanted: Mapping[str, int]) -> dict[str, Any]:
    """Answer the columns of an order of some of a category's types only.

    Where what succeeded is charged, what is left out is not part of the price either.
    """
    price = values["price"]
    if values["charge_mode"] is ChargeMode.WHAT_SUCCEEDED:
        price = share(price, sum(wanted.values()), sum(values["weights"].values()))
    return {
        "params": _params(values["category_id"], list(wanted)),
        "requested_count": len(wanted),
        "weights": dict(wanted),
        "price": price,
    }


async def _order_part(session: AsyncSession, job: Job, values: Mapping[str, Any], policy: JobPolicy) -> Job:
    """Put a smaller order in the place of a job that nobody has seen yet.

    What a job was ordered as never changes, its price least of all, and the database holds to that: so the
    row is not changed but made anew, in the transaction that made it. Whoever waits for its unique keys waits
    for the commit, and finds the new one.
    """
    await session.delete(job)
    await session.flush()
    placed = await repository.insert_unless_there(session, values, policy.reserve_retry)
    assert placed is not None, "nobody else can have these keys before the commit"
    return placed


def _params(category_id: str, types: Sequence[str]) -> dict[str, Any]:
    return {"category_id": category_id, "insight_type_ids": list(types)}


def _job_values(
    order: Order, offer: CategoryOffer, weights: Mapping[str, int], policy: JobPolicy
) -> dict[str, Any]:
    return {
        "job_id": uuid7(),
        "user_id": order.user_id,
        "request_id": order.request_id,
        "kind": offer.category.kind,
        "subject_id": str(order.chat_id),
        "category_id": order.category_id,
        "params": _params(order.category_id, list(weights)),
        "price": offer.price,
        "charge_mode": offer.category.charge_mode,
        "weights": dict(weights),
        "requested_count": len(weights),
        "reservation_ttl_s": policy.reservation_ttl_s,
    }
