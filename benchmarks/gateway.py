"""GET /api/credits/balance through the gateway, beside the GetAccount that it makes of it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import psutil

from benchmarks.house import House, conditions, house
from benchmarks.load import calls_per_s
from benchmarks.report import Row, Series
from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.grpc_clients import aio_channel
from servicekit.processes import Child
from servicekit.settings import KitSettings

_IN_FLIGHT = 32
_FOR_S = 3
_USERS = 100
_COINS = 50
_TIMEOUT_S = 60.0
#: Counted like any other, and so high that nobody is refused.
_RATE = "1000000000/minute"

Call = Callable[[int], Awaitable[object]]


def measure(rounds: int) -> tuple[list[Row], list[str]]:
    """Alternate the call through the gateway and the call behind it; answer the rows and the conditions."""
    with house() as running:
        running.run("credit_service", "migrate")
        running.start("credit_service", "credit_service", "serve")
        rates = {f"HOLDFAST_GATEWAY_RATE_{name}": _RATE for name in ("USER", "ADDRESS")}
        gateway = running.start("gateway", "gateway", "serve", env=rates)
        tokens = [running.run("gateway", "token", f"user-{number}").strip() for number in range(_USERS)]
        rows = asyncio.run(_measure(running, gateway, tokens, rounds))
        return rows, [
            *conditions(running),
            f"balances of {_USERS} users: {_IN_FLIGHT} in flight, one Python client with plain sockets for "
            "HTTP; rate limits counted in Redis; log level warning",
        ]


async def _measure(running: House, gateway: Child, tokens: Sequence[str], rounds: int) -> list[Row]:
    direct = Series("GetAccount over gRPC", "calls/s")
    through = Series("GET balance", "requests/s")
    cpu = Series("CPU of the gateway", "ms")
    async with AsyncExitStack() as stack:
        grpc_call = await stack.enter_async_context(_get_account(running))
        http_call = await stack.enter_async_context(_get_balance(running, tokens))
        for _ in range(rounds):
            direct.values.append(await calls_per_s(grpc_call, in_flight=_IN_FLIGHT, for_s=_FOR_S))
            before_s = _cpu_s(gateway)
            through.values.append(await calls_per_s(http_call, in_flight=_IN_FLIGHT, for_s=_FOR_S))
            cpu.values.append((_cpu_s(gateway) - before_s) * 1_000 / (through.values[-1] * _FOR_S))
    return [
        Row(f"GET balance, {_IN_FLIGHT} in flight", through, direct, ">= 0.35 of GetAccount"),
        Row("GET balance, CPU of the gateway a request", cpu),
    ]


def _cpu_s(child: Child) -> float:
    times = psutil.Process(child.pid).cpu_times()
    return times.user + times.system


@asynccontextmanager
async def _get_account(running: House) -> AsyncIterator[Call]:
    """Give every user coins, and answer the call that the gateway makes."""
    target = f"127.0.0.1:{running.env['HOLDFAST_CREDIT_PORT']}"
    async with aio_channel(target, KitSettings()) as channel:
        credit: credit_pb2_grpc.CreditServiceAsyncStub = credit_pb2_grpc.CreditServiceStub(channel)
        for number in range(_USERS):
            grant = credit_pb2.GrantRequest(
                user_id=f"user-{number}",
                amount=_COINS,
                type=credit_pb2.TRANSACTION_TYPE_BONUS,
                request_id=str(uuid.uuid4()),
            )
            await credit.Grant(grant, timeout=_TIMEOUT_S)

        async def call(number: int) -> None:
            request = credit_pb2.GetAccountRequest(user_id=f"user-{number % _USERS}")
            answer = await credit.GetAccount(request, timeout=_TIMEOUT_S)
            if answer.account.balance != _COINS:
                raise RuntimeError(f"not the balance: {answer}")

        yield call


@asynccontextmanager
async def _get_balance(running: House, tokens: Sequence[str]) -> AsyncIterator[Call]:
    """Answer a request on one of as many connections as there are callers."""
    port = int(running.env["HOLDFAST_GATEWAY_PORT"])
    free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
    made: list[_Connection] = []
    for _ in range(_IN_FLIGHT):
        made.append(_Connection(*await asyncio.open_connection("127.0.0.1", port)))
        free.put_nowait(made[-1])

    async def call(number: int) -> None:
        connection = await free.get()
        user = number % _USERS
        account = await connection.get("/api/credits/balance", tokens[user])
        if account["balance"] != _COINS or account["user_id"] != f"user-{user}":
            raise RuntimeError(f"not the balance: {account}")
        free.put_nowait(connection)

    try:
        yield call
    finally:
        for connection in made:
            connection.close()


class _Connection:
    """HTTP/1.1 on one connection, no more than this needs: a client must not cost more than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, path: str, token: str) -> dict[str, object]:
        """Answer the JSON of a 200; raises RuntimeError for anything else."""
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length))
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{answer.decode()}{body.decode()}")
        account: dict[str, object] = json.loads(body)
        return account

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
