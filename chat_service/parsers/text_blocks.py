"""Decodes a binary file into blocks of whole lines, so that no more than a block is ever in memory."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from chat_service.parsers.errors import UnreadableExport

# Small enough to stay in a core's cache, large enough that the cost a block does not matter.
BLOCK_BYTES = 128 * 1024
_LONGEST_BOM_BYTES = 3
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class TextBlock(NamedTuple):
    """Whole lines, each with a line feed before it and none after it; `first_line` counts from 1."""

    first_line: int
    text: str


def text_blocks(file: BinaryIO, max_line_chars: int) -> Iterator[TextBlock]:
    """Yields the text of a file from its start; carriage returns before a line feed are dropped.

    Raises UnreadableExport for bytes that are no UTF-8 (nor UTF-16 with a byte order mark), for NUL
    characters, and for an unfinished line that grows beyond `max_line_chars`.
    """
    file.seek(0)
    line = 1
    rest = ""
    for text in _decoded(file):
        text = rest + text
        end = text.rfind("\n")
        rest = text[end + 1 :]
        if len(rest) > max_line_chars:
            at = line + text.count("\n")
            raise UnreadableExport(f"the line is longer than {max_line_chars:,} characters", line=at)
        if end >= 0:
            block = TextBlock(line, _feeds_first(text[: end + 1])[:-1])
            line += block.text.count("\n")
            yield block
    if rest:
        yield TextBlock(line, _feeds_first(rest))


def decode_head(head: bytes) -> str | None:
    """The beginning of a file as text, or None when it is no text. What is cut off at its end is left out."""
    encoding, bom = _encoding(head)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[len(bom) :])
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else _feeds_first(text)


def _feeds_first(text: str) -> str:
    return "\n" + (text.replace("\r\n", "\n") if "\r" in text else text)


def _decoded(file: BinaryIO) -> Iterator[str]:
    """Yields the text chunk by chunk, without the byte order mark."""
    chunk = _first_chunk(file)
    encoding, bom = _encoding(chunk)
    decoder = codecs.getincrementaldecoder(encoding)()
    chunk = chunk[len(bom) :]
    line = 1
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding, "ignore").count("\n")
            raise UnreadableExport(f"bytes that are not {encoding.upper()} text", line=line) from error
        if "\0" in text:
            line += text.count("\n", 0, text.index("\0"))
            raise UnreadableExport("a NUL character: this is no text file", line=line)
        line += text.count("\n")
        if text:
            yield text
        if not chunk:
            return
        chunk = file.read(BLOCK_BYTES)


def _first_chunk(file: BinaryIO) -> bytes:
    """Reads until the byte order mark must be complete: a raw file may give a byte at a time."""
    first = b""
    while len(first) < _LONGEST_BOM_BYTES and (chunk := file.read(BLOCK_BYTES)):
        first += chunk
    return first


def _encoding(head: bytes) -> tuple[str, bytes]:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, bom
    return "utf-8", b""
