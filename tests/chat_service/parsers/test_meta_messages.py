"""What of a Messenger or Instagram message somebody wrote, and what the platform wrote in its place."""

from typing import Any

import pytest

from chat_service.parsers import MessageKind, ParsedMessage
from tests.chat_service.parsers.test_exports import read_export
from tests.chat_service.parsers.test_json_exports import meta

K = MessageKind
LINK = {"share": {"link": "https://example.org"}}
PHOTO = {"photos": [{"uri": "a/b.jpg"}]}


def message(content: str, author: str = "Anna Berg", **more: Any) -> ParsedMessage:
    return read_export(meta({"sender_name": author, "timestamp_ms": 1, "content": content, **more}))[0][0]


@pytest.mark.parametrize(
    "content",
    [
        "Anna Berg named the group Family.",
        "Anna Berg hat die Gruppe verlassen.",
        "Anna Berg がグループを退出しました。",
        "You named the group Family.",
        "Liked a message",
        "Reacted 😂 to your message",
    ],
)
def test_what_the_platform_wrote_has_no_author(content: str) -> None:
    read = message(content)

    assert (read.author, read.kind) == (None, K.SYSTEM)
    assert content in read.body


@pytest.mark.parametrize(
    ("content", "author"),
    [
        ("Anna Berg is who I am", "Anna Berg"),
        ("Anna named her price.", "Anna"),
        ("You are late.", "Anna"),
        ("You named it", "Anna"),
        ("I liked a message", "Anna"),
        ("We reacted to your message", "Anna"),
        ("I sent a photo.", "Anna"),
    ],
)
def test_what_somebody_wrote_is_theirs(content: str, author: str) -> None:
    read = message(content, author)

    assert (read.author, read.kind, read.body) == (author, K.TEXT, content)


@pytest.mark.parametrize(
    ("content", "more", "kind", "body"),
    [
        # Placeholders go, whoever they are about and in whatever language
        ("Anna Berg sent an attachment.", LINK, K.TEXT, "https://example.org"),
        ("Anna Berg hat einen Anhang gesendet.", LINK, K.TEXT, "https://example.org"),
        ("You sent 2 photos.", PHOTO, K.IMAGE, ""),
        # and say that something was there where it is not in the export.
        ("Anna Berg sent a video.", {}, K.OTHER, ""),
        # Captions stay.
        ("I sent a letter", PHOTO, K.IMAGE, "I sent a letter"),
        ("You look great.", PHOTO, K.IMAGE, "You look great."),
        ("look https://example.org", LINK, K.TEXT, "look https://example.org"),
        (
            "look",
            {"share": {"link": "https://x.org", "share_text": "Cats"}},
            K.TEXT,
            "look\nCats\nhttps://x.org",
        ),
    ],
)
def test_placeholders_of_attachments_go_and_captions_stay(
    content: str, more: dict[str, Any], kind: MessageKind, body: str
) -> None:
    read = message(content, **more)

    assert (read.author, read.kind, read.body) == ("Anna Berg", kind, body)


@pytest.mark.parametrize(
    ("more", "kind", "name"),
    [
        (PHOTO, K.IMAGE, "b.jpg"),
        ({"videos": [{"uri": "v.mp4"}]}, K.VIDEO, "v.mp4"),
        ({"audio_files": [{"uri": "a.mp4"}]}, K.AUDIO, "a.mp4"),
        ({"gifs": [{"uri": "g.gif"}]}, K.GIF, "g.gif"),
        ({"files": [{"uri": "f/gr\u00c3\u00bcn.pdf"}]}, K.DOCUMENT, "grün.pdf"),
        ({"sticker": {"uri": "s.png"}}, K.STICKER, "s.png"),
        ({"photos": [{"uri": f"{n}.jpg"} for n in range(400)]}, K.IMAGE, "0.jpg, 1.jpg, "),
        ({"photos": []}, K.TEXT, ""),
        ({"call_duration": 5}, K.CALL, ""),
        ({"type": "Call"}, K.CALL, ""),
        ({"type": "Subscribe"}, K.SYSTEM, ""),
    ],
)
def test_the_kind_is_that_of_the_attachment(more: dict[str, Any], kind: MessageKind, name: str) -> None:
    read = message("x", **more)

    assert read.kind is kind
    assert read.attachment_name.startswith(name)
    assert len(read.attachment_name) <= 1_024


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Gr\u00c3\u00bc\u00c3\u009fe \u00f0\u009f\u0098\u0080", "Grüße 😀"),
        # What is no UTF-8 in disguise stays: texts of before, and halves of characters.
        ("Grüße", "Grüße"),
        ("日本", "日本"),
        ("\u00f0\u009f", "\u00f0\u009f"),
        ("\u00c3\u00bc\u0000", "ü\ufffd"),
    ],
)
def test_escapes_are_undone_where_there_are_any(written: str, read: str) -> None:
    assert message(written).body == read
    assert message("x", written).author == read
