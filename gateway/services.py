"""The services behind the gateway: a channel each, their stubs, calls with a timeout and typed errors."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any, cast

import grpc.aio
from fastapi import Depends, Request
from grpc_health.v1 import health_pb2_grpc

from gateway.errors import KNOWN
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from protos.chat.v1 import chat_pb2_grpc
from protos.credit.v1 import credit_pb2_grpc
from protos.insight.v1 import insight_pb2_grpc
from protos.ops.v1 import ops_pb2_grpc
from protos.payment.v1 import payment_pb2_grpc
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller, aio_channel


class Peer:
    """One service as an operator sees it: is it healthy, how full is its pool."""

    def __init__(self, name: str, grpc_services: tuple[str, ...], channel: grpc.aio.Channel) -> None:
        """Take the process's name and the gRPC services that the gateway needs of it."""
        self.name = name
        self.grpc_services = grpc_services
        # The health package publishes no types.
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.ops = ops_pb2_grpc.OpsServiceStub(channel)


class CountingCaller(Caller):
    """Counts the calls that failed."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        """Take what counts."""
        super().__init__(settings, KNOWN)
        self._metrics = metrics

    async def call(self, *arguments: Any, **more: Any) -> Any:
        """Do as `Caller.call`."""
        try:
            return await super().call(*arguments, **more)
        except ServiceError as error:
            self._count(error)
            raise

    async def stream(self, *arguments: Any, **more: Any) -> AsyncGenerator[Any]:
        """Do as `Caller.stream`."""
        async with aclosing(super().stream(*arguments, **more)) as responses:
            try:
                async for response in responses:
                    yield response
            except ServiceError as error:
                self._count(error)
                raise

    def _count(self, error: ServiceError) -> None:
        self._metrics.upstream_failed(error.code.name, error.reason)


class Services:
    """Stubs on two channels. Make it inside the running event loop, and close it there."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        """Open the channels; nothing is connected before the first call."""
        self._credit = aio_channel(settings.credit_target, settings)
        self._chat = aio_channel(settings.chat_target, settings)
        self.caller = CountingCaller(settings, metrics)
        self.credits = credit_pb2_grpc.CreditServiceStub(self._credit)
        self.payments = payment_pb2_grpc.PaymentServiceStub(self._credit)
        self.users = chat_pb2_grpc.UserServiceStub(self._chat)
        self.chats = chat_pb2_grpc.ChatServiceStub(self._chat)
        self.insights = insight_pb2_grpc.InsightServiceStub(self._chat)
        self.peers = (
            Peer("credit_service", ("credit.v1.CreditService", "payment.v1.PaymentService"), self._credit),
            Peer(
                "chat_service",
                ("chat.v1.UserService", "chat.v1.ChatService", "insight.v1.InsightService"),
                self._chat,
            ),
        )

    async def close(self) -> None:
        """Close the channels; calls that still run are cancelled."""
        await self._credit.close(None)
        await self._chat.close(None)


@asynccontextmanager
async def connected(settings: GatewaySettings, metrics: Metrics) -> AsyncIterator[Services]:
    """Hold the services open; channels belong to the event loop that made them."""
    services = Services(settings, metrics)
    try:
        yield services
    finally:
        await services.close()


async def _current(request: Request) -> Services:
    return cast(Services, request.app.state.services)


#: The services, in a route's parameters.
Backends = Annotated[Services, Depends(_current)]
