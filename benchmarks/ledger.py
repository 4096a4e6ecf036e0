"""Unary Reserve, spread over 10,000 accounts and on one, beside the empty RPC and pgbench."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import grpc.aio

from benchmarks import pgbench
from benchmarks.house import House, conditions, house
from benchmarks.load import all_of, calls_per_s
from benchmarks.report import Row, Series
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.grpc_clients import aio_channel
from servicekit.settings import KitSettings

_IN_FLIGHT = 256
_FOR_S = 3
_COINS = 10**9
_TIMEOUT_S = 30.0

Call = Callable[[int], Awaitable[object]]


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Alternate baseline and figure for some rounds; answer the rows and the conditions."""
    with house() as running:
        running.run("credit_service", "migrate")
        running.start(
            "credit_service", "credit_service", "serve", env={"HOLDFAST_RPC_MAX_CONCURRENT": "4096"}
        )
        running.start("empty", "benchmarks.empty_server")
        pgbench.prepare(running)
        rows = asyncio.run(_measure(running, rounds))
        _check(running)
        return rows, [
            *conditions(running),
            f"unary Reserve: {_IN_FLIGHT} calls in flight, one Python client; pgbench: 32 clients, prepared",
        ]


async def _measure(running: House, rounds: int) -> list[Row]:
    empty, spread, hot = (
        Series(name, "calls/s") for name in ("empty RPC", "Reserve", "Reserve, one account")
    )
    bench, bench_hot = (Series(name, "tx/s") for name in ("pgbench", "pgbench, one account"))
    settings = KitSettings()
    async with (
        _channel(running, "CREDIT", settings) as credit,
        _channel(running, "EMPTY", settings) as nothing,
    ):
        stub = credit_pb2_grpc.CreditServiceStub(credit)
        await _grant_all(stub)
        calls = (
            (empty, _empty_call(ops_pb2_grpc.OpsServiceStub(nothing))),
            (spread, _reserve_call(stub, pgbench.ACCOUNTS)),
            (hot, _reserve_call(stub, 1)),
        )
        for _ in range(rounds):
            for series, call in calls:
                series.values.append(await calls_per_s(call, in_flight=_IN_FLIGHT, for_s=_FOR_S))
            for series, is_hot in ((bench, False), (bench_hot, True)):
                series.values.append(
                    await asyncio.to_thread(pgbench.transactions_per_s, running, hot=is_hot, for_s=_FOR_S)
                )
    return [
        Row("Reserve, unary, spread", spread, empty, ">= 0.85 of the empty RPC"),
        Row("Reserve, unary, spread (pgbench)", spread, bench, ">= 1.1 x pgbench"),
        Row("Reserve, unary, one hot account", hot, bench_hot, ">= 3.5 x pgbench, hot"),
    ]


def _channel(running: House, name: str, settings: KitSettings) -> grpc.aio.Channel:
    return aio_channel(f"127.0.0.1:{running.env[f'HOLDFAST_{name}_PORT']}", settings)


def _empty_call(stub: "ops_pb2_grpc.OpsServiceAsyncStub") -> Call:
    request = ops_pb2.GetPoolStatusRequest()

    async def call(_: int) -> object:
        return await stub.GetPoolStatus(request, timeout=_TIMEOUT_S)

    return call


def _reserve_call(stub: "credit_pb2_grpc.CreditServiceAsyncStub", accounts: int) -> Call:
    async def call(number: int) -> object:
        request = credit_pb2.ReserveRequest(
            user_id=f"bench-{number * 7919 % accounts}", amount=1, request_id=str(uuid.uuid4())
        )
        return await stub.Reserve(request, timeout=_TIMEOUT_S)

    return call


async def _grant_all(stub: "credit_pb2_grpc.CreditServiceAsyncStub") -> None:
    async def grant(number: int) -> object:
        request = credit_pb2.GrantRequest(
            user_id=f"bench-{number}",
            amount=_COINS,
            type=credit_pb2.TRANSACTION_TYPE_BONUS,
            request_id=str(uuid.uuid4()),
        )
        return await stub.Grant(request, timeout=_TIMEOUT_S)

    await all_of(grant, pgbench.ACCOUNTS, in_flight=64)


def _check(running: House) -> None:
    """Raise when a coin was lost or made: the accounts must be the sums of their rows."""
    wrong = running.sql(
        "credit",
        """SELECT count(*) FROM accounts a WHERE
             balance <> (SELECT coalesce(sum(amount), 0) FROM transactions t WHERE t.user_id = a.user_id)
             OR reserved <> (SELECT coalesce(sum(amount), 0) FROM reservations r
                             WHERE r.user_id = a.user_id AND state = 'RESERVED')""",
    )
    if wrong != "0":
        raise RuntimeError(f"{wrong} accounts do not add up after the run")
