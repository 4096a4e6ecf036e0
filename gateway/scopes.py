"""What a token lets its bearer do beyond being a user: operators have a scope of their own."""

from typing import Annotated, Any

import jwt
from fastapi import Depends, Request

from gateway.auth import CurrentUser
from gateway.errors import Refused
from gateway.settings import GatewaySettings


async def _operator(request: Request, user_id: CurrentUser) -> str:
    """Answer the operator's user id; raises `Refused`: 401 without a good token, 403 without the scope."""
    settings: GatewaySettings = request.app.state.settings
    needed = settings.jwt_operator_scope
    # The signature of this very token was checked for `user_id`; here its claims are only read.
    token = request.headers["authorization"].partition(" ")[2].strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    if needed not in scopes(claims):
        message = f"the scope {needed} is required"
        challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
        raise Refused(
            403,
            "PERMISSION_DENIED",
            message,
            details={"scope": needed},
            headers={"WWW-Authenticate": challenge},
        )
    return user_id


def scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Answer the scopes of a token: `scope` as RFC 8693 has it, `scp` as some providers do; text or list."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        given = claims.get(name)
        listed = given.split() if isinstance(given, str) else given
        if isinstance(listed, list):
            found.update(scope for scope in listed if isinstance(scope, str))
    return frozenset(found)


#: The user id of the operator who calls. Every route that has it demands the operators' scope.
Operator = Annotated[str, Depends(_operator)]
