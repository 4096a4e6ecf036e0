"""Reads files out of a ZIP archive without unpacking it, and refuses archives that are made to do harm.

Nothing is written anywhere, so that the names in an archive can name what they like. Archives within
an archive are not opened.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, BinaryIO

from chat_service.parsers.errors import EncryptedExport, OversizedExport, UnreadableExport
from chat_service.parsers.model import ExportPart, ParseOptions

MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

_LOCAL_HEADER_BYTES = 30
# A central directory has 46 bytes and a name for each entry; a name may have a few extra fields.
_DIRECTORY_BYTES_AN_ENTRY = 400
# Smaller entries may be packed as well as they like: what they unpack to is nothing.
_RATIO_FROM_BYTES = 1 << 20
# Encrypted, strongly encrypted, and with an encrypted directory.
_ENCRYPTED = 0x1 | 0x40 | 0x2000
# bzip2 and LZMA, which Python also reads, unpack all that they are given at once.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    ValueError,
)
_DAMAGED = "the ZIP archive is damaged or was cut off"


class Archive:
    """The entries of an archive that is safe to read."""

    def __init__(self, file: BinaryIO, options: ParseOptions) -> None:
        """Reads the list of entries.

        Raises EncryptedExport, OversizedExport for too many entries, too many bytes or packing that
        no honest file allows, and UnreadableExport for entries that overlap and for damage.
        """
        file.seek(0)
        _refuse_encrypted(file.read(_LOCAL_HEADER_BYTES))
        bounded: Any = _BoundedReads(file, options.max_archive_entries * _DIRECTORY_BYTES_AN_ENTRY)
        try:
            self._archive = zipfile.ZipFile(bounded)
        except _BROKEN:
            raise UnreadableExport(_DAMAGED) from None
        self._entries = [entry for entry in self._archive.infolist() if not entry.filename.endswith("/")]
        _refuse_large(self._archive.infolist(), options)
        if any(entry.flag_bits & _ENCRYPTED for entry in self._entries):
            raise EncryptedExport("this is an encrypted ZIP archive")
        _refuse_overlaps(self._archive.infolist(), self._archive.start_dir)

    def parts(self) -> Iterator[ExportPart]:
        """The files in the order of the archive, each ready to be read.

        Raises UnreadableExport where two have one name.
        """
        seen: set[str] = set()
        for entry in self._entries:
            if entry.filename in seen:
                raise UnreadableExport(f"the ZIP archive holds {_shown(entry.filename)} twice")
            seen.add(entry.filename)
            file: Any = _Member(self._archive, entry)
            yield ExportPart(entry.filename.replace("\\", "/"), file)


class _BoundedReads:
    """A file that gives no more than so many bytes at once.

    zipfile reads the whole directory at once and trusts the archive about its size: a file of
    64 MB that is nothing but directory would become some gigabyte of objects.
    """

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max(max_bytes, 1 << 17)
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        """Reads as the file does."""
        if size > self._max_bytes:
            raise OversizedExport("bytes in its directory", size=size, limit=self._max_bytes)
        return self._file.read(size)

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return True

    def close(self) -> None:
        """Leaves the file open: it belongs to the caller."""


def _refuse_large(entries: Sequence[zipfile.ZipInfo], options: ParseOptions) -> None:
    if len(entries) > options.max_archive_entries:
        raise OversizedExport("entries", size=len(entries), limit=options.max_archive_entries)
    total = sum(entry.file_size for entry in entries)
    if total > options.max_unpacked_bytes:
        raise OversizedExport("bytes unpacked", size=total, limit=options.max_unpacked_bytes)
    for entry in entries:
        ratio = entry.file_size // max(entry.compress_size, 1)
        if entry.file_size >= _RATIO_FROM_BYTES and ratio > options.max_archive_ratio:
            raise OversizedExport("times its packed size", size=ratio, limit=options.max_archive_ratio)


def _refuse_encrypted(local_header: bytes) -> None:
    """Looks at what stands before an entry itself: it may say other than the directory does."""
    flags = int.from_bytes(local_header[6:8], "little")
    if local_header.startswith(MAGIC[0]) and flags & _ENCRYPTED:
        raise EncryptedExport("this is an encrypted ZIP archive")


def _refuse_overlaps(entries: Sequence[zipfile.ZipInfo], directory: int) -> None:
    """Refuses entries that share bytes, by which a small archive can unpack to petabytes.

    Python looks for them itself only since 3.11.8. Names are counted as written: what
    follows is at least as long.
    """
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    ends = [*(entry.header_offset for entry in ordered), directory]
    for entry, (start, end) in zip(ordered, pairwise(ends), strict=True):
        name_bytes = len(
            entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "replace")
        )
        if start + _LOCAL_HEADER_BYTES + name_bytes + entry.compress_size > end:
            raise UnreadableExport(f"entries of the ZIP archive overlap at {_shown(entry.filename)}")


def _shown(name: str) -> str:
    return repr(name[-80:])


class _Member(io.RawIOBase):
    """One entry as a file that can be read from its start as often as needed.

    Raises UnreadableExport where the archive turns out to be damaged, or to hold more or less than
    its directory says.
    """

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        self._archive = archive
        self._entry = entry
        self._open: Any = None
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes back to the start, the only place that parsers go to; what unpacks is let go until then."""
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("a file in an archive can only be read from its start")
        self._open = None
        self._position = 0
        return 0

    def read(self, size: int = -1) -> bytes:
        """Reads up to so many bytes; a negative size reads all, which the limits have bounded."""
        if self._open is None:
            self._reopen()
        try:
            data: bytes = self._open.read(self._entry.file_size if size is None or size < 0 else size)
        except _BROKEN:
            raise UnreadableExport(f"{_DAMAGED} at {_shown(self._entry.filename)}") from None
        self._position += len(data)
        if not data and size and self._position != self._entry.file_size:
            raise UnreadableExport(f"{_DAMAGED} at {_shown(self._entry.filename)}")
        return data

    def _reopen(self) -> None:
        if self._entry.compress_type not in _METHODS:
            name = _shown(self._entry.filename)
            raise UnreadableExport(f"{name} is packed in a way that is not read; deflate is the usual one")
        source: Any = self._archive.fp
        try:
            source.seek(self._entry.header_offset)
            _refuse_encrypted(source.read(_LOCAL_HEADER_BYTES))
            self._open = self._archive.open(self._entry)
        except _BROKEN:
            raise UnreadableExport(f"{_DAMAGED} at {_shown(self._entry.filename)}") from None
