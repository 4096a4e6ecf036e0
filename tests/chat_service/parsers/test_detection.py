"""The format is told from what is in a file, and its name decides nothing alone."""

import io
import json
from typing import Any

import pytest

from chat_service.parsers import (
    HEAD_BYTES,
    ChatFormat,
    OversizedExport,
    ParseOptions,
    UnreadableExport,
    detect,
    open_export,
)
from chat_service.parsers.media_kinds import kind_of_file_name
from chat_service.parsers.model import MessageKind
from tests.chat_service.parsers.test_exports import EXPORTS, FILES, content_of

F = ChatFormat
K = MessageKind


@pytest.mark.parametrize("name", sorted(set(FILES) - {"messenger"}))
@pytest.mark.parametrize("file_name", ["", "_chat.txt", "result.json", "WhatsApp Chat with Anna.zip"])
def test_a_file_is_told_by_its_content_whatever_it_is_called(name: str, file_name: str) -> None:
    expected = json.loads((EXPORTS / f"{name}.expected.json").read_text())["format"]

    assert detect(content_of(name)[:HEAD_BYTES], file_name).name == expected


@pytest.mark.parametrize(
    ("text", "chat_format"),
    [
        ("[2019-01-01, 11:25] Ola: hi\n", F.SIGNAL_TEXT),
        ("[2019-01-01 11:25:03] Me: hi  \n", F.SIGNAL_TEXT),
        ("[2019-01-01 11:25:03] Ola: ![a.jpg](./media/a.jpg)  \n", F.SIGNAL_TEXT),
        # An iPhone whose region writes the year first.
        ("[2019-01-01 11:25:03] Ola: hi\r\n", F.WHATSAPP_TEXT),
        ("[2019-01-01, 11:25:03] Ola: hi\r\n", F.WHATSAPP_TEXT),
        ("[2019-01-01, 11:25] Ola: \u200eimage omitted\n", F.WHATSAPP_TEXT),
        ("[01/01/19, 11:25:03] Me: hi\n", F.WHATSAPP_TEXT),
    ],
)
def test_signal_and_whatsapp_are_told_apart(text: str, chat_format: ChatFormat) -> None:
    assert detect(text.encode()) is chat_format


@pytest.mark.parametrize(
    ("content", "chat_format"),
    [
        # The keys come in any order, and a beginning may end anywhere.
        ({"messages": [{"from": "A", "date_unixtime": "1", "text": "x"}], "name": "x"}, F.TELEGRAM_JSON),
        ({"name": "x", "type": "personal_chat", "id": 1, "messages": []}, F.TELEGRAM_JSON),
        ({"about": "", "chats": {"list": []}}, F.TELEGRAM_JSON),
        ({"personal_information": {}, "contacts": {"list": ["x" * 70_000]}, "chats": {}}, F.TELEGRAM_JSON),
        ({"messages": [{"sender_name": "A", "timestamp_ms": 1}]}, F.MESSENGER_JSON),
        ({"messages": [{"senderName": "A", "timestamp": 1}]}, F.MESSENGER_JSON),
        ({"messages": [{"timestamp": "x", "author": {}, "content": "x"}]}, F.DISCORD_JSON),
        ({"guild": {}, "channel": {}, "messages": []}, F.DISCORD_JSON),
    ],
)
def test_json_is_told_by_its_keys(content: dict[str, object], chat_format: ChatFormat) -> None:
    for spaces in (None, 2):
        assert detect(json.dumps(content, indent=spaces).encode()[:HEAD_BYTES]) is chat_format


def test_the_name_decides_only_between_meta_s_two() -> None:
    head = b'{"messages": [{"sender_name": "A", "timestamp_ms": 1}]}'

    assert detect(head, "instagram-anna-2024.zip/message_1.json") is F.INSTAGRAM_JSON
    with pytest.raises(UnreadableExport):
        detect(b'{"a": 1}', "instagram-anna-2024.json")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"%PDF-1.7", b"[1, 2]", b'"a"', b"5"])
def test_what_is_no_export_is_refused_with_what_is(content: bytes) -> None:
    with pytest.raises(UnreadableExport, match=r"expected lines such as|bytes that are not"):
        open_export(io.BytesIO(content), ParseOptions())


@pytest.mark.parametrize("content", [b"", b"# Holdfast\n\nCoins, and what they buy.\n"])
def test_text_that_is_no_export_is_refused_with_all_that_could_be_read(content: bytes) -> None:
    with pytest.raises(UnreadableExport, match=r"expected lines such as.*or the JSON export of Telegram, "):
        open_export(io.BytesIO(content), ParseOptions())
    # but whoever says what it is hears of that alone
    with pytest.raises(UnreadableExport, match=r"expected lines such as[^;]*$"):
        open_export(io.BytesIO(content), ParseOptions(), F.WHATSAPP_TEXT)


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>\n<html>", b"\xef\xbb\xbf <HTML lang='en'>"])
def test_a_page_is_refused_with_advice(content: bytes) -> None:
    with pytest.raises(UnreadableExport, match="an HTML page; export it again, and choose the format JSON"):
        open_export(io.BytesIO(content), ParseOptions())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", K.IMAGE),
        ("a.heic", K.IMAGE),
        ("a.mp4", K.VIDEO),
        ("a.mov", K.VIDEO),
        ("voice.opus", K.AUDIO),
        ("song.mp3", K.AUDIO),
        ("a.gif", K.GIF),
        ("anna.vcf", K.CONTACT),
        ("a.pdf", K.DOCUMENT),
        ("a.tar.gz", K.DOCUMENT),
        ("", K.DOCUMENT),
        ("jpg/readme", K.DOCUMENT),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_ending(name: str, kind: MessageKind) -> None:
    assert kind_of_file_name(name) is kind


# Limits of Signal's text; what it shares with WhatsApp's is tested there.

LINE = "[2019-01-01, 11:25] Ola: hi\n"


def read_signal(text: str, **limits: Any) -> list[str]:
    export = open_export(io.BytesIO(text.encode()), ParseOptions(**limits), F.SIGNAL_TEXT)
    return [message.body for message in export]


def test_a_signal_chat_has_limits() -> None:
    assert len(read_signal(LINE * 3, max_messages=3)) == 3
    with pytest.raises(OversizedExport, match="more than 3 messages"):
        read_signal(LINE * 4, max_messages=3)
    for rest in ("y\n" * 60, "y\n" * 60 + LINE, "y\n" * 100_000 + LINE):
        with pytest.raises(UnreadableExport, match="line 3: the message is longer than 100 characters"):
            read_signal(LINE * 2 + LINE + rest, max_message_chars=100)
    assert read_signal(LINE + LINE.replace("Ola", "x" * 1_025)) == ["hi"]


def test_a_signal_message_without_an_end_is_refused_before_it_is_all_in_memory() -> None:
    file = io.BytesIO((LINE + "y\n" * 2_000_000).encode())
    with pytest.raises(UnreadableExport):
        list(open_export(file, ParseOptions(max_message_chars=1_000), F.SIGNAL_TEXT))

    assert file.tell() < 500_000


def test_a_long_signal_chat_is_read_in_full_across_blocks() -> None:
    text = "".join(f"[2019-01-01, 11:25] Ola: number {n}\nand {n}\n" for n in range(9_000))

    assert read_signal("preface\n" + text) == [f"number {n}\nand {n}" for n in range(9_000)]
