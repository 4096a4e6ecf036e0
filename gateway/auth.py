"""Who calls: a bearer JWT with the right algorithm, signature, issuer, audience, times; `sub` is the user."""

import hashlib
import time
from collections import OrderedDict
from typing import Annotated, Any, NoReturn

import jwt
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from gateway.errors import Refused
from gateway.keys import KeySource, key_source
from gateway.rates import Rates
from gateway.settings import GatewaySettings
from servicekit.errors import InvalidField
from servicekit.validation import user_id_field

#: A token without one of these is no token: PyJWT by itself would take one that never expires.
_REQUIRED = ["exp", "iat", "sub", "iss", "aud"]

#: Those of identity providers have one or two thousand.
_MAX_TOKEN_CHARS = 8_192

#: How long a token that was verified is not verified again: a key that the provider has withdrawn
#: lets nobody in for longer than that.
_VERIFIED_S = 60.0
_MAX_VERIFIED = 10_000

#: The last second of the year 9999. A token that lives longer is a mistake, and a number of thousands of
#: digits, which JSON can spell, fits into no clock.
_LAST_SECOND = 253_402_300_799


class VerifiedTokens:
    """Whose token it was, by its hash: checking a signature costs more than all else in a small request."""

    def __init__(self) -> None:
        """Remember none."""
        self._users: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def get(self, digest: bytes) -> str | None:
        """Answer the user of a token that was verified a moment ago and has not expired."""
        user_id, until_s = self._users.get(digest, ("", 0.0))
        return user_id if time.time() < until_s else None

    def add(self, digest: bytes, user_id: str, expire_time_s: float) -> None:
        """Remember a token until it expires, and for a minute at most."""
        self._users[digest] = (user_id, min(expire_time_s, time.time() + _VERIFIED_S))
        if len(self._users) > _MAX_VERIFIED:
            self._users.popitem(last=False)


class TokenVerifier:
    """Checks tokens against one issuer's keys."""

    def __init__(self, settings: GatewaySettings, keys: KeySource | None = None) -> None:
        """Take what a token must say; the keys come from the settings unless given."""
        self._keys = keys or key_source(settings)
        self._algorithms = list(settings.jwt_algorithms)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._leeway_s = settings.jwt_leeway_s
        self._verified = VerifiedTokens()

    async def user_id(self, token: str) -> str:
        """Answer whose token it is; raises `Refused` with 401, or 503 when the keys cannot be fetched."""
        if len(token) > _MAX_TOKEN_CHARS:
            _refuse("is too long")
        digest = hashlib.sha256(token.encode()).digest()
        if (user_id := self._verified.get(digest)) is None:
            claims = await self._verify(token)
            user_id = _subject(claims)
            self._verified.add(digest, user_id, _expire_time_s(claims) + self._leeway_s)
        return user_id

    async def _verify(self, token: str) -> dict[str, Any]:
        """Answer the claims of a good token."""
        try:
            header = jwt.get_unverified_header(token)
            # Looked at before the key is: a caller must not choose how a key is used.
            if header.get("alg") not in self._algorithms:
                _refuse("is signed with an algorithm that is not accepted")
            return self._claims(token, await self._keys.find(header.get("kid")))
        except jwt.ExpiredSignatureError:
            _refuse("has expired")
        except jwt.PyJWTError:
            # Which check failed helps only a forger.
            _refuse("is not valid")

    def _claims(self, token: str, key: jwt.PyJWK | str) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway_s,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )


def _subject(claims: dict[str, Any]) -> str:
    try:
        user_id = user_id_field(claims["sub"])
        user_id.encode()
    except (InvalidField, UnicodeEncodeError):
        _refuse("names no user: sub must have 1 to 128 characters")
    return user_id


def _expire_time_s(claims: dict[str, Any]) -> int:
    """Return when a verified token expires; PyJWT has converted `exp` before, so that this does not fail."""
    expire_time_s = int(claims["exp"])
    if expire_time_s > _LAST_SECOND:
        _refuse("is not valid")
    return expire_time_s


def _refuse(problem: str) -> NoReturn:
    challenge = f'Bearer error="invalid_token", error_description="the token {problem}"'
    raise Refused(401, "UNAUTHENTICATED", f"the token {problem}", headers={"WWW-Authenticate": challenge})


class BearerUser(SecurityBase):
    """The dependency of every route that demands a token, and its scheme in the OpenAPI document."""

    scheme_name = "bearer"
    model = HTTPBearerModel(
        bearerFormat="JWT",
        description="A JWT of the identity provider. In development: `make token USER=alice`.",
    )

    async def __call__(self, request: Request) -> str:
        """Answer the id of the user who calls, and count the request; raises `Refused` with 401 or 429."""
        state = request.app.state
        verifier: TokenVerifier = state.verifier
        user_id = await verifier.user_id(_token(request.headers.getlist("authorization")))
        rates: Rates = state.rates
        await rates.admit_user(user_id)
        return user_id


def _token(headers: list[str]) -> str:
    """Answer the bearer token; raises `Refused` with 401 unless there is exactly one."""
    # Of two, something in front of the gateway might have looked at the other one.
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        message = "one bearer token is required: Authorization: Bearer <token>"
        raise Refused(401, "UNAUTHENTICATED", message, headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


#: The id of the user who calls. Every route that has it demands a token.
CurrentUser = Annotated[str, Depends(BearerUser())]
