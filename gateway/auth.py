"""Who calls: a bearer JWT with the right algorithm, signature, issuer, audience, times; `sub` is the user."""

from typing import Annotated, Any, NoReturn

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.errors import Refused
from gateway.keys import KeySource, key_source
from gateway.settings import GatewaySettings
from servicekit.errors import InvalidField
from servicekit.validation import user_id_field

#: A token without one of these is no token: PyJWT by itself would take one that never expires.
_REQUIRED = ["exp", "iat", "sub", "iss", "aud"]

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    scheme_name="bearer",
    description="A JWT of the identity provider. In development: `make token USER=alice`.",
)


class TokenVerifier:
    """Checks tokens against one issuer's keys."""

    def __init__(self, settings: GatewaySettings, keys: KeySource | None = None) -> None:
        """Take what a token must say; the keys come from the settings unless given."""
        self._keys = keys or key_source(settings)
        self._algorithms = list(settings.jwt_algorithms)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._leeway_s = settings.jwt_leeway_s

    async def user_id(self, token: str) -> str:
        """Answer whose token it is; raises `Refused` with 401, or 503 when the keys cannot be fetched."""
        try:
            header = jwt.get_unverified_header(token)
            # Looked at before the key is: a caller must not choose how a key is used.
            if header.get("alg") not in self._algorithms:
                _refuse("is signed with an algorithm that is not accepted")
            claims = self._claims(token, await self._keys.find(header.get("kid")))
        except jwt.ExpiredSignatureError:
            _refuse("has expired")
        except jwt.PyJWTError:
            # Which check failed helps only somebody who forges.
            _refuse("is not valid")
        return _subject(claims)

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


def _refuse(problem: str) -> NoReturn:
    challenge = f'Bearer error="invalid_token", error_description="the token {problem}"'
    raise Refused(401, "UNAUTHENTICATED", f"the token {problem}", headers={"WWW-Authenticate": challenge})


async def current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Answer the id of the user who calls; raises `Refused` with 401."""
    if credentials is None:
        message = "a bearer token is required: Authorization: Bearer <token>"
        raise Refused(401, "UNAUTHENTICATED", message, headers={"WWW-Authenticate": "Bearer"})
    verifier: TokenVerifier = request.app.state.verifier
    return await verifier.user_id(credentials.credentials)


#: The id of the user who calls. Every route that has it demands a token.
CurrentUser = Annotated[str, Depends(current_user)]
