"""What this room may not have in it, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import insight_worker

_ROOM = Path(insight_worker.__file__).parent
_EVENT_LOOPS = {"asyncio", "uvloop", "anyio", "trio", "gevent", "grpc.aio"}
_CHANNELS = {"sync_channel", "stream_channel", "insecure_channel", "secure_channel", "connect"}


def _sources() -> list[Path]:
    found = sorted(_ROOM.rglob("*.py"))
    assert len(found) > 20
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_no_event_loop_in_the_room() -> None:
    # Given every source file of the worker, pipelines included
    for path in _sources():
        tree = ast.parse(path.read_text())
        # Then none imports an event loop, and none has a coroutine
        forbidden = {
            name for name in _imports(tree) if name in _EVENT_LOOPS or name.split(".")[0] in _EVENT_LOOPS
        }
        assert not forbidden, f"{path} imports {forbidden}"
        coroutines = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
        assert not any(isinstance(node, coroutines) for node in ast.walk(tree)), path


def test_no_channel_is_made_at_import() -> None:
    # Given every source file of the worker: a fork may follow its import
    for path in _sources():
        # Then no statement outside of a function makes a channel
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            called = {
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                for node in ast.walk(statement)
                if isinstance(node, ast.Call)
            }
            assert not called & _CHANNELS, f"{path} calls {called & _CHANNELS} at import"
