"""Decodes a binary file into blocks of whole lines, so that no more than a block is ever in memory."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from chat_service.parsers.errors import UnreadableExport

# Small enough to stay in a core's cache, large enough that the cost a block does not matter.
BLOCK_BYTES = 128 * 1024
_LONGEST_BOM_BYTES = 3
_UTF_8 = "utf-8"
# The bytes of UTF-8 that go on with a character.
_GOING_ON = bytes(range(0x80, 0xC0))
_BOMS = (
    (codecs.BOM_UTF8, _UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_blocks(file: BinaryIO, max_line_chars: int, *, undecoded: bool = False) -> Iterator[str]:
    """Yields the text of a file from its start, block by block.

    A block is whole lines, each with a line feed before it and none after it; carriage returns before a
    line feed are dropped.

    Where `undecoded` is asked of a file of UTF-8, every character is one byte of it, and `decoded`
    gives the text: one emoji makes all of a decoded block four times as wide, and cutting it up slow.

    Raises UnreadableExport for bytes that are no UTF-8 (nor UTF-16 with a byte order mark), for NUL
    characters, and for an unfinished line that grows beyond `max_line_chars`.
    """
    chunks = _Chunks(file)
    rest = ""
    for text in chunks.decoded(undecoded=undecoded):
        text = rest + text
        end = text.rfind("\n")
        rest = text[end + 1 :]
        if len(rest) > max_line_chars and (not undecoded or _chars_of(rest) > max_line_chars):
            problem = f"the line is longer than {max_line_chars:,} characters"
            raise UnreadableExport(problem, line=chunks.line_at(chunks.read_bytes))
        if end >= 0:
            yield _feeds_first(text[: end + 1])[:-1]
    if rest:
        yield _feeds_first(rest)


def decoded(text: str) -> str:
    """What the characters of an undecoded text mean. Raises UnicodeDecodeError."""
    return text if text.isascii() else text.encode("latin-1").decode()


def bytes_that_are_no_text(undecoded: str, first_line: int) -> UnreadableExport:
    """The error for an undecoded text with a line feed before each line that `decoded` refuses."""
    raw = undecoded.encode("latin-1")
    try:
        raw.decode()
        before = 0
    except UnicodeDecodeError as error:
        before = raw.count(b"\n", 0, error.start)
    return UnreadableExport("bytes that are not UTF-8 text", line=first_line + max(0, before - 1))


def is_utf_8(file: BinaryIO) -> bool:
    """Whether a file is read as UTF-8."""
    file.seek(0)
    return _encoding(_first_chunk(file))[0] == _UTF_8


def _chars_of(undecoded: str) -> int:
    """How many characters the bytes are: all but those that go on with one."""
    return len(undecoded.encode("latin-1").translate(None, delete=_GOING_ON))


def decode_head(head: bytes) -> str | None:
    """The beginning of a file as text, or None when it is no text. What is cut off at its end is left out."""
    encoding, bom = _encoding(head)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head[len(bom) :])
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else _feeds_first(text)


def _feeds_first(text: str) -> str:
    # Not replaced but split and joined, which takes two thirds of the time.
    return "\n" + ("\n".join(text.split("\r\n")) if "\r" in text else text)


class _Chunks:
    """A file that is read from its start, chunk by chunk.

    Lines are counted only when something is wrong with one, by reading the file once more: in a good file
    counting would take as long as all the rest of this.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Go to the start of the file, and read as much as tells how it is encoded."""
        self._file = file
        file.seek(0)
        self._first = _first_chunk(file)
        self._encoding, self._bom = _encoding(self._first)
        self.read_bytes = len(self._first)

    def decoded(self, *, undecoded: bool) -> Iterator[str]:
        """Yields the text of the chunks, without the byte order mark."""
        decoder = codecs.getincrementaldecoder("latin-1" if undecoded else self._encoding)()
        chunk = self._first[len(self._bom) :]
        while True:
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                line = self.line_at(self.read_bytes - len(error.object) + error.start)
                raise UnreadableExport(
                    f"bytes that are not {self._encoding.upper()} text", line=line
                ) from error
            if "\0" in text:
                line = self.line_at(self.read_bytes - len(chunk)) + text.count("\n", 0, text.index("\0"))
                raise UnreadableExport("a NUL character: this is no text file", line=line)
            if text:
                yield text
            if not chunk:
                return
            chunk = self._file.read(BLOCK_BYTES)
            self.read_bytes += len(chunk)

    def line_at(self, offset: int) -> int:
        """The number of the line that a byte of the file lies in; nothing can be read on after that."""
        self._file.seek(0)
        decoder = codecs.getincrementaldecoder(self._encoding)("ignore")
        line = 1
        while offset > 0 and (chunk := self._file.read(BLOCK_BYTES)):
            line += decoder.decode(chunk[:offset]).count("\n")
            offset -= len(chunk)
        return line


def _first_chunk(file: BinaryIO) -> bytes:
    """Reads until something is behind the byte order mark: a raw file may give a byte at a time."""
    first = b""
    while len(first) <= _LONGEST_BOM_BYTES and (chunk := file.read(BLOCK_BYTES)):
        first += chunk
    return first


def _encoding(head: bytes) -> tuple[str, bytes]:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding, bom
    return _UTF_8, b""
