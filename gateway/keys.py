"""Where the keys that check tokens come from: a secret, a JWKS file, or an identity provider's JWKS URL."""

import asyncio
import time
from pathlib import Path
from typing import Protocol

import jwt
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError

from gateway.errors import Refused
from gateway.settings import GatewaySettings
from servicekit.logs import get_logger

log = get_logger(__name__)


class KeySource(Protocol):
    """Finds the key of a token."""

    async def find(self, kid: str | None) -> jwt.PyJWK | str:
        """Answer the key with this id; raises jwt's PyJWKClientError when there is none."""


class SecretKey:
    """One shared secret, whatever id a token names."""

    def __init__(self, secret: str) -> None:
        """Take the secret."""
        self._secret = secret

    async def find(self, kid: str | None) -> str:
        """Answer the secret."""
        del kid
        return self._secret


class JwksFile:
    """Public keys from a file that is read once."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises OSError, or jwt's PyJWTError when it holds no usable keys."""
        keys = jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
        self._keys = {key.key_id: key for key in keys if key.public_key_use in ("sig", None)}

    async def find(self, kid: str | None) -> jwt.PyJWK:
        """Answer the key with this id; a token without an id is fine where there is one key only."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        try:
            return self._keys[kid]
        except KeyError:
            raise PyJWKClientError("no key has this id") from None


class JwksUrl:
    """Public keys that an identity provider publishes, fetched in a thread and kept for a while.

    An id that nobody knows makes one fetch in each cooldown, so tokens with made-up ids cannot
    turn the gateway against the provider.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        """Take the URL and its times; nothing is fetched before the first token."""
        self._client = jwt.PyJWKClient(
            settings.jwt_jwks_url,
            lifespan=settings.jwt_jwks_lifespan_s,
            timeout=settings.jwt_jwks_timeout_s,
            cooldown_duration=settings.jwt_jwks_cooldown_s,
        )
        self._lifespan_s = settings.jwt_jwks_lifespan_s
        #: By id, with the time until which it is used without asking the client. Holds only
        #: published keys, so it cannot grow with made-up ids.
        self._kept: dict[str, tuple[jwt.PyJWK, float]] = {}
        #: Closes the race of many first tokens that would each occupy a thread for one fetch.
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None) -> jwt.PyJWK:
        """Answer the key with this id; raises `Refused` with 503 while the provider does not answer."""
        if kid is None:
            raise PyJWKClientError("the token names no key")
        return self._fresh(kid) or await self._fetch(kid)

    def _fresh(self, kid: str) -> jwt.PyJWK | None:
        kept = self._kept.get(kid)
        return kept[0] if kept and time.monotonic() < kept[1] else None

    async def _fetch(self, kid: str) -> jwt.PyJWK:
        async with self._fetching:
            if found := self._fresh(kid):
                return found
            try:
                # urllib blocks, and a blocked event loop serves nobody.
                key = await asyncio.to_thread(self._client.get_signing_key, kid)
            except PyJWKClientConnectionError as error:
                log.warning("jwks_unreachable", error=str(error))
                message = "the identity provider's keys cannot be fetched; try again"
                raise Refused(503, "UNAVAILABLE", message) from None
        self._kept[kid] = (key, time.monotonic() + self._lifespan_s)
        return key


def key_source(settings: GatewaySettings) -> KeySource:
    """Answer the keys that the settings name; raises what `JwksFile` raises."""
    if settings.jwt_jwks_file:
        return JwksFile(settings.jwt_jwks_file)
    if settings.jwt_jwks_url:
        return JwksUrl(settings)
    return SecretKey(settings.jwt_secret.get_secret_value())
