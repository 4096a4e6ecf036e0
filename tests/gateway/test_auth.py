"""Who is let in. Who is, gets an error that comes only after the token was checked."""

import asyncio
import base64
import hashlib
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.auth import TokenVerifier
from gateway.errors import Refused
from gateway.idempotency import request_id_of
from gateway.keys import JwksUrl
from gateway.scopes import scopes
from gateway.settings import DEVELOPMENT_SECRET, GatewaySettings
from tests.eventually import eventually
from tests.gateway.house import Api, RunningGateway, error, token

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]

#: Refused for its query, but not before the token was looked at.
PROBE = "/api/chats?page_size=many"

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_PUBLIC_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def jwk(kid: str, key: Any = RSA_KEY) -> dict[str, Any]:
    """Answer the public part of a key as an identity provider publishes it."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    public: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig"}


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def forged(header: dict[str, object], claims: dict[str, object], key: bytes = b"") -> str:
    """Answer a token put together by hand: PyJWT refuses to make some of these."""
    signed = part(header) + b"." + part(claims)
    signature = b""
    if key:
        algorithm = jwt.get_algorithm_by_name("HS256")
        signature = base64.urlsafe_b64encode(algorithm.sign(signed, key)).rstrip(b"=")
    return (signed + b"." + signature).decode()


def signed(claims: str = "", header: str = "") -> str:
    """Return a token whose signature is good; the JSON given here comes behind what a good token says."""
    good = json.dumps(jwt.decode(token("alice"), options={"verify_signature": False}))
    parts = ('{"alg": "HS256"}', header), (good, claims)
    texts = [f"{text[:-1]}, {more}}}" if more else text for text, more in parts]
    encoded = [base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).rstrip(b"=") for text in texts]
    message = b".".join(encoded)
    signature = jwt.get_algorithm_by_name("HS256").sign(message, DEVELOPMENT_SECRET.encode())
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


#: JSON that Python reads, and then refuses to convert, compare, hash, nest or encode.
_AWKWARD = st.sampled_from(
    [
        *("9" * 4_001, "-" + "9" * 4_001, "9" * 4_301, "1e308", "1e999", "-1e999", "NaN", "Infinity", "1.5"),
        *(
            '"' + "9" * 4_001 + '"',
            '"\u0663"',
            '"1e5"',
            '"\\ud800"',
            '""',
            "true",
            "null",
            "[]",
            "{}",
            "[[]]",
        ),
        *('[{"holdfast": 1}]', '["holdfast", 7]', "[" * 1_500 + "]" * 1_500, '{"a":' * 600 + "1" + "}" * 600),
    ]
)


def signed_by_rsa(kid: str | None = "one", **claims: Any) -> str:
    good = jwt.decode(token("alice", **claims), options={"verify_signature": False})
    return jwt.encode(good, RSA_KEY, algorithm="RS256", headers={"kid": kid} if kid else None)


@contextmanager
def identity_provider(
    keys: list[dict[str, Any]], raw: bytes | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Publish keys over HTTP, and tell what was asked for; while there are no keys it is down.

    With `raw` it publishes that instead.
    """
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"keys": keys}).encode() if raw is None else raw
            self.send_response(200 if keys or raw else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys", asked
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_provider() -> Iterator[str]:
    """Take connections and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/keys"


def test_a_good_token_is_let_through(alone: RunningGateway, connect: Connect) -> None:
    error(connect(alone, "alice").get(PROBE), 422, "INVALID_FIELD")


@pytest.mark.parametrize(
    "bearer",
    [
        pytest.param(token("alice", exp=1_700_000_000), id="expired"),
        pytest.param(token("alice", exp=None), id="no exp"),
        pytest.param(token("alice", iat=None), id="no iat"),
        pytest.param(token("alice", sub=None), id="no sub"),
        pytest.param(token("alice", iss=None), id="no iss"),
        pytest.param(token("alice", aud=None), id="no aud"),
        pytest.param(token("alice", aud="other"), id="wrong audience"),
        pytest.param(token("alice", iss="other"), id="wrong issuer"),
        pytest.param(token("alice", nbf=4_000_000_000), id="not yet valid"),
        pytest.param(token("alice", exp="tomorrow"), id="exp is no number"),
        pytest.param(signed('"exp": ' + "9" * 4_001), id="exp has 4,001 digits"),
        pytest.param(signed('"exp": 1e308'), id="exp has 308 digits"),
        pytest.param(token("alice", exp=253_402_300_800), id="exp lies in the year 10000"),
        pytest.param(signed('"exp": 1e999'), id="exp is infinite"),
        pytest.param(signed('"jti": ' + "9" * 4_301), id="a claim has 4,301 digits"),
        pytest.param(token(""), id="empty sub"),
        pytest.param(token("x" * 129), id="long sub"),
        pytest.param(token("a\x00b"), id="sub with NUL"),
        pytest.param(token("\ud800"), id="sub that is no text"),
        pytest.param(token("alice", key="another-secret-of-thirty-two-bytes!"), id="wrong secret"),
        pytest.param(
            token("alice", algorithm="HS512", key="development-secret-that-everybody-knows" * 2), id="HS512"
        ),
        pytest.param(forged({"alg": "none"}, {"sub": "alice"}), id="alg none"),
        pytest.param(forged({"alg": "NONE"}, {"sub": "alice"}), id="alg NONE"),
        pytest.param(forged({}, {"sub": "alice"}), id="no alg"),
        pytest.param(forged({"alg": ["HS256"]}, {"sub": "alice"}), id="alg is a list"),
        pytest.param(forged({"alg": "HS256", "kid": 7}, {"sub": "alice"}), id="kid is a number"),
        pytest.param("a.b.c", id="garbage"),
        pytest.param("....", id="dots"),
        pytest.param(token("alice")[:-4], id="cut signature"),
        pytest.param("x" * 20_000, id="long"),
    ],
)
def test_a_bad_token_is_refused(alone: RunningGateway, connect: Connect, bearer: str) -> None:
    # when a call comes with a token that is wrong in one way
    refused = connect(alone, bearer=bearer).get(PROBE)
    # then it is refused, and the answer says how to authenticate
    error(refused, 401, "UNAUTHENTICATED")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


@settings(max_examples=300)
@given(
    claims=st.dictionaries(
        st.sampled_from(["exp", "iat", "nbf", "sub", "iss", "aud", "jti", "scope", "scp", "auth_time"]),
        _AWKWARD,
    ),
    header=st.dictionaries(
        st.sampled_from(["kid", "typ", "alg", "crit", "b64", "cty", "x5c", "jwk", "jku"]), _AWKWARD
    ),
)
def test_whatever_a_signed_token_says_it_is_good_or_refused(
    claims: dict[str, str], header: dict[str, str]
) -> None:
    told = (", ".join(f'"{name}": {value}' for name, value in given.items()) for given in (claims, header))
    bearer = signed(*told)
    user_id, refusal = asyncio.run(judged(bearer))
    if refusal:
        assert (refusal.status_code, refusal.code) == (401, "UNAUTHENTICATED")
    else:
        # what the operators' routes read of it can be read, too
        assert 1 <= len(user_id) <= 128
        assert "holdfast:admin" not in scopes(jwt.decode(bearer, options={"verify_signature": False}))


async def judged(bearer: str) -> tuple[str, Refused | None]:
    """Return whose token it is, or why it is refused."""
    try:
        return await TokenVerifier(GatewaySettings()).user_id(bearer), None
    except Refused as error:
        return "", error


def test_of_two_tokens_none_counts(alone: RunningGateway, connect: Connect) -> None:
    # given a request that could be read as one user's or as another's
    given = [("Authorization", f"Bearer {token(user)}") for user in ("alice", "bob")]
    refused = connect(alone).http.get(PROBE, headers=given)
    error(refused, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "bearer", "", token("alice"), "Token x"])
def test_another_scheme_is_refused(alone: RunningGateway, connect: Connect, header: str) -> None:
    refused = connect(alone).get("/api/chats", headers={"Authorization": header})
    error(refused, 401, "UNAUTHENTICATED")


def test_the_answer_does_not_say_which_check_failed(alone: RunningGateway, connect: Connect) -> None:
    # given tokens that are forged, for somebody else, and by somebody else
    wrong = [token("alice", key="k" * 32), token("alice", aud="other"), token("alice", iss="other")]
    # then the answers are the same but for the request id
    said = {connect(alone, bearer=bearer).get(PROBE).json()["error"]["message"] for bearer in wrong}
    assert len(said) == 1


class TestJwksFile:
    """Tokens checked with public keys from a file."""

    @pytest.fixture
    def gateway(self, start: Start, tmp_path: Path) -> RunningGateway:
        path = tmp_path / "jwks.json"
        path.write_text(json.dumps({"keys": [jwk("one"), jwk("two", EC_KEY)]}))
        return start(jwt_jwks_file=path)

    def test_rs256_and_es256_tokens_are_let_through(self, gateway: RunningGateway, connect: Connect) -> None:
        elliptic = jwt.encode(
            jwt.decode(token("alice"), options={"verify_signature": False}),
            EC_KEY,
            algorithm="ES256",
            headers={"kid": "two"},
        )
        for bearer in (signed_by_rsa(), elliptic):
            error(connect(gateway, bearer=bearer).get(PROBE), 422, "INVALID_FIELD")

    @pytest.mark.parametrize(
        "bearer",
        [
            pytest.param(
                forged(
                    {"alg": "HS256", "kid": "one"},
                    jwt.decode(token("alice"), options={"verify_signature": False}),
                    RSA_PUBLIC_PEM,
                ),
                id="HS256 with the public key",
            ),
            pytest.param(token("alice"), id="HS256 with the development secret"),
            pytest.param(signed_by_rsa("two"), id="the kid of a key of another kind"),
            pytest.param(signed_by_rsa("three"), id="unknown kid"),
            pytest.param(signed_by_rsa(None), id="no kid where there are two keys"),
            pytest.param(signed_by_rsa(exp=1_700_000_000), id="expired"),
            pytest.param(signed_by_rsa(exp=None), id="no exp"),
            pytest.param(signed_by_rsa(aud="other"), id="wrong audience"),
        ],
    )
    def test_a_bad_token_is_refused(self, gateway: RunningGateway, connect: Connect, bearer: str) -> None:
        error(connect(gateway, bearer=bearer).get(PROBE), 401, "UNAUTHENTICATED")


class TestJwksUrl:
    """Tokens checked with what an identity provider publishes."""

    def test_keys_are_fetched_once_and_kept(self, start: Start, connect: Connect) -> None:
        with identity_provider([jwk("one")]) as (url, asked):
            # given a gateway that has fetched nothing yet
            client = connect(start(jwt_jwks_url=url), bearer=signed_by_rsa())
            # when several calls come
            for _ in range(3):
                error(client.get(PROBE), 422, "INVALID_FIELD")
            # then one fetch was enough
            assert len(asked) == 1

    def test_made_up_key_ids_make_no_fetch_within_the_cooldown(self, start: Start, connect: Connect) -> None:
        with identity_provider([jwk("one")]) as (url, asked):
            gateway = start(jwt_jwks_url=url)
            for number in range(5):
                refused = connect(gateway, bearer=signed_by_rsa(f"made-up-{number}")).get(PROBE)
                error(refused, 401, "UNAUTHENTICATED")
            assert len(asked) == 1

    def test_a_new_key_is_found_after_the_cooldown(self, start: Start, connect: Connect) -> None:
        keys = [jwk("zero")]
        with identity_provider(keys) as (url, _):
            # given a provider that changes its key
            client = connect(start(jwt_jwks_url=url, jwt_jwks_cooldown_s=0), bearer=signed_by_rsa("one"))
            error(client.get(PROBE), 401, "UNAUTHENTICATED")
            keys[:] = [jwk("one")]
            # then tokens of the new one are taken
            error(client.get(PROBE), 422, "INVALID_FIELD")

    def test_known_keys_are_used_on_while_the_provider_is_down(self, start: Start, connect: Connect) -> None:
        keys = [jwk("one")]
        with identity_provider(keys) as (url, asked):
            # given a gateway whose keys are always too old
            gateway = start(jwt_jwks_url=url, jwt_jwks_lifespan_s=1e-9, jwt_jwks_cooldown_s=0)
            error(connect(gateway, bearer=signed_by_rsa()).get(PROBE), 422, "INVALID_FIELD")
            # when the provider fails
            keys.clear()
            for number in range(3):
                fresh = signed_by_rsa(jti=str(number))
                error(connect(gateway, bearer=fresh).get(PROBE), 422, "INVALID_FIELD")
            # then it was asked, beside the requests, and a key that nobody knows is no reason for 401
            eventually(lambda: len(asked) > 1)
            error(connect(gateway, bearer=signed_by_rsa("two")).get(PROBE), 503, "UNAVAILABLE")

    def test_keys_that_are_too_old_are_not_used_while_the_provider_is_down(
        self, start: Start, connect: Connect
    ) -> None:
        keys = [jwk("one")]
        with identity_provider(keys) as (url, _):
            gateway = start(jwt_jwks_url=url, jwt_jwks_max_stale_s=1e-9, jwt_jwks_cooldown_s=0)
            error(connect(gateway, bearer=signed_by_rsa()).get(PROBE), 422, "INVALID_FIELD")
            keys.clear()
            error(connect(gateway, bearer=signed_by_rsa(jti="1")).get(PROBE), 503, "UNAVAILABLE")

    def test_a_key_that_was_withdrawn_lets_nobody_in(self, start: Start, connect: Connect) -> None:
        keys = [jwk("one")]
        with identity_provider(keys) as (url, _):
            gateway = start(jwt_jwks_url=url, jwt_jwks_lifespan_s=1e-9, jwt_jwks_cooldown_s=0)
            error(connect(gateway, bearer=signed_by_rsa()).get(PROBE), 422, "INVALID_FIELD")
            # when the provider publishes another one instead, and a request has had it fetched
            keys[:] = [jwk("two", EC_KEY)]
            refused = (connect(gateway, bearer=signed_by_rsa(jti=str(n))).get(PROBE) for n in count())
            eventually(lambda: next(refused).status_code == 401)

    def test_a_provider_that_hangs_holds_up_nobody_whose_key_is_known(
        self, start: Start, connect: Connect
    ) -> None:
        keys = [jwk("one")]
        with identity_provider(keys) as (url, asked), silent_provider() as silent:
            settings = GatewaySettings.model_validate(
                {"jwt_jwks_url": url, "jwt_jwks_lifespan_s": 1e-9, "jwt_jwks_cooldown_s": 0}
            )
            source = JwksUrl(settings)

            async def ask() -> None:
                await source.find("one")
                source._client.uri = silent
                # when every request finds the keys too old, and the provider silent
                async with asyncio.timeout(5):
                    for _ in range(100):
                        await source.find("one")

            # then none of them waits, and one fetch is on its way for all of them
            asyncio.run(ask())
            assert len(asked) == 1

    @pytest.mark.parametrize(
        "keys", ['{"keys": [7]}', "[" * 5_000, "9" * 5_000, "\ufffe", '{"keys": [{"kty": []}]}']
    )
    async def test_a_provider_that_publishes_no_keys_is_one_that_is_down(self, keys: str) -> None:
        with identity_provider([], raw=keys.encode()) as (url, _):
            source = JwksUrl(GatewaySettings.model_validate({"jwt_jwks_url": url}))
            with pytest.raises(Refused) as refused:
                await source.find("one")
            assert refused.value.status_code == 503

    def test_a_provider_that_is_down_is_503_and_not_401(self, start: Start, connect: Connect) -> None:
        # An app that hears 401 logs its user out.
        gateway = start(jwt_jwks_url="http://127.0.0.1:9/keys", jwt_jwks_timeout_s=0.5)
        error(connect(gateway, bearer=signed_by_rsa()).get(PROBE), 503, "UNAVAILABLE")


class TestRemembered:
    """Tokens that were verified a moment ago are not verified again, and are still no good for longer."""

    @pytest.fixture
    def verifier(self) -> TokenVerifier:
        return TokenVerifier(GatewaySettings())

    async def test_a_token_is_verified_once(
        self, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bearer = token("alice")
        assert await verifier.user_id(bearer) == "alice"
        monkeypatch.setattr(verifier, "_verify", None)
        assert await verifier.user_id(bearer) == "alice"

    async def test_a_remembered_token_expires_all_the_same(
        self, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now_s = time.time()
        bearer = token("alice", exp=int(now_s) + 30)
        assert await verifier.user_id(bearer) == "alice"
        monkeypatch.setattr("gateway.auth.time.time", lambda: now_s + 31)
        assert verifier._verified.get(hashlib.sha256(bearer.encode()).digest()) is None

    async def test_a_token_is_looked_at_again_after_a_minute(
        self, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bearer = token("alice")
        await verifier.user_id(bearer)
        now_s = time.time()
        monkeypatch.setattr("gateway.auth.time.time", lambda: now_s + 61)
        assert verifier._verified.get(hashlib.sha256(bearer.encode()).digest()) is None

    async def test_bad_tokens_are_not_remembered(self, verifier: TokenVerifier) -> None:
        for bearer in (token("alice", exp=1_700_000_000), token("alice", key="k" * 32), "x" * 9_000):
            with pytest.raises(Refused):
                await verifier.user_id(bearer)
        assert not verifier._verified._users

    async def test_the_memory_is_bounded(
        self, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.auth._MAX_VERIFIED", 5)
        for number in range(12):
            await verifier.user_id(token(f"user-{number}"))
        assert len(verifier._verified._users) == 5


def test_a_key_that_is_no_uuid_becomes_another_one_for_each_user() -> None:
    # given one key
    ids = {request_id_of(user, "order-1") for user in ("alice", "bob", "alice")}
    # then each user has an own id for it, the same every time
    assert len(ids) == 2


def test_user_and_key_cannot_be_cut_differently() -> None:
    assert request_id_of("a", "b:c") != request_id_of("a:b", "c")
