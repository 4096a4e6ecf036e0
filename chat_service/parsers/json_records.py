"""Takes single values out of a stream of JSON events and passes over everything else.

A path names a value: "messages.item" is any element of the list "messages" of the outermost object.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from chat_service.parsers.errors import UnreadableExport
from chat_service.parsers.json_events import Event, head_events

# An object that is walked through: yielded in the place of its value when it begins.
BEGIN: Final = object()
# In the place of a value that is wanted and not kept.
PASSED: Final = object()

Record = tuple[str, Any]

# Exports nest a handful of values deep, and a message has dozens of fields.
MAX_DEPTH = 64
MAX_VALUES = 100_000
_STARTS = frozenset({"start_map", "start_array"})
_ENDS = frozenset({"end_map", "end_array"})


def _keep_all(_: str) -> bool:
    return True


def records(
    events: Iterator[Event], wanted: Iterable[str], keep: Callable[[str], bool] = _keep_all
) -> Iterator[Record]:
    """Yields the path and the value of what is wanted, in the order of the file.

    Objects on the way to it are yielded when they begin, with BEGIN for a value. `keep` is asked with
    the path of each object or list that is wanted; what it refuses is not put together, and PASSED
    stands for it. One value at a time is in memory. Raises UnreadableExport for a value that is
    nested too deep or has too many parts.
    """
    yield from _Walk(events, frozenset(wanted), keep).value(*next(events), "")
    # What stands behind the outermost value is looked at too: it must be JSON's end.
    for _ in events:
        pass


def head_keys(head: bytes, path: str) -> set[str]:
    """The keys of the objects at a path, as far as the beginning of a file tells."""
    keys: set[str] = set()
    here: list[str] = []
    key = ""
    for event, value in head_events(head):
        if event == "map_key":
            key = value
            if ".".join(here[1:]) == path:
                keys.add(value)
        elif event in _STARTS:
            if len(here) > MAX_DEPTH:
                break
            here.append(key[:64])
            key = "item"
        elif event in _ENDS:
            here.pop()
            key = "item"
    return keys


class _Walk:
    def __init__(self, events: Iterator[Event], wanted: frozenset[str], keep: Callable[[str], bool]) -> None:
        self._events = events
        self._keep = keep
        self._wanted = wanted
        self._inner = {"", *(path[:at] for path in wanted for at, char in enumerate(path) if char == ".")}

    def value(self, event: str, value: Any, path: str) -> Iterator[Record]:
        """What is wanted of the value that begins with this event."""
        if path in self._wanted:
            yield path, self._whole(event, path) if event in _STARTS else value
        elif event in _STARTS:
            if path not in self._inner:
                _skip(self._events)
            elif event == "start_map":
                yield path, BEGIN
                yield from self._object(path)
            else:
                yield from self._list(path)

    def _whole(self, event: str, path: str) -> object:
        if self._keep(path):
            return _built(event, self._events)
        _skip(self._events)
        return PASSED

    def _object(self, path: str) -> Iterator[Record]:
        before = f"{path}." if path else ""
        for event, key in self._events:
            if event == "end_map":
                return
            yield from self.value(*next(self._events), before + key)

    def _list(self, path: str) -> Iterator[Record]:
        item = f"{path}.item"
        for event, value in self._events:
            if event == "end_array":
                return
            yield from self.value(event, value, item)


def _skip(events: Iterator[Event]) -> None:
    depth = 1
    for event, _ in events:
        if event in _STARTS:
            depth += 1
        elif event in _ENDS:
            depth -= 1
            if depth == 0:
                return


def _built(first: str, events: Iterator[Event]) -> Any:
    """The whole value that began with an event."""
    current: Any = {} if first == "start_map" else []
    open_values = [current]
    key = ""
    for count, (event, value) in enumerate(events):
        if event == "map_key":
            key = value
            continue
        if event in _ENDS:
            closed = open_values.pop()
            if not open_values:
                return closed
            current = open_values[-1]
            continue
        made = {} if event == "start_map" else [] if event == "start_array" else value
        if type(current) is list:
            current.append(made)
        else:
            current[key] = made
        if event in _STARTS:
            open_values.append(made)
            current = made
            if len(open_values) > MAX_DEPTH:
                raise UnreadableExport(f"a value that is nested more than {MAX_DEPTH} deep")
        if count > MAX_VALUES:
            raise UnreadableExport(f"an entry of more than {MAX_VALUES:,} values")
    raise UnreadableExport("the JSON ends in the middle")
