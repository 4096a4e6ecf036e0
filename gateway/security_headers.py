"""Headers that tell browsers to trust an answer as little as they can."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DOCS_PATH = "/docs"

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Browsers heed it only over TLS, which something in front of the gateway ends.
    (b"strict-transport-security", b"max-age=31536000"),
]
#: Balances and chats belong in no cache on the way. A route that answers something else says so itself.
_NO_STORE = (b"cache-control", b"no-store")
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
#: The OpenAPI page loads its script and style from where FastAPI's page says.
_DOCS_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"img-src 'self' data: https://fastapi.tiangolo.com; frame-ancestors 'none'"
)


class SecurityHeaders:
    """Adds them to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the app whose answers get them."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; everything but HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = _DOCS_POLICY if scope["path"].startswith(_DOCS_PATH) else _POLICY

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                cached = any(name == b"cache-control" for name, _ in headers)
                more = () if cached else (_NO_STORE,)
                message["headers"] = [*headers, *_HEADERS, (b"content-security-policy", policy), *more]
            await send(message)

        await self._app(scope, receive, send_with_headers)
