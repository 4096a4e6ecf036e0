"""The ledger beside the empty RPC and pgbench: single calls, batches, and how cost grows."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc.aio

from benchmarks import pgbench
from benchmarks.house import House, conditions, house
from benchmarks.load import all_of, calls_per_s, median_ms
from benchmarks.report import Row, Series
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.grpc_clients import aio_channel
from servicekit.settings import KitSettings

_IN_FLIGHT = 256
_FOR_S = 3
_COINS = 10**9
_TIMEOUT_S = 60.0
_BATCH = 1_000
_GRANTS = 5_000
_PAIRS = 200
_GROWN = 10 * pgbench.ACCOUNTS
_HISTORY = (2_000, 20_000)

Call = Callable[[int], Awaitable[object]]


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Alternate baseline and figure for some rounds; answer the rows and the conditions."""
    with house() as running:
        running.run("credit_service", "migrate")
        many = {"HOLDFAST_RPC_MAX_CONCURRENT": "4096"}
        running.start("credit_service", "credit_service", "serve", env=many)
        alone = {"HOLDFAST_CREDIT_PORT": running.env["HOLDFAST_CHAT_PORT"]}
        alone["HOLDFAST_CREDIT_BATCHES_IN_FLIGHT"] = "0"
        running.start("credit_service alone", "credit_service", "serve", env=alone)
        running.start("empty", "benchmarks.empty_server")
        pgbench.prepare(running)
        rows = asyncio.run(_measure(running, rounds))
        _check(running)
        return rows, [
            *conditions(running),
            f"single calls: {_IN_FLIGHT} in flight, one Python client; Execute: 2 in flight; "
            "pgbench: 32 clients, prepared; log level warning",
        ]


@dataclass(frozen=True)
class _Clients:
    """Stubs of the three servers."""

    credit: "credit_pb2_grpc.CreditServiceAsyncStub"
    alone: "credit_pb2_grpc.CreditServiceAsyncStub"
    empty: "ops_pb2_grpc.OpsServiceAsyncStub"


async def _measure(running: House, rounds: int) -> list[Row]:
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(_channel(running, name)) for name in ("CREDIT", "CHAT", "EMPTY")
        ]
        clients = _Clients(
            credit_pb2_grpc.CreditServiceStub(channels[0]),
            credit_pb2_grpc.CreditServiceStub(channels[1]),
            ops_pb2_grpc.OpsServiceStub(channels[2]),
        )
        await _grant_all(clients.credit, range(pgbench.ACCOUNTS))
        rows = await _throughput(running, clients, rounds)
        rows += await _alone(clients, rounds)
        return rows + await _growth(clients, rounds)


async def _throughput(running: House, clients: _Clients, rounds: int) -> list[Row]:
    """Single calls and batches, each beside its baseline."""
    empty, spread, hot = (
        Series(name, "calls/s") for name in ("empty RPC", "Reserve", "Reserve, one account")
    )
    batch, batch_hot = (Series(name, "operations/s") for name in ("Execute", "Execute, one account"))
    pairs = Series("Execute, Reserve + Charge", "pairs/s")
    bench, bench_hot, bench_pairs = (
        Series(name, "tx/s") for name in ("pgbench", "pgbench, one account", "pgbench, both transactions")
    )
    credit = clients.credit
    measured: Sequence[tuple[Series, Call, int, int]] = (
        (empty, _empty_call(clients.empty), _IN_FLIGHT, 1),
        (spread, _reserve_call(credit, pgbench.ACCOUNTS), _IN_FLIGHT, 1),
        (hot, _reserve_call(credit, 1), _IN_FLIGHT, 1),
        (batch, _execute_call(credit, pgbench.ACCOUNTS), 2, _BATCH),
        (batch_hot, _execute_call(credit, 1), 2, _BATCH),
        (pairs, _execute_call(credit, pgbench.ACCOUNTS, charge=True), 2, _BATCH),
    )
    baselines: Sequence[tuple[Series, Callable[[], float]]] = (
        (bench, lambda: pgbench.reserves_per_s(running, hot=False, for_s=_FOR_S)),
        (bench_hot, lambda: pgbench.reserves_per_s(running, hot=True, for_s=_FOR_S)),
        (bench_pairs, lambda: pgbench.pairs_per_s(running, for_s=_FOR_S)),
    )
    for _ in range(rounds):
        for series, call, in_flight, worth in measured:
            series.values.append(worth * await calls_per_s(call, in_flight=in_flight, for_s=_FOR_S))
        for series, run in baselines:
            series.values.append(await asyncio.to_thread(run))
    return [
        Row("Reserve, unary, spread", spread, empty, ">= 0.85 of the empty RPC"),
        Row("Reserve, unary, spread (pgbench)", spread, bench, ">= 1.1 x pgbench"),
        Row("Reserve, unary, one hot account", hot, bench_hot, ">= 3.5 x pgbench, hot"),
        Row("Execute, 1,000 Reserves, spread", batch, bench, ">= 8 x pgbench"),
        Row("Execute, 1,000 Reserves, one hot account", batch_hot, bench_hot, ">= 25 x pgbench, hot"),
        Row("Execute, 1,000 Reserve + Charge pairs", pairs, bench_pairs, ">= 6 x both transactions"),
    ]


async def _alone(clients: _Clients, rounds: int) -> list[Row]:
    """A pair of calls by a lone caller, with the coalescer and without."""
    together, apart = (Series(name, "ms") for name in ("pair", "without the coalescer"))
    for number in range(rounds):
        for series, stub in ((apart, clients.alone), (together, clients.credit)):
            series.values.append(await median_ms(_pair_call(stub), _PAIRS, first=number * _PAIRS))
    return [Row("Reserve + Charge, one caller alone, p50", together, apart, "<= 1.1 x without")]


async def _growth(clients: _Clients, rounds: int) -> list[Row]:
    """The same calls with ten times the history and with ten times the accounts."""
    credit = clients.credit
    for size in _HISTORY:
        await _grant_all(credit, [-size], times=size)
    calls: dict[str, Callable[[int], Call]] = {
        "GetAccount": lambda size: _get_account_call(credit, size),
        "GetBalanceAt": lambda size: _get_balance_at_call(credit, size),
        "Reserve, one caller": lambda size: _reserve_one_call(credit, size),
    }
    rows = []
    for name, make in calls.items():
        short, long = Series(f"of {_HISTORY[0]:,}", "ms"), Series(name, "ms")
        for _ in range(rounds):
            for series, size in ((short, _HISTORY[0]), (long, _HISTORY[1])):
                series.values.append(await median_ms(make(size), _PAIRS))
        rows.append(Row(f"{name}, history of {_HISTORY[1]:,} transactions", long, short, "no slower"))
    few = Series(f"{pgbench.ACCOUNTS:,} accounts", "calls/s")
    many = Series("Reserve, unary, spread", "calls/s")
    for _ in range(rounds):
        few.values.append(
            await calls_per_s(_reserve_call(credit, pgbench.ACCOUNTS), in_flight=_IN_FLIGHT, for_s=_FOR_S)
        )
    await _grant_all(credit, range(pgbench.ACCOUNTS, _GROWN))
    for _ in range(rounds):
        many.values.append(
            await calls_per_s(_reserve_call(credit, _GROWN), in_flight=_IN_FLIGHT, for_s=_FOR_S)
        )
    return [*rows, Row(f"Reserve, unary, {_GROWN:,} accounts", many, few, "no slower")]


def _channel(running: House, name: str) -> grpc.aio.Channel:
    return aio_channel(f"127.0.0.1:{running.env[f'HOLDFAST_{name}_PORT']}", KitSettings())


def _empty_call(stub: "ops_pb2_grpc.OpsServiceAsyncStub") -> Call:
    request = ops_pb2.GetPoolStatusRequest()

    async def call(_: int) -> object:
        return await stub.GetPoolStatus(request, timeout=_TIMEOUT_S)

    return call


def _user(number: int, accounts: int) -> str:
    return f"bench-{number * 7919 % accounts}"


def _reserve(user_id: str) -> credit_pb2.ReserveRequest:
    return credit_pb2.ReserveRequest(user_id=user_id, amount=1, request_id=str(uuid.uuid4()))


def _reserve_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub", accounts: int) -> Call:
    async def call(number: int) -> object:
        return await stub.Reserve(_reserve(_user(number, accounts)), timeout=_TIMEOUT_S)

    return call


def _reserve_one_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub", size: int) -> Call:
    async def call(_: int) -> object:
        return await stub.Reserve(_reserve(f"bench-{-size}"), timeout=_TIMEOUT_S)

    return call


def _get_account_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub", size: int) -> Call:
    request = credit_pb2.GetAccountRequest(user_id=f"bench-{-size}")

    async def call(_: int) -> object:
        return await stub.GetAccount(request, timeout=_TIMEOUT_S)

    return call


def _get_balance_at_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub", size: int) -> Call:
    async def call(_: int) -> object:
        account = (
            await stub.GetAccount(credit_pb2.GetAccountRequest(user_id=f"bench-{-size}"), timeout=_TIMEOUT_S)
        ).account
        request = credit_pb2.GetBalanceAtRequest(user_id=account.user_id, time=account.create_time)
        return await stub.GetBalanceAt(request, timeout=_TIMEOUT_S)

    return call


def _pair_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub") -> Call:
    async def call(number: int) -> object:
        made = await stub.Reserve(_reserve(_user(number, pgbench.ACCOUNTS)), timeout=_TIMEOUT_S)
        request = credit_pb2.ChargeRequest(reservation_id=made.reservation.reservation_id)
        return await stub.Charge(request, timeout=_TIMEOUT_S)

    return call


def _execute_call(
    stub: "credit_pb2_grpc.CreditServiceAsyncStub", accounts: int, *, charge: bool = False
) -> Call:
    async def call(number: int) -> object:
        operations = []
        for index in range(_BATCH):
            reserve = _reserve(_user(number * _BATCH + index, accounts))
            operations.append(credit_pb2.Operation(reserve=reserve))
            if charge:
                paid = credit_pb2.ChargeRequest(
                    user_id=reserve.user_id, reserve_request_id=reserve.request_id
                )
                operations.append(credit_pb2.Operation(charge=paid))
        await _done(stub, operations)
        return operations

    return call


async def _done(
    stub: "credit_pb2_grpc.CreditServiceAsyncStub", operations: Sequence[credit_pb2.Operation]
) -> None:
    """Execute, and count an error as no work at all."""
    answer = await stub.Execute(credit_pb2.ExecuteRequest(operations=operations), timeout=_TIMEOUT_S)
    failed = [result.error.message for result in answer.results if result.HasField("error")]
    if failed:
        raise RuntimeError(f"{len(failed)} operations failed: {failed[0]}")


async def _grant_all(
    stub: "credit_pb2_grpc.CreditServiceAsyncStub", numbers: Sequence[int], *, times: int = 1
) -> None:
    operations = [
        credit_pb2.Operation(
            grant=credit_pb2.GrantRequest(
                user_id=f"bench-{number}",
                amount=_COINS // times,
                type=credit_pb2.TRANSACTION_TYPE_BONUS,
                request_id=str(uuid.uuid4()),
            )
        )
        for number in numbers
        for _ in range(times)
    ]
    parts = [operations[start : start + _GRANTS] for start in range(0, len(operations), _GRANTS)]
    await all_of(lambda number: _done(stub, parts[number]), len(parts), in_flight=2)


def _check(running: House) -> None:
    """Raise when a coin was lost or made: the accounts must be the sums of their rows."""
    wrong = running.sql(
        "credit",
        """SELECT count(*) FROM accounts
           LEFT JOIN (SELECT user_id, sum(amount) AS moved FROM transactions GROUP BY user_id) t
                     USING (user_id)
           LEFT JOIN (SELECT user_id, sum(amount) AS held FROM reservations WHERE state = 'RESERVED'
                      GROUP BY user_id) r USING (user_id)
           WHERE balance <> coalesce(moved, 0) OR reserved <> coalesce(held, 0)""",
    )
    if wrong != "0":
        raise RuntimeError(f"{wrong} accounts do not add up after the run")
