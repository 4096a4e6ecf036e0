"""The pages for operators and machines: which of them the gateway's own port shows, and which its second.

What is not shown on a port is 404 there, like a path that the API does not have.
"""

from collections.abc import Iterable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import refused_response
from gateway.settings import GatewaySettings

#: Served on every port, to anybody.
ROOT, HEALTH = "/", "/health"
METRICS = "/metrics"
#: The pages by the names that the setting has for them. What lies below a path belongs to it.
PATHS: Mapping[str, tuple[str, ...]] = {
    "docs": ("/docs", "/openapi.json"),
    "metrics": (METRICS,),
    "db-pool": ("/health/db-pool",),
}


class Pages:
    """Knows what each of the gateway's two ports shows."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Read which pages anybody may see; the second port is known once the process listens."""
        self._public = frozenset(settings.public_pages)
        #: The second port, which shows all pages and nothing else; None where there is none.
        self.operations_port: int | None = None

    def shows(self, scope: Scope, path: str) -> bool:
        """Whether the port that a request came to answers this path."""
        page = _page_of(path)
        if self._is_for_operations(scope):
            return page is not None or path in (ROOT, HEALTH)
        return page is None or page in self._public

    def _is_for_operations(self, scope: Scope) -> bool:
        # The address that the connection was accepted at, which no header can change.
        address = scope.get("server")
        return self.operations_port is not None and address is not None and address[1] == self.operations_port


class ShownPages:
    """Answers 404 for what a port does not show."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        """Take the app to stand in front of."""
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything but HTTP goes through untouched."""
        if scope["type"] != "http" or self._pages.shows(scope, scope["path"]):
            await self._app(scope, receive, send)
        else:
            await refused_response(HTTPException(404))(scope, receive, send)


def _page_of(path: str) -> str | None:
    return next((name for name, paths in PATHS.items() if _is_below(path, paths)), None)


def _is_below(path: str, paths: Iterable[str]) -> bool:
    return any(path == page or path.startswith(f"{page}/") for page in paths)
