"""Whatever comes in whatever order: the invariants hold, replays repeat, a batch equals its parts."""

from copy import deepcopy
from datetime import timedelta
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from credit_service.ledger import (
    Charge,
    Charged,
    Event,
    Extend,
    Grant,
    Granted,
    Operation,
    Release,
    Released,
    Reserve,
    Result,
    TransactionType,
)
from credit_service.ledger.results import Extended, Reserved
from tests.credit_service.ledger.world import World

_SPACE = UUID(int=7)
_IDS = [uuid5(_SPACE, str(number)) for number in range(12)]

_users = st.sampled_from(["ana", "ben"])
_ids = st.sampled_from(_IDS)
_amounts = st.integers(1, 40)
_ttls = st.integers(1, 4).map(lambda seconds: timedelta(seconds=seconds))

# A step is a wait in seconds, or an operation whose reservation is the n-th that was made.
_steps = st.one_of(
    st.integers(0, 3),
    st.builds(Grant, _users, _amounts, st.just(TransactionType.BONUS), _ids),
    st.builds(Reserve, _users, _amounts, _ids, st.none() | _ttls),
    st.tuples(st.just("charge"), st.integers(0, 5), st.none() | st.integers(0, 41), st.none() | _ids),
    st.tuples(st.just("release"), st.integers(0, 5), st.just(None), st.none() | _ids),
    st.tuples(st.just("extend"), st.integers(0, 5), _ttls, _ids),
)
_Step = int | Grant | Reserve | tuple[str, int, object, UUID | None]


def _operation(world: World, step: _Step) -> Operation | None:
    if isinstance(step, Grant | Reserve):
        return step
    assert isinstance(step, tuple)
    kind, index, value, request_id = step
    made = list(world.reservations)
    reservation_id = made[index % len(made)] if made else UUID(int=index)
    if kind == "charge":
        assert value is None or isinstance(value, int)
        return Charge(reservation_id, value, request_id=request_id)
    if kind == "release":
        return Release(reservation_id, "", request_id)
    assert isinstance(value, timedelta)
    assert request_id is not None
    return Extend(reservation_id, value, request_id)


@settings(max_examples=60)
@given(st.lists(_steps, max_size=40))
def test_the_invariants_hold_and_every_success_repeats(steps: list[_Step]) -> None:
    world = World()
    answered: dict[str, tuple[Operation, Result]] = {}
    for step in steps:
        if isinstance(step, int):
            world.wait(timedelta(seconds=step))
            continue
        operation = _operation(world, step)
        assert operation is not None
        result = world.one(operation)
        if operation.request_id is not None and _moved(result):
            _, first = answered.setdefault(repr(operation), (operation, result))
            assert _remembered(result) == _remembered(first)
    for operation, first in answered.values():
        assert _remembered(world.one(operation)) == _remembered(first)


def _moved(result: Result) -> bool:
    return isinstance(result, Granted | Reserved | Charged | Released | Extended)


def _remembered(result: Result) -> tuple[object, object]:
    return getattr(result, "reservation", None), getattr(result, "transaction", None)


@settings(max_examples=40)
@given(st.lists(_steps, max_size=20), st.lists(_steps, max_size=12))
def test_a_batch_does_what_its_operations_do_one_by_one(before: list[_Step], steps: list[_Step]) -> None:
    world = World()
    for step in before:
        if isinstance(step, int):
            world.wait(timedelta(seconds=step))
        elif operation := _operation(world, step):
            world.one(operation)
    batch = [o for step in steps if not isinstance(step, int) and (o := _operation(world, step))]
    alone = deepcopy(world)
    together = world.do(*batch)
    events: list[Event] = []
    for operation, result in zip(batch, together, strict=True):
        assert type(alone.one(operation)) is type(result)
        events += alone.events
    assert {key: row.balance for key, row in alone.accounts.items() if row.exists} == {
        key: row.balance for key, row in world.accounts.items() if row.exists
    }
    assert [event.kind for event in events] == [event.kind for event in world.events if batch]
