"""The error model, over a real socket in both directions."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from protos.insight.v1 import insight_pb2, insight_pb2_grpc
from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.context import REQUEST_ID_HEADER, request_id
from servicekit.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    Internal,
    InvalidField,
    RateLimited,
    RequestIdReused,
    ServiceError,
    Unauthenticated,
    Unavailable,
)
from servicekit.grpc_clients import Caller, aio_channel
from servicekit.grpc_server import PortInUse, RunningServer, ServerSpec
from servicekit.settings import KitSettings


class TooFewCoins(ServiceError):
    """A domain error of an imaginary room."""

    reason = "TOO_FEW_COINS"
    code = grpc.StatusCode.FAILED_PRECONDITION


class Scripted(ops_pb2_grpc.OpsServiceServicer):
    """Answers, or raises what the test says."""

    raises: BaseException | None = None
    seen_request_id = ""
    waits: asyncio.Event | None = None

    def __init__(self) -> None:
        self.entered = asyncio.Event()

    async def GetPoolStatus(self, request: Any, context: Any) -> ops_pb2.GetPoolStatusResponse:
        self.seen_request_id = request_id.get()
        self.entered.set()
        if self.waits is not None:
            await self.waits.wait()
        if self.raises is not None:
            raise self.raises
        return ops_pb2.GetPoolStatusResponse(service="scripted")


class Served:
    """A running server with its servicer and a stub."""

    def __init__(self, server: RunningServer, servicer: Scripted, channel: grpc.aio.Channel) -> None:
        self.server, self.servicer, self.channel = server, servicer, channel
        self.stub = ops_pb2_grpc.OpsServiceStub(channel)
        self.caller = Caller(KitSettings(), known={"TOO_FEW_COINS": TooFewCoins})

    async def ask(self, timeout_s: float = 5.0) -> ops_pb2.GetPoolStatusResponse:
        return await self.caller.call(
            self.stub.GetPoolStatus, ops_pb2.GetPoolStatusRequest(), timeout_s=timeout_s
        )

    async def refusal(self, raised: BaseException) -> ServiceError:
        self.servicer.raises = raised
        with pytest.raises(ServiceError) as caught:
            await self.ask()
        return caught.value


class Watching(insight_pb2_grpc.InsightServiceServicer):
    """A stream that never ends by itself, and a call beside it."""

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[insight_pb2.WatchJobResponse]:
        yield insight_pb2.WatchJobResponse(job=insight_pb2.Job(job_id="watched"))
        await asyncio.Event().wait()

    async def GetJob(self, request: Any, context: Any) -> insight_pb2.GetJobResponse:
        return insight_pb2.GetJobResponse(job=insight_pb2.Job(job_id="asked"))


def spec_of_watching(settings: KitSettings, servicer: Watching) -> ServerSpec:
    def register(server: grpc.aio.Server) -> list[str]:
        insight_pb2_grpc.add_InsightServiceServicer_to_server(servicer, server)
        return ["insight.v1.InsightService"]

    return ServerSpec("watching", settings, 0, "HOLDFAST_WATCHING_PORT", register, _nothing_to_check)


async def _nothing_to_check() -> None:
    return None


def spec(settings: KitSettings, servicer: Scripted, port: int = 0) -> ServerSpec:
    def register(server: grpc.aio.Server) -> list[str]:
        ops_pb2_grpc.add_OpsServiceServicer_to_server(servicer, server)
        return ["ops.v1.OpsService"]

    return ServerSpec("scripted", settings, port, "HOLDFAST_SCRIPTED_PORT", register, _nothing_to_check)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    servicer = Scripted()
    settings = KitSettings(rpc_max_deadline_s=0.3, drain_s=5)
    server = RunningServer(spec(settings, servicer))
    await server.start()
    channel = aio_channel(f"127.0.0.1:{server.port}", settings)
    yield Served(server, servicer, channel)
    await channel.close(None)
    await server.stop()


async def test_a_domain_error_arrives_as_its_own_type_with_every_value(served: Served) -> None:
    error = await served.refusal(TooFewCoins("3 needed, 2 there", metadata={"required": 3, "available": 2}))

    assert isinstance(error, TooFewCoins)
    assert error.message == "3 needed, 2 there"
    assert error.metadata == {"required": "3", "available": "2"}
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_an_error_nobody_declared_keeps_its_reason_and_code(served: Served) -> None:
    served.caller = Caller(KitSettings())

    error = await served.refusal(TooFewCoins("no"))

    assert type(error) is not TooFewCoins
    assert (error.reason, error.code) == ("TOO_FEW_COINS", grpc.StatusCode.FAILED_PRECONDITION)


async def test_a_field_error_carries_the_field_twice(served: Served) -> None:
    error = await served.refusal(InvalidField("amount", "must be 1 to 10, got 0"))

    assert isinstance(error, InvalidField)
    assert error.metadata == {"field": "amount"}
    assert [(v.field, v.problem) for v in error.violations] == [("amount", "must be 1 to 10, got 0")]


@pytest.mark.parametrize("raised", [DatabaseUnavailable(retry_after_s=2.5), RateLimited("5 a second", 2.5)])
async def test_a_retryable_error_says_when(served: Served, raised: ServiceError) -> None:
    # The client would retry UNAVAILABLE inside its deadline; the answer is the same each time.
    error = await served.refusal(raised)

    assert type(error) is type(raised)
    assert error.retry_after_s == 2.5


async def test_a_reused_request_id_names_the_field(served: Served) -> None:
    error = await served.refusal(RequestIdReused("r-1", "amount"))

    assert error.metadata == {"request_id": "r-1", "field": "amount"}


async def test_an_unknown_exception_is_internal_and_says_nothing(served: Served) -> None:
    error = await served.refusal(ValueError("secret password=123"))

    assert isinstance(error, Internal)
    assert "secret" not in error.message
    assert error.metadata["request_id"] == served.servicer.seen_request_id


async def test_an_error_of_any_size_arrives(served: Served) -> None:
    long = "日" * 10_000

    error = await served.refusal(TooFewCoins(long, metadata={"why": long}))

    assert isinstance(error, TooFewCoins)
    assert error.message.startswith("日日日")
    assert len(error.metadata["why"].encode()) <= 1_024


@pytest.mark.parametrize("token", ["", "s3cret"])
async def test_bytes_that_are_no_message_are_a_field_error_and_tell_nothing(token: str) -> None:
    settings = KitSettings(service_token=token)
    server = RunningServer(spec(settings, Scripted()))
    await server.start()
    channel = aio_channel(f"127.0.0.1:{server.port}", settings)
    raw: Any = channel.unary_unary("/ops.v1.OpsService/GetPoolStatus", None, None)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(b"\xff\xff garbage", timeout=5)

    # Who shows no token is told nothing about the message.
    expected = grpc.StatusCode.UNAUTHENTICATED if token else grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.code() is expected
    assert "DecodeError" not in (caught.value.details() or "")
    trailing: Any = caught.value.trailing_metadata()
    assert REQUEST_ID_HEADER in dict(trailing)
    await channel.close(None)
    await server.stop()


async def test_the_callers_request_id_reaches_the_handler_and_comes_back(served: Served) -> None:
    call = served.stub.GetPoolStatus(
        ops_pb2.GetPoolStatusRequest(), timeout=5, metadata=((REQUEST_ID_HEADER, "abc-1"),)
    )
    await call

    assert served.servicer.seen_request_id == "abc-1"
    assert dict(await call.trailing_metadata())[REQUEST_ID_HEADER] == "abc-1"


async def test_an_unsafe_request_id_is_replaced(served: Served) -> None:
    call = served.stub.GetPoolStatus(
        ops_pb2.GetPoolStatusRequest(), timeout=5, metadata=((REQUEST_ID_HEADER, "a b{}"),)
    )
    await call

    assert len(served.servicer.seen_request_id) == 32


async def test_a_call_without_a_deadline_gets_the_servers(served: Served) -> None:
    served.servicer.waits = asyncio.Event()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.GetPoolStatus(ops_pb2.GetPoolStatusRequest())

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_more_calls_than_may_run_are_rate_limited_and_streams_take_none_of_their_places() -> None:
    settings = KitSettings(rpc_max_concurrent=1, rpc_max_streams=1, rpc_max_stream_s=0.5)
    servicer = Watching()  # type: ignore[abstract]  # only two methods are asked
    server = RunningServer(spec_of_watching(settings, servicer))
    await server.start()
    channel = aio_channel(f"127.0.0.1:{server.port}", settings)
    stub: Any = insight_pb2_grpc.InsightServiceStub(channel)
    caller = Caller(settings)
    watch = caller.stream(stub.WatchJob, insight_pb2.WatchJobRequest(), timeout_s=5)
    assert (await anext(watch)).job.job_id == "watched"

    answer = await caller.call(stub.GetJob, insight_pb2.GetJobRequest())
    second = caller.stream(stub.WatchJob, insight_pb2.WatchJobRequest(), timeout_s=5)

    assert answer.job.job_id == "asked"
    with pytest.raises(RateLimited):
        await anext(second)
    with pytest.raises(DeadlineExceeded):  # a stream does not run for ever either
        await anext(watch)
    await channel.close(None)
    await server.stop()


async def test_the_callers_deadline_is_a_typed_error(served: Served) -> None:
    served.servicer.waits = asyncio.Event()

    with pytest.raises(DeadlineExceeded):
        await served.ask(timeout_s=0.1)


async def test_a_dead_server_is_unavailable_and_its_address_is_not_told(served: Served) -> None:
    await served.server.stop()

    with pytest.raises(Unavailable) as caught:
        await served.ask(timeout_s=5)

    assert str(served.server.port) not in caught.value.message


class Dropping(ops_pb2_grpc.OpsServiceServicer):
    """Ends calls as gRPC ends those that a server had in hand when it went down."""

    async def GetPoolStatus(self, request: Any, context: Any) -> ops_pb2.GetPoolStatusResponse:
        await context.abort(grpc.StatusCode.CANCELLED, "")
        raise AssertionError


async def test_a_call_that_a_server_drops_when_it_goes_down_is_unavailable() -> None:
    server = grpc.aio.server()
    ops_pb2_grpc.add_OpsServiceServicer_to_server(Dropping(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio_channel(f"127.0.0.1:{port}", KitSettings()) as channel:
        stub = ops_pb2_grpc.OpsServiceStub(channel)

        with pytest.raises(Unavailable):
            await Caller(KitSettings()).call(stub.GetPoolStatus, ops_pb2.GetPoolStatusRequest())

    await server.stop(None)


async def test_a_used_port_is_a_clear_message(served: Served) -> None:
    second = RunningServer(spec(KitSettings(), Scripted(), served.server.port))

    with pytest.raises(PortInUse, match=f"port {served.server.port} is in use: set HOLDFAST_SCRIPTED_PORT"):
        await second.start()


async def test_a_running_rpc_finishes_while_the_server_drains(served: Served) -> None:
    served.servicer.waits = asyncio.Event()
    running = asyncio.ensure_future(served.ask())
    await asyncio.wait_for(served.servicer.entered.wait(), 5)

    stopping = asyncio.ensure_future(served.server.stop())
    await asyncio.sleep(0)
    served.servicer.waits.set()

    assert (await running).service == "scripted"
    await stopping


async def test_the_service_token_is_demanded_of_callers() -> None:
    settings = KitSettings(service_token="s3cret")
    server = RunningServer(spec(settings, Scripted()))
    await server.start()
    channel = aio_channel(f"127.0.0.1:{server.port}", settings)
    stub = ops_pb2_grpc.OpsServiceStub(channel)

    with pytest.raises(Unauthenticated):
        await Caller(KitSettings()).call(stub.GetPoolStatus, ops_pb2.GetPoolStatusRequest())
    answer = await Caller(settings).call(stub.GetPoolStatus, ops_pb2.GetPoolStatusRequest())

    assert answer.service == "scripted"
    await channel.close(None)
    await server.stop()


async def test_health_answers_per_service_and_reflection_lists_them(served: Served) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    health: Any = health_pb2_grpc.HealthStub(served.channel)
    for name in ("", "ops.v1.OpsService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    stub: Any = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
    )
    names = {service.name async for reply in call for service in reply.list_services_response.service}
    assert names >= {"ops.v1.OpsService", "grpc.health.v1.Health"}


async def test_a_server_whose_database_is_gone_is_not_serving() -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async def no_database() -> None:
        raise ConnectionError("gone")

    servicer = Scripted()
    built = spec(KitSettings(), servicer)
    server = RunningServer(
        ServerSpec(built.name, built.settings, 0, built.port_variable, built.register, no_database)
    )
    await server.start()
    channel = aio_channel(f"127.0.0.1:{server.port}", KitSettings())
    health: Any = health_pb2_grpc.HealthStub(channel)

    answer = await health.Check(health_pb2.HealthCheckRequest(service="ops.v1.OpsService"), timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    await channel.close(None)
    await server.stop()


async def test_every_rpc_is_logged_with_its_outcome(served: Served, log_stream: io.StringIO) -> None:
    await served.ask()
    await served.refusal(TooFewCoins("no"))

    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    rpcs = [line for line in lines if line["event"] == "rpc"]
    assert [line["outcome"] for line in rpcs] == ["OK", "TOO_FEW_COINS"]
    for line in rpcs:
        assert line["method"] == "GetPoolStatus"
        assert line["grpc_service"] == "ops.v1.OpsService"
        assert line["service"] == "tests"
        assert line["duration_ms"] >= 0
        assert line["request_id"]
