"""Bearer tokens for the development secret."""

import time

import jwt

from gateway.settings import GatewaySettings

LIFETIME_S = 24 * 3600


def development_token(settings: GatewaySettings, user_id: str, scope: str = "") -> str:
    """Answer a token of one user for 24 hours; raises ValueError where the gateway would not take it.

    `scope` are scopes with spaces between them, such as the operators'.
    """
    if not settings.accepts_development_tokens:
        raise ValueError("this gateway does not accept tokens of the development secret")
    if not 1 <= len(user_id) <= 128:
        raise ValueError("a user id has 1 to 128 characters")
    now_s = int(time.time())
    claims = {
        "sub": user_id,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
    }
    if scope:
        claims["scope"] = scope
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
