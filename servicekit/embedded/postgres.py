"""A real PostgreSQL cluster that lives and dies with this process."""

import atexit
import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import psycopg2
import psycopg2.errors
import psycopg2.sql

from servicekit.embedded import wheels
from servicekit.embedded.directories import (
    DirectoryLock,
    private_directory,
    reachable,
    reachable_place,
    short_hash,
    socket_directory,
)
from servicekit.embedded.errors import EmbeddedServerError
from servicekit.embedded.postmaster import PidFile
from servicekit.processes import Account, Child

_SUPERUSER = "postgres"
_SOCKET_NAME = ".s.PGSQL.5432"
_INITDB_TIMEOUT_S = 120.0
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10
_POLL_S = 0.01
#: The server refuses to run as root, so for root it runs as the user that owns nothing.
_NOBODY = Account(65534, 65534)
#: Durability (fsync, synchronous_commit, full_page_writes) stays as PostgreSQL ships it: on.
_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_INITDB_OPTIONS = (
    f"--username={_SUPERUSER}",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    # Who can reach the socket is who may connect: its directory is private, and there is no TCP.
    "--auth=trust",
)


class EmbeddedPostgres:
    """A cluster in `data_dir`, reached through a private Unix socket. A context manager.

    Everything lies in `data_dir`: `lock`, `postgres.log`, and `home` with the cluster and the socket.
    For root the server runs as `nobody`; when that user cannot enter `data_dir`, `home` is
    a link to a directory under /var/tmp. No directory that was there before changes its mode.
    """

    def __init__(self, data_dir: Path, *, temporary: bool = False, log_path: Path | None = None) -> None:
        """Nothing happens before `start`. A `temporary` cluster's directory is removed by `stop`."""
        self.data_dir = data_dir.absolute()
        self.temporary = temporary
        self.log_path = log_path or self.data_dir / "postgres.log"
        self._account = _NOBODY if os.geteuid() == 0 else None
        self._lock = DirectoryLock(self.data_dir)
        self._server: Child | None = None
        self._bin_dir: Path | None = None
        self._socket_dir: Path | None = None

    @property
    def bin_dir(self) -> Path:
        """The directory of `psql`, `pg_dump`, `pgbench` and the other tools of this server."""
        if self._bin_dir is None:
            self._bin_dir = wheels.postgres_bin_dir(self._account)
        return self._bin_dir

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._server is not None and self._server.alive

    @property
    def pid(self) -> int:
        """The server's process id. Raises `EmbeddedServerError` when it does not run."""
        return self._running().pid

    @property
    def socket_dir(self) -> Path:
        """The directory of the Unix socket, which is the `host` of a connection; the port is 5432."""
        self._running()
        assert self._socket_dir is not None
        return self._socket_dir

    def url(self, database: str) -> str:
        """Answer `postgresql://postgres@/DATABASE?host=DIRECTORY`."""
        return f"postgresql://{_SUPERUSER}@/{quote(database, safe='')}?host={quote(str(self.socket_dir))}"

    def start(self) -> None:
        """Make the cluster if there is none, start the server and wait until it accepts connections.

        Raises `DataDirectoryInUse`, or `EmbeddedServerError` with the end of the log.
        """
        self._lock.acquire()
        atexit.register(self.stop)
        try:
            home = self._make_home()
            self._socket_dir = socket_directory(home, _SOCKET_NAME, self._account)
            if not (home / "cluster").exists():
                self._make_cluster(home)
            self._start_server(home / "cluster")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server (running transactions are rolled back); twice does no harm."""
        if self._server is not None:
            self._stop_server(signal.SIGINT)
        if self._socket_dir is not None and self._socket_dir != self._home():
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._socket_dir = None
        if self.temporary:
            self._remove()
        self._lock.release()
        atexit.unregister(self.stop)

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start the server; the URLs stay. "immediate" is a crash: the start replays the log."""
        self._running()
        self._stop_server(signal.SIGQUIT if mode == "immediate" else signal.SIGINT)
        self._start_server(self._home() / "cluster")

    def create_database(self, name: str) -> None:
        """Create the database; nothing happens when it exists. Two may try at once."""
        statement = psycopg2.sql.SQL("CREATE DATABASE {}").format(psycopg2.sql.Identifier(name))
        connection = psycopg2.connect(self.url("postgres"), connect_timeout=_CONNECT_TIMEOUT_S)
        # UniqueViolation is what the loser of two simultaneous CREATE DATABASE gets.
        exists = (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation)
        with contextlib.closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor, contextlib.suppress(*exists):
                cursor.execute(statement)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Child:
        if self._server is None:
            raise EmbeddedServerError(f"PostgreSQL in {self.data_dir} is not running")
        return self._server

    def _home(self) -> Path:
        return (self.data_dir / "home").resolve()

    def _make_home(self) -> Path:
        link = self.data_dir / "home"
        if link.is_symlink() and link.exists():
            return private_directory(link.resolve(), self._account)
        if link.is_symlink():
            link.unlink()  # What it led to is gone.
        if link.exists() or reachable(self.data_dir, self._account):
            return private_directory(link, self._account)
        return self._make_home_elsewhere(link)

    def _make_home_elsewhere(self, link: Path) -> Path:
        """Lay `home` where the account can enter, and link to it."""
        kept = () if self.temporary else (Path("/var/tmp"),)  # noqa: S108  # outlives a reboot; made private
        place = reachable_place(self._account, *kept)
        home = place / f"holdfast-{short_hash(str(self.data_dir))}"
        if home.exists():
            # What is there belongs to a data directory that somebody has removed since: start afresh.
            private_directory(home, self._account)
            PidFile(home / "cluster").wait_until_gone(self.data_dir)
            shutil.rmtree(home)
        private_directory(home, self._account)
        link.symlink_to(home)
        return home

    def _make_cluster(self, home: Path) -> None:
        """Run initdb beside and rename, so that a cluster that exists is a whole one."""
        beside = home / "cluster.new"
        shutil.rmtree(beside, ignore_errors=True)
        command = [str(self.bin_dir / "initdb"), "-D", str(beside), *_INITDB_OPTIONS]
        initdb = self._child("initdb", command, home)
        initdb.start()
        code = initdb.wait(_INITDB_TIMEOUT_S)
        initdb.kill()
        if code != 0:
            raise self._failure(initdb, f"initdb failed ({code})")
        beside.rename(home / "cluster")

    def _start_server(self, cluster: Path) -> None:
        pid_file = PidFile(cluster)
        pid_file.wait_until_gone(self.data_dir)
        # Quoted, because a comma would begin a second directory.
        settings = _SERVER_SETTINGS | {"unix_socket_directories": f'"{self._socket_dir}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.bin_dir / "postgres"), "-D", str(cluster), *options]
        self._server = self._child("postgres", command, cluster)
        self._server.start()
        self._wait_until_ready(self._server, pid_file)

    def _wait_until_ready(self, server: Child, pid_file: PidFile) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not pid_file.says_ready(server.pid):
            if not server.alive:
                raise self._failure(server, f"the server ended with {server.exit_code}")
            if time.monotonic() > deadline:
                raise self._failure(server, f"the server was not ready within {_START_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_S)

    def _stop_server(self, how: signal.Signals) -> None:
        server = self._running()
        server.send(how)
        if server.wait(_STOP_TIMEOUT_S) is None:
            server.send(signal.SIGQUIT)
            server.wait(_STOP_TIMEOUT_S)
        server.kill()
        self._server = None

    def _child(self, name: str, command: list[str], cwd: Path) -> Child:
        # The environment is clean: PGDATA, PGOPTIONS or a locale of the caller must not change the server.
        env = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return Child(
            name, command, env, self.log_path, cwd=cwd, stop_signal=signal.SIGINT, account=self._account
        )

    def _failure(self, child: Child, problem: str) -> EmbeddedServerError:
        log = "\n".join(f"    {line}" for line in child.log_tail())
        return EmbeddedServerError(f"PostgreSQL in {self.data_dir}: {problem}\n{log}\n  log: {self.log_path}")

    def _remove(self) -> None:
        home = self.data_dir / "home"
        if home.is_symlink():
            shutil.rmtree(home.resolve(), ignore_errors=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)
