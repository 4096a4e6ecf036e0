"""Directories for embedded servers: locked against a second start, private, reachable for the server."""

import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from servicekit.embedded.errors import DataDirectoryInUse, EmbeddedServerError
from servicekit.processes import Account

#: The address of a Unix socket takes 103 bytes on macOS and 107 on Linux.
SOCKET_PATH_BYTES_MAX = 100


class DirectoryLock:
    """Closes the race of two processes that start with one data directory.

    The kernel drops the lock when its holder dies, so a kill -9 leaves nothing to clean up.
    """

    def __init__(self, data_dir: Path, name: str = "lock") -> None:
        """Lock `data_dir` through the file `name` in it; nothing happens before `acquire`."""
        self._data_dir = data_dir
        self._path = data_dir / name
        self._fd: int | None = None

    def acquire(self) -> None:
        """Make the directory if need be, and lock it. Raises `DataDirectoryInUse` at once if it is taken."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode().strip()
            os.close(fd)
            raise DataDirectoryInUse(self._data_dir, int(holder or 0)) from None
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        self._fd = fd

    def release(self) -> None:
        """Let others in. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def short_hash(text: str) -> str:
    """Answer ten hex digits that tell paths apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def reachable(path: Path, account: Account | None) -> bool:
    """Whether the account may enter every directory on the way to `path`, and `path` itself.

    None stands for the user who runs this process. Reads the mode bits; an access list that says
    otherwise is not seen, and then the server's own message tells.
    """
    if account is None:
        return os.access(path, os.X_OK)
    real = path.resolve()
    return all(_may_enter(directory, account) for directory in (real, *real.parents))


def _may_enter(directory: Path, account: Account) -> bool:
    try:
        status = directory.stat()
    except FileNotFoundError:
        return True  # It is made later, by us.
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def reachable_place(account: Account | None, *candidates: Path) -> Path:
    """Answer the first of the candidates and the usual temporary directories that the account can enter.

    Raises `EmbeddedServerError` when there is none.
    """
    places = [*candidates, Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]  # noqa: S108  # made private
    for place in places:
        if place.is_dir() and reachable(place, account):
            return place
    raise EmbeddedServerError(f"no directory that user {account} can enter: tried {places}")


def private_directory(path: Path, account: Account | None) -> Path:
    """Make a directory that only the account can enter, or accept it when it is that already.

    Raises `EmbeddedServerError` for a directory of somebody else: in a shared place such as /tmp
    another user could have made it to read along.
    """
    owner = account or Account(os.geteuid(), os.getegid())
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.uid or status.st_mode & 0o077:
            raise EmbeddedServerError(
                f"{path} belongs to user {status.st_uid}, and is needed as a private directory of user "
                f"{owner.uid}: remove it, or set HOLDFAST_DATA_DIR to another place"
            ) from None
    else:
        if account is not None:
            os.chown(path, account.uid, account.gid)
    return path


def socket_directory(wanted: Path, socket_name: str, account: Account | None) -> Path:
    """Answer `wanted`, or a short private directory when the socket's path would be too long there."""
    if len(os.fsencode(wanted / socket_name)) <= SOCKET_PATH_BYTES_MAX:
        return wanted
    place = reachable_place(account)
    name = f"holdfast-{short_hash(str(wanted))}.s"
    if len(os.fsencode(place / name / socket_name)) > SOCKET_PATH_BYTES_MAX:
        place = Path("/tmp")  # noqa: S108  # TMPDIR itself is too deep; the directory in it is private
    return private_directory(place / name, account)
