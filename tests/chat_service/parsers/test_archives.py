"""Exports in ZIP archives: the chat is found, and archives made to do harm are refused."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping

import pytest

from chat_service.parsers import (
    ChatFormat,
    EncryptedExport,
    OversizedExport,
    ParsedMessage,
    ParseOptions,
    SeveralChats,
    UnreadableExport,
    archive_chats,
    open_export,
    telegram_json,
)
from tests.chat_service.parsers.test_exports import EXPORTS, content_of, packed

TEXT = b"25.03.22, 13:31 - Anna: Hello\n25.03.22, 13:32 - Bert: Hi\n"
OTHER_TEXT = b"26.03.22, 13:31 - Cora: Bonjour\n"
IOS = b"[25.03.22, 13:31:05] Anna: Hello\r\n"
PHOTO = bytes(range(256)) * 40


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed_files = io.BytesIO()
    with zipfile.ZipFile(packed_files, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return packed_files.getvalue()


def read_archive(
    content: bytes, chat_format: ChatFormat | None = None, file_name: str = "x.zip", **options: object
) -> list[ParsedMessage]:
    given = ParseOptions(**options)  # type: ignore[arg-type]
    return list(open_export(io.BytesIO(content), given, chat_format, file_name))


def bodies(messages: list[ParsedMessage]) -> list[str]:
    return [message.body for message in messages]


@pytest.mark.parametrize(
    "files",
    [
        {"_chat.txt": IOS},
        {"_chat.txt": IOS, "00000002-PHOTO-2022-03-25-13-31-05.jpg": PHOTO},
        {"WhatsApp Chat with Anna.txt": IOS, "IMG-20220325-WA0001.jpg": PHOTO, "notes.txt": OTHER_TEXT},
        {"Чат WhatsApp с Анной.txt": IOS, "a.vcf": b"BEGIN:VCARD"},
        {"与小明的 WhatsApp 聊天.txt": IOS},
        # An exported chat that was sent as a document is an attachment.
        {"WhatsApp Chat with Bob.txt": OTHER_TEXT, "_chat.txt": IOS},
        # Whatever it is called, when nothing else is a chat; and so are folders and copies of macOS.
        {"export/anna.txt": IOS, "export/readme.txt": b"see you\n", "__MACOSX/export/._anna.txt": IOS},
        {"chat.txt": b"not one\n", "other.txt": IOS},
    ],
)
def test_the_chat_is_found_among_its_attachments(files: dict[str, bytes]) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert bodies(read_archive(archive(files, method))) == ["Hello"]


def test_names_that_lead_out_of_the_archive_do_no_harm() -> None:
    files = {"../../etc/_chat.txt": IOS, "/etc/passwd": b"root", "C:\\Windows\\x.txt": b"x"}

    assert bodies(read_archive(archive(files))) == ["Hello"]


def test_an_archive_in_an_archive_is_not_opened() -> None:
    inner = archive({"_chat.txt": OTHER_TEXT})

    assert bodies(read_archive(archive({"inner.zip": inner, "_chat.txt": IOS}))) == ["Hello"]
    with pytest.raises(UnreadableExport, match="holds no text or JSON that is a chat"):
        read_archive(archive({"inner.zip": inner}))


@pytest.mark.parametrize("name", ["telegram_chat", "discord", "messenger_encrypted", "signal_new"])
def test_other_formats_are_found_by_their_content(name: str) -> None:
    alone = list(open_export(io.BytesIO(content_of(name)), ParseOptions()))
    file_name = (
        "result.json" if name == "telegram_chat" else f"some/{name}.md" if "signal" in name else "a.json"
    )

    assert read_archive(archive({file_name: content_of(name), "photos/a.jpg": PHOTO})) == alone


def test_meta_s_service_is_told_by_the_folders_where_the_file_does_not() -> None:
    thread = packed(EXPORTS / "messenger", "your_instagram_activity/messages/inbox/renee_1/")
    export = open_export(io.BytesIO(thread), ParseOptions(), file_name="meta.zip")
    assert export.report.format is ChatFormat.INSTAGRAM_JSON

    chosen = open_export(io.BytesIO(thread), ParseOptions(), ChatFormat.MESSENGER_JSON, "meta.zip")
    assert chosen.report.format is ChatFormat.MESSENGER_JSON


def threads() -> bytes:
    anna, bert = content_of("messenger_encrypted"), content_of("instagram")
    return archive(
        {"inbox/a_1/message_1.json": anna, "inbox/b_2/message_1.json": bert, "autofill.json": b"{}"}
    )


def test_several_chats_are_listed_and_one_of_them_is_chosen() -> None:
    with pytest.raises(SeveralChats, match="holds 2 chats; choose one by its id or name") as raised:
        read_archive(threads())
    assert [(chat.id, chat.name) for chat in raised.value.chats] == [
        ("inbox/a_1", "Jana Nováková, Petr"),
        ("inbox/b_2", "mia.🌻, Luca"),
    ]

    assert len(read_archive(threads(), export_chat="inbox/b_2")) == 5
    assert len(read_archive(threads(), export_chat="Jana Nováková, Petr")) == 4
    with pytest.raises(SeveralChats, match="no chat of that id or name"):
        read_archive(threads(), export_chat="inbox/c_3")


@pytest.mark.parametrize(
    ("wanted", "offered"), [("MIA", ["mia.🌻, Luca"]), (", ", ["Jana Nováková, Petr", "mia.🌻, Luca"])]
)
def test_a_part_of_a_name_offers_the_chats_that_have_it(wanted: str, offered: list[str]) -> None:
    with pytest.raises(SeveralChats, match=f"no chat of that id or name; {len(offered)} have it") as raised:
        read_archive(threads(), export_chat=wanted)
    assert [chat.name for chat in raised.value.chats] == offered


def test_a_damaged_thread_does_not_keep_the_others_from_being_chosen() -> None:
    anna, damaged = (
        content_of("messenger_encrypted"),
        b'{"messages": [{"sender_name": "A", "timestamp_ms": 1}',
    )
    files = {"inbox/a_1/message_1.json": anna, "inbox/b_2/message_1.json": damaged}

    assert len(read_archive(archive(files), export_chat="inbox/a_1")) == 4
    with pytest.raises(UnreadableExport, match="cut off"):
        read_archive(archive(files), export_chat="inbox/b_2")


def test_an_archive_of_pages_is_refused_with_advice() -> None:
    with pytest.raises(UnreadableExport, match="it holds HTML: export it again, and choose the format JSON"):
        read_archive(archive({"messages/inbox/a_1/message_1.html": b"<html>"}))


def test_two_chats_that_are_named_alike_are_both_offered() -> None:
    files = {"WhatsApp Chat with Anna.txt": TEXT, "WhatsApp Chat with Bob.txt": OTHER_TEXT}
    with pytest.raises(SeveralChats):
        read_archive(archive(files))

    assert bodies(read_archive(archive(files), export_chat="WhatsApp Chat with Bob.txt")) == ["Bonjour"]


def test_an_account_in_an_archive_is_asked_for_its_chats() -> None:
    account = archive({"DataExport/result.json": (EXPORTS / "telegram_account.json").read_bytes()})
    with pytest.raises(SeveralChats, match="holds 3 chats"):
        read_archive(account)

    assert bodies(read_archive(account, export_chat="22")) == ["hi", "ho"]


def test_the_format_that_the_caller_gives_decides_what_is_a_chat() -> None:
    files = {"_chat.txt": IOS, "result.json": content_of("telegram_chat")}
    assert len(read_archive(archive(files))) == 12

    assert bodies(read_archive(archive(files), ChatFormat.WHATSAPP_TEXT)) == ["Hello"]
    with pytest.raises(UnreadableExport, match="this is not valid JSON"):
        read_archive(archive({"_chat.txt": IOS}), ChatFormat.TELEGRAM_JSON)


# What an archive may be made of to do harm.


def test_too_many_entries_are_refused() -> None:
    content = archive({f"{number}.jpg": b"" for number in range(11)} | {"_chat.txt": IOS})

    assert read_archive(content, max_archive_entries=12)
    with pytest.raises(OversizedExport) as raised:
        read_archive(content, max_archive_entries=11)
    assert (raised.value.unit, raised.value.size, raised.value.limit) == ("entries", 12, 11)


def test_too_many_bytes_are_refused_also_in_what_is_not_read() -> None:
    content = archive({"_chat.txt": IOS, "big.bin": bytes(5_000)})

    assert read_archive(content, max_unpacked_bytes=5_100)
    with pytest.raises(OversizedExport) as raised:
        read_archive(content, max_unpacked_bytes=5_000)
    assert (raised.value.unit, raised.value.limit) == ("bytes unpacked", 5_000)


def test_a_bomb_is_refused_by_how_well_it_is_packed() -> None:
    content = archive({"_chat.txt": IOS + b"0" * (3 << 20)})

    with pytest.raises(OversizedExport) as raised:
        read_archive(content)
    assert raised.value.unit == "times its packed size"
    assert raised.value.size > raised.value.limit == 250


def test_a_directory_that_is_nothing_but_directory_is_refused_before_it_is_read() -> None:
    content = archive({f"{number}": b"" for number in range(4_000)})
    tracemalloc.start()
    with pytest.raises(OversizedExport, match="bytes in its directory"):
        read_archive(content, max_archive_entries=10)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 1_000_000


def test_encrypted_archives_are_told_apart() -> None:
    content = bytearray(archive({"_chat.txt": IOS}))
    content[6] |= 1
    with pytest.raises(EncryptedExport):
        read_archive(bytes(content))

    in_directory = bytearray(archive({"a.jpg": PHOTO, "_chat.txt": IOS}))
    in_directory[in_directory.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(EncryptedExport):
        read_archive(bytes(in_directory))


def test_an_entry_that_only_its_own_header_calls_encrypted_is_too() -> None:
    content = bytearray(archive({"a.jpg": PHOTO, "_chat.txt": IOS}))
    content[content.rindex(b"PK\x03\x04") + 6] |= 1

    with pytest.raises(EncryptedExport):
        read_archive(bytes(content))


def overlapping(name: bytes = b"_chat.txt", count: int = 3) -> bytes:
    """Entries that all unpack the same bytes: full overlap, as in the quoted-overlap bombs but simpler."""
    data = zlib.compress(IOS)[2:-4]
    crc, sizes = zlib.crc32(IOS), struct.pack("<II", len(data), len(IOS))
    names = [name, *(b"%d.txt" % number for number in range(count - 1))]
    local = b"PK\x03\x04" + struct.pack("<HHHHHI", 20, 0, 8, 0, 33, crc) + sizes
    local += struct.pack("<HH", len(name), 0) + name + data
    directory = b"".join(
        b"PK\x01\x02"
        + struct.pack("<HHHHHHI", 20, 20, 0, 8, 0, 33, crc)
        + sizes
        + struct.pack("<HHHHHII", len(each), 0, 0, 0, 0, 0, 0)
        + each
        for each in names
    )
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(local), 0)
    return local + directory + b"PK\x05\x06" + end


def test_entries_that_overlap_are_refused() -> None:
    # Given that the archive is well-formed but for that
    assert bodies(read_archive(overlapping(count=1))) == ["Hello"]

    with pytest.raises(UnreadableExport, match="overlap"):
        read_archive(overlapping(count=2))


def test_an_entry_that_reaches_into_the_next_one_is_refused() -> None:
    content = bytearray(archive({"_chat.txt": IOS, "b.txt": b"b" * 50}, zipfile.ZIP_STORED))
    at = content.index(b"PK\x01\x02") + 20
    struct.pack_into("<II", content, at, len(IOS) + 60, len(IOS) + 60)

    with pytest.raises(UnreadableExport, match="overlap"):
        read_archive(bytes(content))


@pytest.mark.parametrize("claimed", [1, len(IOS) - 1, len(IOS) + 1, 1 << 20])
def test_an_entry_of_another_size_than_it_claims_is_refused(claimed: int) -> None:
    content = bytearray(archive({"_chat.txt": IOS}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, claimed)

    with pytest.raises(UnreadableExport, match="damaged"):
        read_archive(bytes(content), max_archive_ratio=10**9)


def test_an_archive_that_was_cut_off_is_refused() -> None:
    content = archive({"a.jpg": PHOTO, "_chat.txt": IOS})

    for end in range(4, len(content), 97):
        with pytest.raises(UnreadableExport):
            read_archive(content[:end])


def test_a_changed_byte_in_the_text_is_noticed() -> None:
    content = bytearray(archive({"_chat.txt": IOS}, zipfile.ZIP_STORED))
    content[content.index(b"Hello")] ^= 1

    with pytest.raises(UnreadableExport, match="damaged"):
        read_archive(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_cannot_be_bounded_is_refused(method: int) -> None:
    with pytest.raises(UnreadableExport, match="packed in a way that is not read"):
        read_archive(archive({"_chat.txt": IOS}, method))


def test_a_name_that_stands_twice_is_refused() -> None:
    packed_files = io.BytesIO()
    with zipfile.ZipFile(packed_files, "w") as file:
        file.writestr("_chat.txt", IOS)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("_chat.txt", OTHER_TEXT)

    with pytest.raises(UnreadableExport, match="twice"):
        read_archive(packed_files.getvalue())


def test_more_chats_than_anybody_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_chats, "MAX_CHATS", 2)
    files = {f"{number}/_chat.txt": IOS for number in range(3)}

    with pytest.raises(OversizedExport, match="more than 2 chats"):
        read_archive(archive(files))


def test_an_account_of_more_chats_than_anybody_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telegram_json, "MAX_CHATS", 2)

    with pytest.raises(OversizedExport, match="more than 2 chats"):
        read_archive(archive({"result.json": (EXPORTS / "telegram_account.json").read_bytes()}))
