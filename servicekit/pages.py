"""Keyset pages: a token names the last row seen, so rows that are added meanwhile skip and repeat nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from servicekit.errors import InvalidField

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1_000
#: Messages of one page together, unless one alone is larger. Well below the 4 MiB of a gRPC message.
PAGE_BYTES = 1 << 20
_MAX_TOKEN_CHARS = 2_048
_MAC_BYTES = 16

_Row = TypeVar("_Row")
_Proto = TypeVar("_Proto", bound=Message)


def page_size(value: int) -> int:
    """Answer how many rows to give: 0 means 50, over 1,000 means 1,000; raises `InvalidField` below 0."""
    if value < 0:
        raise InvalidField("page_size", f"must not be negative, got {value}")
    return min(value or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def cut_page(rows: Sequence[_Row], size: int, convert: Callable[[_Row], _Proto]) -> tuple[list[_Proto], bool]:
    """Answer the messages of a page, and whether there are more after it.

    `rows` has one more than `size` where the store has more. A page of large rows ends before it
    passes `PAGE_BYTES`, but never without a row.
    """
    page: list[_Proto] = []
    left = PAGE_BYTES
    for row in rows[:size]:
        message = convert(row)
        left -= message.ByteSize()
        if page and left < 0:
            break
        page.append(message)
    return page, len(rows) > len(page)


class PageTokens:
    """Makes and reads page tokens: signed, and bound to the query they belong to."""

    def __init__(self, secret: str) -> None:
        """Take the secret that signs; every copy of a service must have the same."""
        self._secret = secret.encode()

    def encode(self, kind: str, key: Sequence[str | int], query: Mapping[str, object]) -> str:
        """Answer the token that goes on after the row with this key."""
        body = json.dumps(list(key), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(kind, body, query) + body).decode().rstrip("=")

    def decode(self, token: str, kind: str, query: Mapping[str, object]) -> list[str | int]:
        """Answer the key in a token; raises `InvalidField` for one altered or of another query."""
        try:
            raw = base64.urlsafe_b64decode(token[:_MAX_TOKEN_CHARS] + "=" * (-len(token) % 4))
        except ValueError:
            raw = b""
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(kind, body, query)):
            raise InvalidField("page_token", "is not a token of this query")
        key: list[str | int] = json.loads(body)
        return key

    def _mac(self, kind: str, body: bytes, query: Mapping[str, object]) -> bytes:
        bound = json.dumps([kind, query], sort_keys=True, default=str).encode()
        return hmac.digest(self._secret, bound + b"\x00" + body, hashlib.sha256)[:_MAC_BYTES]
