"""What operators and machines ask: is it up, how full are the pools, what is this."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from grpc_health.v1 import health_pb2

from gateway import models, views
from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.openapi import errors
from gateway.pages import HEALTH, METRICS, Pages
from gateway.services import Backends, Peer
from gateway.settings import GatewaySettings
from gateway.version import VERSION
from protos.ops.v1 import ops_pb2
from servicekit.errors import ServiceError
from servicekit.grpc_clients import Caller

router = APIRouter(tags=["operations"])

_METRICS = """\
# HELP holdfast_http_requests_in_flight Requests being served, streams apart
# TYPE holdfast_http_requests_in_flight gauge
holdfast_http_requests_in_flight 3.0
"""
_PROMETHEUS: dict[str, Any] = {
    "description": "Prometheus' text format",
    "content": {"text/plain": {"schema": {"type": "string"}, "example": _METRICS}},
}

_LINKS = {"openapi": "/openapi.json", "docs": "/docs", "health": HEALTH, "metrics": METRICS}

SERVING, NOT_SERVING, UNREACHABLE = "SERVING", "NOT_SERVING", "UNREACHABLE"


@router.get(
    "/health",
    responses={503: {"model": models.Health, "description": "One does not serve; the body says which"}},
)
async def get_health(request: Request, services: Backends, response: Response) -> models.Health:
    """Answer 200 only when both services serve; 503 has the same body, with each one's state."""
    settings: GatewaySettings = request.app.state.settings
    states = await asyncio.gather(
        *(_peer_health(services.caller, peer, settings.gateway_health_timeout_s) for peer in services.peers)
    )
    status = SERVING if all(state.status == SERVING for state in states) else NOT_SERVING
    if status != SERVING:
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    named = {peer.name: state for peer, state in zip(services.peers, states, strict=True)}
    return models.Health(status=status, services=named)


async def _peer_health(caller: Caller, peer: Peer, timeout_s: float) -> models.ServiceHealth:
    names = peer.grpc_services
    states = await asyncio.gather(*(_state(caller, peer, name, timeout_s) for name in names))
    # The worst one is the whole one's: SERVING needs all.
    status = next((state for state in (UNREACHABLE, NOT_SERVING) if state in states), SERVING)
    return models.ServiceHealth(status=status, services=dict(zip(names, states, strict=True)))


async def _state(caller: Caller, peer: Peer, name: str, timeout_s: float) -> str:
    request = health_pb2.HealthCheckRequest(service=name)
    try:
        answer = await caller.call(peer.health.Check, request, timeout_s=timeout_s)
    except ServiceError as error:
        # A server that runs and does not know the name cannot serve it.
        return NOT_SERVING if error.reason == "NOT_FOUND" else UNREACHABLE
    return SERVING if answer.status == health_pb2.HealthCheckResponse.SERVING else NOT_SERVING


@router.get("/health/db-pool", responses=errors())
async def get_pools(request: Request, services: Backends) -> models.Pools:
    """Answer the state of each service's database connection pool. In production not shown to everybody."""
    settings: GatewaySettings = request.app.state.settings
    timeout_s = settings.gateway_health_timeout_s
    asked = (
        services.caller.call(peer.ops.GetPoolStatus, ops_pb2.GetPoolStatusRequest(), timeout_s=timeout_s)
        for peer in services.peers
    )
    return models.Pools(pools=[views.pool(answer) for answer in await asyncio.gather(*asked)])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"example": _METRICS}}}
    },
)
async def get_metrics(request: Request) -> Response:
    """Answer the gateway's metrics for Prometheus: requests, rates, streams, failed calls, the process.

    In production not shown to everybody.
    """
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE)


@router.get("/")
async def get_root(request: Request) -> models.Root:
    """Answer what this is and where to go on; pages that are not shown are not named."""
    pages: Pages = request.app.state.pages
    links = {name: path for name, path in _LINKS.items() if pages.shows(request.scope, path)}
    return models.Root(name="Holdfast", version=VERSION, links=links)
