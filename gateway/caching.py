"""What an app may keep: answers with an ETag, and 304 for who has it already."""

import hashlib

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

#: The same for everybody, and seldom another: may be kept for a minute anywhere.
PUBLIC = "public, max-age=60"
#: One user's: may be kept by the app, which asks each time whether it still holds.
PRIVATE = "private, no-cache"


def cached(request: Request, body: BaseModel, cache_control: str) -> Response:
    """Answer the body with an ETag, or 304 without it when the request shows the same ETag."""
    content = body.model_dump_json().encode()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": cache_control}
    if cache_control is PRIVATE:
        headers["Vary"] = "Authorization"
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _has(given: str, etag: str) -> bool:
    """Whether If-None-Match names the ETag; weak ones count (RFC 9110, 13.1.2)."""
    names = {part.strip().removeprefix("W/") for part in given.split(",")}
    return etag in names or "*" in names
