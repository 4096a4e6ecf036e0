"""Real stores for every test: one PostgreSQL cluster and one Redis for each xdist worker."""

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import psycopg2
import pytest
import structlog

from servicekit.embedded import EmbeddedPostgres, EmbeddedRedis

_PREFIX = "holdfast-test-"
_TESTS = Path(__file__).parent
_LONGEST = ("spine", "insight_worker")
# No test asserts a time, an example's neither: it says how busy the machine was.
hypothesis.settings.register_profile("holdfast", deadline=None)
hypothesis.settings.load_profile("holdfast")


def pytest_configure() -> None:
    """Set up what is logged before anything is."""
    _log_to_people()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests of a package follow one another, in the random order that they were given otherwise.

    The servers that a package shares end with it: they look for work while they have none, and those of
    all packages together took a third of what the tests take. The packages whose tests wait for processes
    come first, as a long one that begins last would be waited for by all others.
    """
    turns: dict[Path, int] = {}
    for item in items:
        for folder in item.path.parents:
            turns.setdefault(folder, len(turns))
    for turn, name in enumerate(_LONGEST, -len(_LONGEST)):
        turns[_TESTS / name] = turn
    items.sort(key=lambda item: [turns[folder] for folder in reversed(item.path.parents)])


@pytest.fixture(autouse=True)
def logs_go_nowhere_else() -> Iterator[None]:
    """Take out the handler that a command under test has put up: its stream is closed when the test ends,
    and servers in other threads of this process would go on writing to it."""
    yield
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not _writes_to_what_is_closed(handler)]
    if structlog.get_config()["cache_logger_on_first_use"]:
        _forget_the_log()


def _log_to_people() -> None:
    """Log as structlog does by itself, but without rich's tracebacks, which take up to seconds to draw."""
    structlog.reset_defaults()
    *processors, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, plain], cache_logger_on_first_use=False)


def _forget_the_log() -> None:
    """Undo what a command has set up for its process, also in the loggers, which keep what they first saw."""
    _log_to_people()
    lazy = type(structlog.get_logger())
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            if isinstance(value, lazy):
                vars(value).pop("bind", None)


def _writes_to_what_is_closed(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and bool(getattr(handler.stream, "closed", False))


@pytest.fixture(scope="session")
def stores_dir() -> Iterator[Path]:
    """A directory of this process; what runs that were killed have left of theirs goes with it."""
    _remove_leftovers()
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    # For root the server runs as another user, who must get through to its part.
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(stores_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A running cluster without databases of its own: `postgres.create_database(name)`."""
    with EmbeddedPostgres(stores_dir / "postgres", temporary=True) as server:
        _spare_the_disk(server)
        yield server


def _spare_the_disk(server: EmbeddedPostgres) -> None:
    """Have commits not wait for the disk: tests kill processes, servers among them, but cut no power."""
    with closing(psycopg2.connect(server.url("postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def redis_server(stores_dir: Path) -> Iterator[EmbeddedRedis]:
    """A running Redis; a test that needs it empty calls `redis_server.flush()`."""
    with EmbeddedRedis(stores_dir / "redis", temporary=True) as server:
        yield server


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A directory for one test, with a path short enough for sockets, that every user can pass through.

    pytest's own `tmp_path` is deep and closed to the user that the database runs as for root.
    """
    path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _remove_leftovers() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _runs(int(pid)):
            # Another worker may be faster, and another user's directory stays.
            shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
