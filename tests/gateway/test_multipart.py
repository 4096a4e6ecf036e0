"""The multipart parser: whatever the pieces, the same form; whatever the damage, a clear error."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import FieldRefused, FileTooLarge, Refused
from gateway.multipart import MAX_FIELD_BYTES, Upload
from gateway.uploads import FIELDS

_TYPE = "multipart/form-data; boundary=XX"
_FILE = b"12/03/24, 10:00 - A: one\r\n--X no boundary\r\n-\r\n--\r\n--X\r\n\xff\x00end"


def form(*parts: bytes, end: bytes = b"--XX--\r\n") -> bytes:
    """Answer a body of these parts."""
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + end


def field(name: str, value: bytes) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def file(content: bytes = _FILE, name: str = "chat.txt") -> bytes:
    disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return disposition.encode() + b"Content-Type: text/plain\r\n\r\n" + content


async def _pieces(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def read(
    pieces: Iterable[bytes], limit: int = 1 << 20, content_type: str = _TYPE
) -> tuple[dict[str, str], str, bytes]:
    """Answer the fields, the file name and the file of a body that comes in these pieces."""

    async def work() -> tuple[dict[str, str], str, bytes]:
        upload = Upload(content_type, _pieces(pieces), FIELDS, limit)
        await upload.read_fields()
        content = b"".join([chunk async for chunk in upload.chunks()])
        return upload.fields, upload.file_name, content

    return asyncio.run(work())


@settings(max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=1), st.binary(max_size=300))
def test_the_pieces_of_the_body_do_not_matter(sizes: list[int], content: bytes) -> None:
    # given a form cut anywhere
    body = form(field("display_name", "Zoë".encode()), file(content + _FILE), end=b"--XX--\r\nepilogue")
    pieces: list[bytes] = []
    start = 0
    while start < len(body):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body[start : start + size])
        start += size
    # then it is read the same
    assert read(pieces) == ({"display_name": "Zoë"}, "chat.txt", content + _FILE)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("chat.txt", "chat.txt"),
        ("../../etc/passwd", "passwd"),
        (r"C:\\chats\\x.txt", "x.txt"),
        ("Zoë.txt", "Zoë.txt"),
    ],
)
def test_a_file_name_has_no_folders(sent: str, name: str) -> None:
    assert read([form(file(name=sent))])[1] == name


@pytest.mark.parametrize("where", [0, 1, 2], ids=["first", "before the file", "after the file"])
def test_a_field_that_there_is_not_is_refused_with_those_that_there_are(where: int) -> None:
    parts = [field("time_zone", b"UTC"), file()]
    parts.insert(where, field("timezone", b"UTC"))
    with pytest.raises(FieldRefused) as refused:
        read([form(*parts)])
    assert refused.value.status_code == 422
    assert refused.value.details["field"] == "timezone"
    for name in (*FIELDS, "file"):
        assert name in refused.value.detail


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        pytest.param(b"", "file", id="empty"),
        pytest.param(b"no form", "body", id="no form"),
        pytest.param(form(), "file", id="no parts"),
        pytest.param(form(field("display_name", b"x")), "file", id="no file"),
        pytest.param(form(field("file", b"x")), "file", id="a file without a name"),
        pytest.param(form(file(name="")), "file", id="an empty file name"),
        pytest.param(form(file(name="folder/")), "file", id="a folder"),
        pytest.param(form(file(), file()), "file", id="two files"),
        pytest.param(form(file(), field("time_zone", b"UTC")), "time_zone", id="a field after the file"),
        pytest.param(form(field("format", b"a"), field("format", b"b"), file()), "format", id="twice"),
        pytest.param(form(field("format", b"x" * (MAX_FIELD_BYTES + 1)), file()), "format", id="long field"),
        pytest.param(form(field("display_name", b"\xff"), file()), "display_name", id="not UTF-8"),
        pytest.param(form(field("", b"x"), file()), "body", id="an empty name"),
        pytest.param(form(b"A: b\r\n\r\nx", file()), "body", id="no name"),
        pytest.param(form(file(), end=b""), "body", id="no closing boundary"),
        pytest.param(form(file())[:-20], "body", id="cut in the file"),
        pytest.param(b"--XX\r\n" + b"A: b\r\n" * 100 + b"\r\n", "body", id="many part headers"),
        pytest.param(b"--XX\r\nA: " + b"x" * 100_000, "body", id="a long part header"),
    ],
)
def test_a_damaged_form_names_what_is_wrong(body: bytes, wrong: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        read([body])
    assert (refused.value.status_code, refused.value.details["field"]) == (422, wrong)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain; boundary=XX",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(FieldRefused):
        read([form(file())], content_type=content_type)


def test_a_boundary_that_is_too_long_is_refused() -> None:
    with pytest.raises(FieldRefused):
        read([b""], content_type="multipart/form-data; boundary=" + "x" * 5_000)


def test_the_limit_counts_the_bytes_of_the_file() -> None:
    assert read([form(file(b"x" * 100))], limit=100)[2] == b"x" * 100
    with pytest.raises(FileTooLarge):
        read([form(file(b"x" * 101))], limit=100)


def test_too_large_is_said_before_the_rest_is_read() -> None:
    # given a body that would never end
    def endless() -> Iterable[bytes]:
        yield form(file(b""), end=b"")[:-2]
        while True:
            yield b"x" * 1_000

    # then the limit ends it
    with pytest.raises(Refused, match="larger"):
        read(endless(), limit=5_000)
