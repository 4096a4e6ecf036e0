"""The real processes on embedded stores, in a directory of this run."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis
from servicekit.processes import Child
from servicekit.ready import READY_FILE_VARIABLE

_READY_TIMEOUT_S = 30.0
_POLL_S = 0.01


@dataclass
class House:
    """Where the processes of a run are, and how to start more of them."""

    folder: Path
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    env: dict[str, str]
    stack: ExitStack

    def run(self, *module: str) -> str:
        """Run a command of ours to its end and answer what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *module],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(module)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self, name: str, *module: str, env: Mapping[str, str] | None = None) -> Child:
        """Start a process of ours and wait until it serves."""
        ready = self.folder / f"{name}.ready"
        child = Child(
            name,
            [sys.executable, "-m", *module],
            {**self.env, **(env or {}), READY_FILE_VARIABLE: str(ready)},
            self.folder / f"{name}.log",
        )
        child.start()
        self.stack.callback(child.terminate)
        for _ in range(int(_READY_TIMEOUT_S / _POLL_S)):
            if ready.exists():
                return child
            if child.wait(_POLL_S) is not None:
                break
        raise RuntimeError(f"{name} did not get ready:\n" + "\n".join(child.log_tail()))

    def sql(self, database: str, query: str) -> str:
        """Answer what psql prints for a query."""
        done = subprocess.run(
            [str(self.postgres.bin_dir / "psql"), "-XAtqd", self.postgres.url(database), "-c", query],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()


@contextmanager
def house() -> Iterator[House]:
    """Give running stores with migrated databases; everything is stopped and removed at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-")))
        folder.chmod(0o711)  # the database's own user must get through when root runs this
        postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres", temporary=True))
        redis = stack.enter_context(EmbeddedRedis(folder / "redis", temporary=True))
        for name in ("credit", "chat", "pgbench"):
            postgres.create_database(name)
        env = {
            **os.environ,
            "HOLDFAST_DATA_DIR": str(folder),
            "HOLDFAST_LOG_LEVEL": "warning",
            "HOLDFAST_CREDIT_DATABASE_URL": postgres.url("credit"),
            "HOLDFAST_CHAT_DATABASE_URL": postgres.url("chat"),
            "HOLDFAST_REDIS_URL": redis.url,
            **{f"HOLDFAST_{name}_PORT": str(free_port()) for name in ("CREDIT", "CHAT", "GATEWAY", "EMPTY")},
        }
        yield House(folder, postgres, redis, env, stack)


def free_port() -> int:
    """Answer a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def peak_memory_mb(pid: int) -> float:
    """Answer the most memory a process ever had resident, in MB (Linux; elsewhere what it has now)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return float(psutil.Process(pid).memory_info().rss) / 2**20


def conditions(house: House) -> list[str]:
    """Answer the durability settings and the machine, for the foot of the table."""
    settings = ", ".join(
        f"{name}={house.sql('credit', f'SHOW {name}')}"
        for name in ("fsync", "synchronous_commit", "server_version")
    )
    return [
        f"PostgreSQL: {settings}; {os.cpu_count()} cores shared by client, services and database; "
        f"Python {sys.version.split()[0]}"
    ]
