"""The application: routes, layers around them, and what they share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from gateway import errors, openapi
from gateway.auth import TokenVerifier
from gateway.limits import Limits
from gateway.metrics import Metrics
from gateway.pages import Pages, ShownPages
from gateway.rates import Rates
from gateway.request_ids import RequestIds
from gateway.routes import admin, categories, chats, credits, health, insights, payments, rag, users
from gateway.security_headers import SecurityHeaders
from gateway.services import connected
from gateway.settings import GatewaySettings
from gateway.slots import UserSlots
from gateway.version import VERSION

_DESCRIPTION = """
People pay coins for AI work on their chats, and a coin leaves the account only when the work has succeeded.

Every error has one shape, `{"error": {"code", "message", "details", "request_id"}}`; every answer carries
`X-Request-ID`, the caller's if it sent one. Times are RFC 3339 in UTC, ids strings, coins numbers. Lists
take `page_size` and `page_token`; an empty `next_page_token` is the end.
"""


def create_app(settings: GatewaySettings) -> FastAPI:
    """Build the application. The services are connected when it starts, inside its event loop."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with connected(settings, app.state.metrics) as services:
            app.state.services = services
            try:
                yield
            finally:
                await app.state.rates.close()

    app = FastAPI(
        title="Holdfast",
        summary="Coins for insights into chats",
        description=_DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        generate_unique_id_function=openapi.operation_id,
        redoc_url=None,
        # A redirect would answer without a body in the one shape, and lose the body of a POST.
        redirect_slashes=False,
    )
    _add_state(app, settings)
    for part in (users, categories, credits, payments, insights, chats, rag, admin, health):
        app.include_router(part.router)
    errors.install(app)
    openapi.install(app)
    _add_layers(app, settings)
    return app


def _add_state(app: FastAPI, settings: GatewaySettings) -> None:
    """Put what requests share where they find it."""
    state = app.state
    state.settings = settings
    state.metrics = Metrics()
    state.pages = Pages(settings)
    state.rates = Rates(settings, state.metrics)
    state.verifier = TokenVerifier(settings)
    state.uploads = UserSlots("uploads", settings.gateway_uploads_per_user, settings.gateway_max_uploads)
    state.streams = UserSlots("streams", settings.gateway_streams_per_user, settings.gateway_max_streams)
    most = settings.gateway_max_streams
    state.questions = UserSlots("questions", settings.gateway_questions_per_user, most)
    state.exports = UserSlots("exports", settings.gateway_exports_per_user, most)
    #: Set when the server stops: streams end then, and their clients go elsewhere.
    state.draining = asyncio.Event()


def _add_layers(app: FastAPI, settings: GatewaySettings) -> None:
    """Put the layers around the routes; the last one added is the outermost."""
    app.add_middleware(ShownPages, pages=app.state.pages)
    app.add_middleware(
        Limits,
        settings=settings,
        rates=app.state.rates,
        metrics=app.state.metrics,
        pages=app.state.pages,
    )
    if settings.gateway_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.gateway_cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-None-Match",
                "Last-Event-ID",
                "X-Request-ID",
            ],
            expose_headers=["X-Request-ID", "Location", "Retry-After", "ETag"],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestIds, metrics=app.state.metrics)
