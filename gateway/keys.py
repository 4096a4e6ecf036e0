"""Where the keys that check tokens come from: a secret, a JWKS file, or an identity provider's JWKS URL."""

import asyncio
import math
import time
from pathlib import Path
from typing import Protocol

import jwt
from jwt.exceptions import PyJWKClientError

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

    A key that is known is answered at once: when it is old, fetching goes on beside the request, and while
    the provider does not answer it is used on, for a bounded while. A key id that nobody knows makes one
    fetch in each cooldown, whoever sends how many: tokens with made-up ids cannot turn the gateway against
    the provider.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        """Take the URL and its times; nothing is fetched before the first token."""
        # What it keeps itself is switched off: it would wait for the provider where an old key does.
        self._client = jwt.PyJWKClient(
            settings.jwt_jwks_url, cache_jwk_set=False, timeout=settings.jwt_jwks_timeout_s
        )
        self._lifespan_s = settings.jwt_jwks_lifespan_s
        self._cooldown_s = settings.jwt_jwks_cooldown_s
        self._max_stale_s = settings.jwt_jwks_max_stale_s
        #: By id. Holds only published keys, so it cannot grow with made-up ids.
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at_s = self._tried_at_s = -math.inf
        self._failed = False
        #: The fetch that runs, which all that need one wait for together.
        self._fetch: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> jwt.PyJWK:
        """Answer the key with this id; raises `Refused` with 503 while the provider does not answer."""
        if kid is None:
            raise PyJWKClientError("the token names no key")
        now_s = time.monotonic()
        age_s = now_s - self._fetched_at_s
        known = self._keys.get(kid) if age_s < self._max_stale_s else None
        cooled_down = now_s - self._tried_at_s >= self._cooldown_s
        if known:
            if age_s >= self._lifespan_s and cooled_down:
                self._start_fetch()
            return known
        if cooled_down or self._fetch:
            # Whoever leaves must not end the fetch of the others.
            await asyncio.shield(self._start_fetch())
        return self._published(kid)

    def _published(self, kid: str) -> jwt.PyJWK:
        if key := self._keys.get(kid):
            return key
        if self._failed:
            message = "the identity provider's keys cannot be fetched; try again"
            raise Refused(503, "UNAVAILABLE", message)
        raise PyJWKClientError("no key has this id")

    def _start_fetch(self) -> asyncio.Task[None]:
        if self._fetch is None:
            self._tried_at_s = time.monotonic()
            self._fetch = asyncio.create_task(self._fetch_keys())
        return self._fetch

    async def _fetch_keys(self) -> None:
        try:
            # urllib blocks, and a blocked event loop serves nobody.
            keys = await asyncio.to_thread(self._client.get_signing_keys, refresh=True)
        except (jwt.PyJWTError, OSError, ValueError, RecursionError) as error:
            # A provider that is down, or that answers something else than keys.
            log.warning("jwks_not_fetched", error=str(error))
            self._failed = True
            if time.monotonic() - self._fetched_at_s >= self._max_stale_s:
                self._keys = {}
        else:
            self._keys = {key.key_id: key for key in keys if key.key_id}
            self._fetched_at_s, self._failed = time.monotonic(), False
        finally:
            self._fetch = None


def key_source(settings: GatewaySettings) -> KeySource:
    """Answer the keys that the settings name; raises what `JwksFile` raises."""
    if settings.jwt_jwks_file:
        return JwksFile(settings.jwt_jwks_file)
    if settings.jwt_jwks_url:
        return JwksUrl(settings)
    return SecretKey(settings.jwt_secret.get_secret_value())
