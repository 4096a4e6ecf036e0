"""The stores of one run: embedded servers for those that the environment does not name."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.launcher.errors import ProcessFailed

_REDIS_VARIABLE = "HOLDFAST_REDIS_URL"


def database_variable(name: str) -> str:
    """Answer the variable that holds a database's URL: HOLDFAST_CREDIT_DATABASE_URL for `credit`."""
    return f"HOLDFAST_{name.upper()}_DATABASE_URL"


class Stores:
    """Embedded servers in a data directory, and the variables that lead to them."""

    def __init__(self, data_dir: Path, stack: ExitStack) -> None:
        """The servers are pushed on the stack, which stops them when it unwinds."""
        self._data_dir = data_dir
        self._stack = stack
        self._servers: list[EmbeddedPostgres | EmbeddedRedis] = []
        #: The variables of the servers that were started.
        self.variables: dict[str, str] = {}

    def start(self, databases: Sequence[str], redis: bool, env: Mapping[str, str]) -> None:
        """Start a server for every store whose variable is unset or empty in `env`.

        Raises `EmbeddedServerError`.
        """
        missing = [name for name in databases if not env.get(database_variable(name))]
        if missing:
            self._start_postgres(missing)
        if redis and not env.get(_REDIS_VARIABLE):
            log_path = self._data_dir / "logs" / "redis.log"
            server = self._stack.enter_context(EmbeddedRedis(self._data_dir / "redis", log_path=log_path))
            self._servers.append(server)
            self.variables[_REDIS_VARIABLE] = server.url

    def check(self) -> None:
        """Raise `ProcessFailed` when one of the servers has ended."""
        for server in self._servers:
            if not server.alive:
                raise ProcessFailed(f"{type(server).__name__} has ended", server.log_path)

    def _start_postgres(self, databases: Sequence[str]) -> None:
        log_path = self._data_dir / "logs" / "postgres.log"
        server = self._stack.enter_context(EmbeddedPostgres(self._data_dir / "postgres", log_path=log_path))
        self._servers.append(server)
        for name in databases:
            server.create_database(name)
            self.variables[database_variable(name)] = server.url(name)


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    """Write `NAME=value` lines that only this user can read; a reader sees the old file or the new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(variables.items()))
    beside.rename(path)
