"""Settings of the gateway: environment variables with the prefix ``HOLDFAST_``."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from limits import parse as parse_rate
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from servicekit.settings import KitSettings

#: Signs tokens on a developer's machine. Everybody knows it, so production refuses it.
DEVELOPMENT_SECRET = "development-secret-that-everybody-knows"  # noqa: S105  # refused in production

_SECRET_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
_KEY_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
#: RFC 7518 wants a secret at least as long as the hash.
_MIN_SECRET_BYTES = 32

#: The pages for operators and machines; gateway/pages.py has their paths.
PAGES = ("docs", "metrics", "db-pool")

_List = Annotated[tuple[str, ...], NoDecode]


class GatewaySettings(KitSettings):
    """What the gateway can be told. Lists are written with commas."""

    gateway_port: int = Field(8000, ge=0, le=65_535, description="port of the gateway; 0 takes a free one")
    credit_port: int = Field(50051, ge=0, le=65_535, description="port of credit_service")
    credit_target: str = Field(
        "", description="where credit_service is, host:port; empty: this machine at its port"
    )
    chat_port: int = Field(50052, ge=0, le=65_535, description="port of chat_service")
    chat_target: str = Field(
        "", description="where chat_service is, host:port; empty: this machine at its port"
    )

    jwt_algorithms: _List = Field(
        (), description="accepted algorithms; empty: HS256 with a secret, RS256 and ES256 with a JWKS"
    )
    jwt_secret: SecretStr = Field(
        SecretStr(""), description="HS256 secret of at least 32 bytes; empty: the development one, or a JWKS"
    )
    jwt_jwks_url: str = Field("", description="where the identity provider publishes its keys")
    jwt_jwks_file: Path | None = Field(None, description="the same as a file, read at the start")
    jwt_jwks_lifespan_s: float = Field(300.0, gt=0, description="age at which fetched keys are fetched again")
    jwt_jwks_cooldown_s: float = Field(
        30.0, ge=0, description="least time between two fetches, whatever key ids come"
    )
    jwt_jwks_timeout_s: float = Field(5.0, gt=0, description="longest that fetching the keys may take")
    jwt_jwks_max_stale_s: float = Field(
        86_400.0, gt=0, description="age up to which keys are used while the provider does not answer"
    )
    jwt_issuer: str = Field("holdfast", min_length=1, description="who must have issued a token")
    jwt_audience: str = Field("holdfast", min_length=1, description="whom a token must be for")
    jwt_operator_scope: str = Field(
        "holdfast:admin", min_length=1, description="scope that a token needs for what operators do"
    )
    jwt_leeway_s: float = Field(0.0, ge=0, le=300, description="by how much the issuer's clock may differ")

    import_max_bytes: int = Field(64 << 20, gt=0, description="largest file that can be uploaded")
    gateway_upload_timeout_s: float = Field(
        720.0, gt=0, description="longest that an upload may take, reading and storing the file included"
    )
    gateway_ask_timeout_s: float = Field(
        200.0, gt=0, description="longest that a question may take; more than HOLDFAST_ASK_TIMEOUT_S"
    )
    gateway_generate_timeout_s: float = Field(
        60.0,
        gt=0,
        description="longest that POST /api/rag/generate waits for its job, which goes on after it",
    )
    gateway_export_timeout_s: float = Field(
        900.0, gt=0, description="longest that the export of a user's data may take"
    )
    gateway_body_max_bytes: int = Field(64 << 10, gt=0, description="largest body of any other request")
    gateway_head_max_bytes: int = Field(32 << 10, gt=0, description="largest request line with all headers")
    gateway_head_timeout_s: float = Field(10.0, gt=0, description="longest that a request's head may take")
    gateway_idle_timeout_s: float = Field(20.0, gt=0, description="longest pause in a request's body")
    gateway_send_timeout_s: float = Field(
        60.0, gt=0, description="longest that a client may take nothing of an answer that waits for it"
    )
    gateway_min_bytes_per_s: int = Field(
        1_000, gt=0, description="a body that comes slower than this on the whole is cut off"
    )
    gateway_max_in_flight: int = Field(
        1_000, gt=0, description="requests served at once; more are UNAVAILABLE"
    )
    gateway_uploads_per_user: int = Field(4, gt=0, description="uploads of one user at once")
    gateway_max_uploads: int = Field(50, gt=0, description="uploads at once; more are UNAVAILABLE")
    gateway_streams_per_user: int = Field(5, gt=0, description="streams of events of one user at once")
    gateway_max_streams: int = Field(
        500, gt=0, description="streams at once, and as many questions and exports; more are UNAVAILABLE"
    )
    gateway_questions_per_user: int = Field(4, gt=0, description="questions of one user at once")
    gateway_exports_per_user: int = Field(2, gt=0, description="exports of one user's data at once")
    gateway_stream_max_s: float = Field(
        900.0, gt=0, description="after this a stream of events ends, and the client comes again"
    )
    gateway_heartbeat_s: float = Field(
        15.0, gt=0, description="pause after which a stream says that it lives"
    )

    redis_url: str = Field("", description="Redis that counts for the rates; empty: each process for itself")
    gateway_rate_user: str = Field(
        "600/minute", description="requests of one user, such as 10/second; off: any number"
    )
    gateway_rate_address: str = Field(
        "3000/minute", description="requests of one address (of IPv6 a /64), or off"
    )
    gateway_rate_costly: str = Field(
        "120/minute", description="requests of one user that cost coins or make something, or off"
    )
    gateway_rate_when_down: Literal["open", "closed"] = Field(
        "open", description="while Redis does not answer: let requests through, or refuse them with 503"
    )
    gateway_rate_timeout_s: float = Field(0.25, gt=0, description="longest wait for Redis")
    gateway_rate_pause_s: float = Field(5.0, gt=0, description="how long Redis is left alone after a failure")
    gateway_trusted_proxies: _List = Field(
        (), description="addresses or networks whose X-Forwarded-For is believed"
    )
    gateway_health_timeout_s: float = Field(1.0, gt=0, description="longest wait for a service's health")
    gateway_cors_origins: _List = Field((), description="web origins that may call from a browser")

    gateway_public_pages: _List = Field(
        (),
        description="what anybody may see on the gateway's port: docs (and /openapi.json), metrics, db-pool; "
        "all or none of them; empty: all in development, none in production",
    )
    gateway_operations_port: int | None = Field(
        None,
        ge=0,
        le=65_535,
        description="second port, for Prometheus and operators: all of these pages and /health, and nothing "
        "else; 0 takes a free one; empty: there is none",
    )
    gateway_operations_host: str = Field(
        "", description="address that it listens on; empty: that of HOLDFAST_BIND_HOST"
    )

    @field_validator(
        "jwt_algorithms",
        "gateway_cors_origins",
        "gateway_trusted_proxies",
        "gateway_public_pages",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("gateway_trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for one in value:
                ip_network(one, strict=False)
        except ValueError:
            # The library's text shows what was given, which need not have been meant for here.
            raise ValueError("must be addresses or networks such as 10.0.0.0/8, with commas") from None
        return value

    @field_validator("gateway_rate_user", "gateway_rate_address", "gateway_rate_costly")
    @classmethod
    def _rates(cls, value: str) -> str:
        try:
            if value != "off":
                parse_rate(value)
        except ValueError:
            raise ValueError("must be a rate such as 10/second, or off") from None
        return value

    @field_validator("gateway_public_pages")
    @classmethod
    def _pages(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value in (("all",), ("none",)) or set(value) <= set(PAGES):
            return value
        raise ValueError(f"must be all, none, or some of {', '.join(PAGES)} with commas")

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.gateway_port and self.gateway_port == self.gateway_operations_port:
            raise ValueError("HOLDFAST_GATEWAY_OPERATIONS_PORT must not be HOLDFAST_GATEWAY_PORT")
        return self

    @model_validator(mode="after")
    def _services_on_this_machine(self) -> Self:
        self.credit_target = self.credit_target or f"127.0.0.1:{self.credit_port}"
        self.chat_target = self.chat_target or f"127.0.0.1:{self.chat_port}"
        return self

    @model_validator(mode="after")
    def _one_kind_of_key(self) -> Self:
        """A public key must never be taken for a secret: the algorithms are all of one kind."""
        if self.jwt_jwks_url and self.jwt_jwks_file:
            raise ValueError("set HOLDFAST_JWT_JWKS_URL or HOLDFAST_JWT_JWKS_FILE, not both")
        fitting = _KEY_ALGORITHMS if self.uses_jwks else _SECRET_ALGORITHMS
        default = ("RS256", "ES256") if self.uses_jwks else ("HS256",)
        self.jwt_algorithms = self.jwt_algorithms or default
        wrong = [name for name in self.jwt_algorithms if name not in fitting]
        if wrong:
            kind = "a JWKS" if self.uses_jwks else "a secret"
            raise ValueError(f"HOLDFAST_JWT_ALGORITHMS: {_shown(wrong)} cannot be used with {kind}")
        return self

    @model_validator(mode="after")
    def _a_secret_that_is_one(self) -> Self:
        if self.uses_jwks:
            return self
        given = self.jwt_secret.get_secret_value() or DEVELOPMENT_SECRET
        if self.environment == "production" and given.startswith("development-"):
            raise ValueError("HOLDFAST_JWT_SECRET, HOLDFAST_JWT_JWKS_URL or _FILE must be set in production")
        if len(given.encode()) < _MIN_SECRET_BYTES:
            raise ValueError(f"HOLDFAST_JWT_SECRET must have at least {_MIN_SECRET_BYTES} bytes")
        self.jwt_secret = SecretStr(given)
        return self

    @property
    def public_pages(self) -> tuple[str, ...]:
        """The pages that anybody may see on the gateway's own port."""
        named = self.gateway_public_pages
        if named == ("all",) or (not named and self.environment == "development"):
            return PAGES
        return () if named == ("none",) else named

    @property
    def uses_jwks(self) -> bool:
        """Whether tokens are checked with an identity provider's public keys."""
        return bool(self.jwt_jwks_url or self.jwt_jwks_file)

    @property
    def accepts_development_tokens(self) -> bool:
        """Whether `python -m gateway token` can make tokens that this gateway takes."""
        return not self.uses_jwks and self.jwt_secret.get_secret_value() == DEVELOPMENT_SECRET


def _shown(algorithms: Iterable[str]) -> str:
    """Name the algorithms. What is no algorithm's name may be a secret, set in the wrong place."""
    known = _SECRET_ALGORITHMS | _KEY_ALGORITHMS | {"none"}
    return ", ".join(dict.fromkeys(name if name in known else "an unknown algorithm" for name in algorithms))
