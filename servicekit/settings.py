"""Settings: environment variables with the prefix ``HOLDFAST_``, then ``.env``, then defaults.

A tool that runs beside `make run` finds the embedded stores too: the launcher writes
their addresses into ``stores.env`` in the data directory.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DATA_DIR_VARIABLE = "HOLDFAST_DATA_DIR"
DEFAULT_DATA_DIR = Path(".holdfast")
STORES_FILE = "stores.env"
_PREFIX = "HOLDFAST_"
#: What a command ends with that was used wrongly, by shells' and argparse's convention.
WRONG_SETTINGS_EXIT = 2


class SettingsError(Exception):
    """The settings are wrong. The text has a line a problem: which variable, and why, never what it holds."""


def report(service: str, error: SettingsError) -> int:
    """Say on standard error what is wrong with a process's settings, and answer its exit code."""
    print(f"{service}: the settings are wrong:\n{error}", file=sys.stderr)
    return WRONG_SETTINGS_EXIT


def data_dir() -> Path:
    """Answer where embedded stores, logs and temporary files live: the environment, ``.env``, the default."""
    given = os.environ.get(DATA_DIR_VARIABLE) or dotenv_values(".env").get(DATA_DIR_VARIABLE)
    return Path(given or DEFAULT_DATA_DIR)


class KitSettings(BaseSettings):
    """What every process can be told. Rooms subclass it and add their own."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", env_ignore_empty=True)

    environment: Literal["development", "production"] = Field(
        "development", description="production refuses the development defaults of secrets"
    )
    data_dir: Path = Field(DEFAULT_DATA_DIR, description="embedded stores, logs, temporary files")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_format: Literal["console", "json"] = Field(
        "json", description="console for people, json for machines"
    )
    bind_host: str = Field("127.0.0.1", description="address that servers listen on")

    service_token: str = Field("", description="shared secret that gRPC callers must show; empty: none")
    tls_cert_file: Path | None = Field(None, description="server certificate (PEM); switches gRPC TLS on")
    tls_key_file: Path | None = Field(None, description="its key (PEM)")
    tls_ca_file: Path | None = Field(
        None,
        description="CA (PEM): clients check servers with it; servers that have it demand client ones",
    )
    page_token_secret: str = Field("development-page-tokens", description="signs page tokens")

    rpc_timeout_s: float = Field(10.0, gt=0, description="deadline of a gRPC call that this process makes")
    rpc_max_deadline_s: float = Field(30.0, gt=0, description="longest a unary RPC may run on this server")
    rpc_max_stream_s: float = Field(900.0, gt=0, description="longest a stream of answers may run")
    rpc_max_message_bytes: int = Field(16 << 20, gt=0, description="largest gRPC message taken or sent")
    rpc_max_concurrent: int = Field(1_024, gt=0, description="calls served at once; more are RATE_LIMITED")
    rpc_max_streams: int = Field(
        1_024, gt=0, description="streams of answers served at once, counted apart from calls"
    )
    drain_s: float = Field(10.0, ge=0, description="time for running RPCs to finish after SIGTERM")

    database_pool_size: int = Field(10, gt=0, description="connections kept")
    database_max_overflow: int = Field(5, ge=0, description="connections beyond that under load")
    database_pool_timeout_s: float = Field(10.0, gt=0, description="longest wait for a connection")
    database_recycle_s: int = Field(3_600, gt=0, description="age at which a connection is replaced")
    database_statement_timeout_s: float = Field(15.0, gt=0, description="longest a statement may run")
    database_lock_timeout_s: float = Field(5.0, gt=0, description="longest wait for a row lock")

    @classmethod
    def load(cls) -> Self:
        """Read the settings of this process; raises `SettingsError` with all that is wrong."""
        try:
            return cls(_env_file=(data_dir() / STORES_FILE, ".env"))
        except ValidationError as error:
            problems = "\n".join(_problems(error))
        # Not in the handler: pydantic's error shows every secret, and a traceback would show it as the cause.
        raise SettingsError(problems)

    @model_validator(mode="after")
    def _no_development_secret_in_production(self) -> Self:
        for name, field in type(self).model_fields.items():
            given = getattr(self, name)
            if self.environment == "production" and str(given).startswith("development-"):
                raise ValueError(f"HOLDFAST_{name.upper()} must be set in production: {field.description}")
        return self


def _problems(error: ValidationError) -> Iterator[str]:
    """Answer a line a problem. A rule over several settings has no place, and names them itself."""
    for detail in error.errors(include_url=False, include_input=False):
        reason = "must be set" if detail["type"] == "missing" else detail["msg"].removeprefix("Value error, ")
        place = f"{_PREFIX}{detail['loc'][0]}: ".upper() if detail["loc"] else ""
        yield f"{place}{reason}"
