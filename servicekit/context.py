"""The request that the running code works for."""

import os
import re
from contextvars import ContextVar

#: Metadata and HTTP header that carry the request id between processes.
REQUEST_ID_HEADER = "x-request-id"

#: Id of the request being served; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_SAFE = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


def new_request_id() -> str:
    """Answer a fresh request id: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def accept_request_id(given: str | None) -> str:
    """Answer the caller's request id, or a new one when it sent none that is safe to log."""
    return given if given and _SAFE.fullmatch(given) else new_request_id()
