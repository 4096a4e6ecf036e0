"""The rules alone: however facts are shuffled and repeated, an order ends the same, its coins too."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from credit_service.ledger import MAX_BALANCE
from credit_service.payments.facts import Closed, Fact, Paid, Reversed
from credit_service.payments.rules import Move, Order, Purse, Reversal, contradiction, settle
from credit_service.payments.states import OrderState, ReversalKind, ReversalStatus

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_ORDER = Order(
    order_id=UUID(int=1),
    user_id="ana",
    request_id=UUID(int=2),
    package_id="coins-400",
    provider="STRIPE",
    currency="EUR",
    amount=499,
    coins=400,
    state=OrderState.CREATED,
    provider_order_id="cs_1",
    checkout={},
    payment_id=None,
    paid_time=None,
    refunded_amount=0,
    disputed_amount=0,
    granted_coins=0,
    taken_coins=0,
    missing_coins=0,
    create_time=_NOW,
    update_time=_NOW,
)
_PAID = Paid("pi_1", 499, "EUR")


def reversed_(kind: str, name: str, amount: int, status: str, payment_id: str = "pi_1") -> Reversed:
    return Reversed(ReversalKind(kind), name, payment_id, amount, "EUR", ReversalStatus(status))


@dataclass
class Till:
    """An order with its user's purse, as the store keeps them."""

    balance: int = 0
    order: Order = _ORDER
    reversals: list[Reversal] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def hear(self, *facts: Fact) -> "Till":
        for fact in facts:
            settled = settle(self.order, self.reversals, fact, Purse(self.balance), _NOW)
            self.order = settled.order
            if (new := settled.reversal) is not None:
                self.reversals = [*(one for one in self.reversals if one.key != new.key), new]
            self.moves += settled.moves
            self.balance += sum(move.coins for move in settled.moves)
            self.check()
        return self

    def check(self) -> None:
        """What holds after every fact."""
        order = self.order
        assert self.balance >= 0
        assert sum(move.coins for move in self.moves) == order.granted_coins - order.taken_coins
        assert 0 <= order.taken_coins + order.missing_coins <= order.granted_coins
        assert len({move.business_key for move in self.moves}) == len(self.moves)
        assert (order.payment_id is None) == (order.state in (OrderState.CREATED, OrderState.FAILED))


_LIVES: Sequence[Sequence[Fact]] = (
    (_PAID, _PAID, Closed()),
    (_PAID, reversed_("REFUND", "re_1", 100, "TAKEN"), reversed_("REFUND", "re_2", 399, "TAKEN")),
    (
        _PAID,
        reversed_("REFUND", "re_1", 100, "TAKEN"),
        reversed_("REFUND_TOTAL", "ch_1", 100, "TAKEN"),
        reversed_("REFUND", "re_2", 50, "TAKEN"),
        reversed_("REFUND_TOTAL", "ch_1", 150, "TAKEN"),
    ),
    (
        _PAID,
        reversed_("REFUND", "re_1", 499, "TAKEN"),
        reversed_("REFUND_TOTAL", "ch_1", 499, "TAKEN"),
        reversed_("REFUND", "re_1", 499, "FAILED"),
        reversed_("REFUND", "re_2", 200, "TAKEN"),
    ),
    (
        _PAID,
        reversed_("DISPUTE", "dp_1", 499, "INQUIRY"),
        reversed_("DISPUTE", "dp_1", 499, "OPEN"),
        reversed_("DISPUTE", "dp_1", 499, "WON"),
        reversed_("REFUND", "re_1", 499, "PENDING"),
    ),
    (
        _PAID,
        reversed_("DISPUTE", "dp_1", 499, "OPEN"),
        reversed_("DISPUTE", "dp_1", 499, "LOST"),
        reversed_("REFUND", "re_1", 200, "TAKEN"),
        reversed_("REFUND", "re_9", 200, "TAKEN", "pi_other"),
    ),
)


@settings(max_examples=60)
@given(st.sampled_from(_LIVES), st.data())
def test_shuffled_and_repeated_facts_end_an_order_as_if_each_came_once_and_in_order(
    life: Sequence[Fact], data: st.DataObject
) -> None:
    # given what happened, in its order, and once
    straight = Till().hear(*life)
    # when the same is heard of twice over, in any order
    shuffled = Till().hear(*data.draw(st.permutations([*life, *life])))
    # then it is the same order, and the user has the same coins
    assert replace(shuffled.order, update_time=_NOW) == straight.order
    assert shuffled.balance == straight.balance


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.just(_PAID),
            st.just(Closed()),
            st.builds(
                lambda name, amount, status: reversed_("REFUND", name, amount, status),
                st.sampled_from(["re_1", "re_2"]),
                st.integers(0, 600),
                st.sampled_from(["PENDING", "TAKEN", "FAILED"]),
            ),
            st.builds(
                lambda amount, status: reversed_("DISPUTE", "dp_1", amount, status),
                st.integers(0, 600),
                st.sampled_from(["INQUIRY", "OPEN", "LOST", "WON"]),
            ),
            st.builds(lambda amount: reversed_("REFUND_TOTAL", "ch_1", amount, "TAKEN"), st.integers(0, 600)),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_nothing_that_providers_may_say_breaks_the_sums(facts: list[Fact], spent: list[int]) -> None:
    # given a user who spends between the facts
    till = Till()
    for fact, coins in zip(facts, [*spent, *[0] * len(facts)], strict=False):
        till.hear(fact)
        till.balance -= min(coins, till.balance)
    # then nothing more was ever taken than granted (`Till.check`)
    assert till.order.taken_coins <= till.order.granted_coins


def test_a_full_refund_takes_every_coin_however_it_was_divided() -> None:
    thirds = [
        reversed_("REFUND", f"re_{part}", amount, "TAKEN") for part, amount in enumerate((166, 167, 166))
    ]
    till = Till().hear(_PAID, *thirds)
    assert (till.balance, till.order.state) == (0, OrderState.REFUNDED)


def test_an_account_that_is_full_or_closed_takes_no_coins_and_loses_none() -> None:
    for purse in (Purse(MAX_BALANCE - 399), Purse(0, open=False)):
        settled = settle(_ORDER, [], _PAID, purse, _NOW)
        assert (settled.order.state, settled.order.granted_coins, settled.moves) == (OrderState.PAID, 0, ())
        assert "give the money back" in settled.detail
    # and one that is closed afterwards keeps what it has, on record
    paid = settle(_ORDER, [], _PAID, Purse(0), _NOW).order
    disputed = settle(paid, [], reversed_("DISPUTE", "dp_1", 499, "OPEN"), Purse(400, open=False), _NOW)
    assert (disputed.order.missing_coins, disputed.moves) == (400, ())


def test_what_contradicts_an_order_is_named() -> None:
    assert contradiction(_ORDER, Paid("pi_1", 500, "EUR")) == "the order costs 499, paid were 500"
    assert "EUR" in contradiction(_ORDER, Paid("pi_1", 499, "USD"))
    assert contradiction(_ORDER, _PAID) == ""
    assert contradiction(_ORDER, Closed()) == ""
    assert contradiction(_ORDER, replace(reversed_("REFUND", "re_1", 9, "TAKEN"), currency="USD")) != ""
