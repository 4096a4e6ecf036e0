"""From the header Idempotency-Key to the request id that the services remember."""

import re
import uuid
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from gateway.auth import CurrentUser
from gateway.errors import FieldRefused, NamedRequest
from gateway.rates import Rates
from servicekit.errors import InvalidField
from servicekit.ids import uuid7
from servicekit.validation import uuid_field

HEADER = "Idempotency-Key"

_NAMESPACE = uuid.UUID("5b0a3c0e-7f0c-5d0e-9c1b-3f6f0c8f2a51")
_VISIBLE = re.compile(r"[!-~]{1,255}")


def request_id_of(user_id: str, key: str | None) -> str:
    """Answer the UUID that names one user's request; without a key a new one.

    A UUID is taken as it is. Any other key becomes one together with the user, so that two users
    who count their requests alike get different ids. Raises `FieldRefused` with 400.
    """
    if key is None:
        return str(uuid7())
    try:
        return str(uuid_field(HEADER, key))
    except InvalidField:
        if not _VISIBLE.fullmatch(key):
            problem = "must be a UUID or 1 to 255 visible ASCII characters"
            raise FieldRefused(HEADER, problem, status=400) from None
    return str(uuid.uuid5(_NAMESPACE, f"{len(user_id)}:{user_id}:{key}"))


def key_header(more: str) -> Any:
    """Return the header as a parameter of a route, with its bounds; `more` ends its description."""
    return Header(
        alias=HEADER,
        description=f"Names this request: a UUID, or 1 to 255 visible characters. {more}",
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        examples=["b9b1f9a4-6a5e-4c0e-8a54-7d2f3a1c0c11"],
    )


def name_request(request: Request, user_id: str, key: str | None) -> str:
    """Return the UUID that names the request, and leave the key for errors to name. Raises `FieldRefused`."""
    # Of two, the caller or a proxy might repeat the request under the other one.
    if len(request.headers.getlist(HEADER)) > 1:
        raise FieldRefused(HEADER, "must come once", status=400)
    request_id = request_id_of(user_id, key)
    request.state.named = NamedRequest(key, request_id) if key is not None else None
    return request_id


async def _request_id(
    request: Request,
    user_id: CurrentUser,
    key: Annotated[
        str | None,
        key_header("Repeating the request under the same key does it once and answers as the first time."),
    ] = None,
) -> str:
    given = name_request(request, user_id, key)
    rates: Rates = request.app.state.rates
    await rates.admit_costly(user_id)
    return given


#: The request id of a call that costs coins or makes something, and that may be repeated.
RequestId = Annotated[str, Depends(_request_id)]
