"""An upload's multipart body, parsed as it comes: the fields before the file, then the file piece by piece.

Nothing is collected but the small fields: the file's bytes of one network read are handed on
before the next one is made.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.errors import FieldRefused, FileTooLarge

if TYPE_CHECKING:  # the class exists for type checkers only
    from python_multipart.multipart import MultipartCallbacks

FILE_PART = "file"

MAX_FIELD_BYTES = 4_096


class Upload:
    """One multipart body. First `read_fields`, then iterate `chunks` to the end."""

    def __init__(
        self, content_type: str, body: AsyncIterator[bytes], fields: frozenset[str], max_file_bytes: int
    ) -> None:
        """Take the request's content type and body, the fields that may come, and the limit of the file.

        Raises `FieldRefused` when the body is no multipart form.
        """
        self._body = body
        self._parts = _Parts(fields)
        self._max_file_bytes = max_file_bytes
        self._parser = self._make_parser(content_type)

    @property
    def fields(self) -> dict[str, str]:
        """The values of the fields that came."""
        return self._parts.values

    @property
    def file_name(self) -> str:
        """The file's name without folders; empty before `read_fields`."""
        return self._parts.file_name

    async def read_fields(self) -> None:
        """Read up to the start of the file. Raises `FieldRefused` when there is none."""
        while not self._parts.file_name:
            if not await self._feed():
                raise FieldRefused(FILE_PART, "is required: one part with a file name")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate the file's bytes.

        Ends only when the whole form was well-formed; else raises `FieldRefused` or `FileTooLarge`.
        """
        size = 0
        more = True
        while more:
            data = self._parts.take_file()
            size += len(data)
            if size > self._max_file_bytes:
                raise FileTooLarge(self._max_file_bytes)
            if data:
                yield data
            more = await self._feed()
        if not self._parts.ended:
            raise FieldRefused("body", "ends before the multipart form does")

    async def _feed(self) -> bool:
        """Parse the next piece of the body; False after the last."""
        piece = await anext(self._body, b"")
        try:
            self._parser.write(piece)
        except FormParserError:
            raise FieldRefused("body", "is not a well-formed multipart form") from None
        return bool(piece)

    def _make_parser(self, content_type: str) -> MultipartParser:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise FieldRefused("body", "must be multipart/form-data with a boundary")
        try:
            return MultipartParser(boundary, self._parts.callbacks())
        except FormParserError:
            raise FieldRefused("body", "has a multipart boundary that is too long") from None


class _Parts:
    """What the parser found; its callbacks are called while a piece is parsed."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self.values: dict[str, str] = {}
        self.file_name = ""
        self.ended = False
        self._allowed = allowed
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._field: str | None = None
        self._field_data = bytearray()
        self._in_file = False
        self._file_data: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value_part,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def take_file(self) -> bytes:
        """Answer the file's bytes since the last call, in one piece: the parser splits at every line end."""
        data = b"".join(self._file_data)
        self._file_data.clear()
        return data

    def _part_begin(self) -> None:
        self._disposition = b""
        self._field = None
        self._field_data.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = _text(options.get(b"name", b""), "body")
        if name == FILE_PART:
            self._begin_file(options.get(b"filename", b""))
        elif name in self._allowed:
            self._begin_field(name)
        else:
            self._refuse(name)

    def _refuse(self, name: str) -> None:
        # To ignore it would hide a misspelt name from its sender: the chat would be there, without the value.
        if not name:
            raise FieldRefused("body", "has a part without a name")
        fields = ", ".join([*sorted(self._allowed), FILE_PART])
        raise FieldRefused(name, f"is no field of this form, which has {fields}")

    def _begin_file(self, file_name: bytes) -> None:
        if self.file_name:
            raise FieldRefused(FILE_PART, "must come once")
        # Browsers and scripts may send folders along; only the last part is a name.
        name = _text(file_name, FILE_PART).replace("\\", "/").rpartition("/")[2]
        if not name:
            raise FieldRefused(FILE_PART, "must have a file name")
        self.file_name = name
        self._in_file = True

    def _begin_field(self, name: str) -> None:
        if self.file_name:
            raise FieldRefused(name, "must come before the file")
        if name in self.values:
            raise FieldRefused(name, "must come once")
        self._field = name

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._file_data.append(data[start:end])
        elif self._field is not None:
            self._field_data += data[start:end]
            if len(self._field_data) > MAX_FIELD_BYTES:
                raise FieldRefused(self._field, f"must have at most {MAX_FIELD_BYTES} bytes")

    def _part_end(self) -> None:
        self._in_file = False
        if self._field is not None:
            self.values[self._field] = _text(bytes(self._field_data), self._field)

    def _end(self) -> None:
        self.ended = True


def _text(value: bytes, field: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise FieldRefused(field, "must be UTF-8") from None
