"""Reads JSON as a stream of events, a block of the file at a time, so that no file is too big for memory."""

import codecs
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, BinaryIO, NoReturn

import ijson

from chat_service.parsers.errors import UnreadableExport

# "start_map", None or "string", "text" and the like, as ijson names them.
Event = tuple[str, Any]

BLOCK_BYTES = 64 * 1024
# The longest string that is kept in one piece: the longest message, each character escaped twice.
MAX_TOKEN_BYTES = 4 * 1024 * 1024
# UnicodeDecodeError among others, depending on the parser that ijson found on this machine.
_JSON_ERRORS = (ijson.JSONError, ValueError)


def json_events(file: BinaryIO) -> Iterator[Event]:
    """Yields the events of a file from its start; a byte order mark is passed over.

    Raises UnreadableExport with the line of what is no JSON, and for a string without an end.
    """
    return chain.from_iterable(_batches(file))


def head_events(head: bytes) -> list[Event]:
    """The events of the beginning of a file, as far as it is JSON."""
    events, parser = _parser()
    with suppress(*_JSON_ERRORS):
        parser.send(head.removeprefix(codecs.BOM_UTF8))
    return list(events)


def _parser() -> tuple[Any, Any]:
    """A list of events, and what fills it with those of the bytes that are sent to it.

    Numbers must come as what a machine holds. Otherwise ijson's C code makes a Python integer of any
    length, and one of more than 4,300 digits, which Python refuses, crashes the process (3.6.0).
    """
    events: Any = ijson.sendable_list()
    return events, ijson.basic_parse_coro(events, use_float=True)


def _batches(file: BinaryIO) -> Iterator[list[Event]]:
    events, parser = _parser()
    waiting = 0
    for start, block in _blocks(file):
        try:
            parser.send(block)
        except _JSON_ERRORS:
            _refuse(file, start)
        # A long string gives no event until it ends, and is kept whole until then.
        waiting = 0 if events else waiting + len(block)
        if waiting > MAX_TOKEN_BYTES:
            raise UnreadableExport(
                f"a text of more than {MAX_TOKEN_BYTES:,} bytes", line=_line_at(file, start)
            )
        yield list(events)
        events.clear()
    try:
        parser.close()
    except _JSON_ERRORS:
        end = "the JSON ends in the middle: the file was cut off"
        raise UnreadableExport(end, line=_line_at(file, None)) from None
    # A number that is the whole file ends only with it.
    yield list(events)


def _blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields the blocks of a file, and where in the file each begins; no byte order mark."""
    file.seek(0)
    block = file.read(BLOCK_BYTES)
    while len(block) < len(codecs.BOM_UTF8) and (more := file.read(BLOCK_BYTES)):
        block += more
    if not block:
        raise UnreadableExport("the file is empty", line=1)
    start = 0
    if block.startswith(codecs.BOM_UTF8):
        start = len(codecs.BOM_UTF8)
        block = block[start:] or file.read(BLOCK_BYTES)
    while block:
        yield start, block
        start += len(block)
        block = file.read(BLOCK_BYTES)


def _refuse(file: BinaryIO, failed: int) -> NoReturn:
    """Finds the line that is wrong within the block at `failed`, by reading the file again up to it.

    A line at a time and not a byte: the C code looks at an unfinished token from its start whenever
    it is given more of it, and no token goes beyond its line.
    """
    events, parser = _parser()
    line = 1
    for start, block in _blocks(file):
        pieces = [block] if start != failed else block.splitlines(keepends=True)
        for piece in pieces:
            try:
                parser.send(piece)
            except _JSON_ERRORS:
                raise UnreadableExport("this is not valid JSON from here on", line=line) from None
            line += piece.count(b"\n")
        events.clear()
    raise UnreadableExport("this is not valid JSON", line=line)


def _line_at(file: BinaryIO, position: int | None) -> int:
    """The line of the file, from 1, that the byte at a position stands in; None: the last byte."""
    line = 1
    for start, block in _blocks(file):
        if start == position:
            break
        line += block.count(b"\n")
    return line
