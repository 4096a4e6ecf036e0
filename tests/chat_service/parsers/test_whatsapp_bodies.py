"""What WhatsApp writes in place of words, in the languages that are listed and beyond."""

import pytest

from chat_service.parsers import MessageKind, ParsedMessage
from tests.chat_service.parsers.reading import messages_of

LRM = "\u200e"
K = MessageKind


def read_body(body: str) -> ParsedMessage:
    export = f"[25.03.22, 13:31:00] Anna: {body}\n[25.03.22, 13:32:00] Ben: ok\n"
    messages = messages_of(export.replace("\n", "\r\n"))
    assert [message.author for message in messages[1:]] == ["Ben"]
    return messages[0]


# The body, then kind, text and attachment that remain.
BODIES = [
    # Media left out by Android
    ("<Media omitted>", K.OTHER, "", ""),
    ("<Medien ausgeschlossen>", K.OTHER, "", ""),
    ("<Multimedia omitido>", K.OTHER, "", ""),
    ("<Médias omis>", K.OTHER, "", ""),
    ("<Media omessi>", K.OTHER, "", ""),
    ("<Mídia oculta>", K.OTHER, "", ""),
    ("<Media weggelaten>", K.OTHER, "", ""),
    ("<Без медиафайлов>", K.OTHER, "", ""),
    ("<Video note omitted>", K.VIDEO, "", ""),
    # Media left out by iOS
    (f"{LRM}image omitted", K.IMAGE, "", ""),
    (f"{LRM}Bild weggelassen", K.IMAGE, "", ""),
    (f"{LRM}imagen omitida", K.IMAGE, "", ""),
    (f"{LRM}image absente", K.IMAGE, "", ""),
    (f"{LRM}immagine omessa", K.IMAGE, "", ""),
    (f"{LRM}imagem ocultada", K.IMAGE, "", ""),
    (f"{LRM}afbeelding weggelaten", K.IMAGE, "", ""),
    (f"{LRM}изображение отсутствует", K.IMAGE, "", ""),
    (f"{LRM}video omitted", K.VIDEO, "", ""),
    (f"{LRM}audio omitted", K.AUDIO, "", ""),
    (f"{LRM}sticker omitted", K.STICKER, "", ""),
    (f"{LRM}GIF omitted", K.GIF, "", ""),
    ("GIF omitted", K.GIF, "", ""),
    (f"{LRM}Contact card omitted", K.CONTACT, "", ""),
    (f"Some.pdf • 3 pages {LRM}document omitted", K.DOCUMENT, "", "Some.pdf"),
    (f"at the sea {LRM}image omitted", K.IMAGE, "at the sea", ""),
    # Attachments
    (
        f"{LRM}<attached: 00000042-PHOTO-2020-06-07-15-13-20.jpg>",
        K.IMAGE,
        "",
        "00000042-PHOTO-2020-06-07-15-13-20.jpg",
    ),
    (
        f"{LRM}<Anhang: 00000043-AUDIO-2020-06-07-15-13-20.opus>",
        K.AUDIO,
        "",
        "00000043-AUDIO-2020-06-07-15-13-20.opus",
    ),
    (
        f"{LRM}<прикреплено: 00000044-STICKER-2020-06-07.webp>",
        K.STICKER,
        "",
        "00000044-STICKER-2020-06-07.webp",
    ),
    (
        f"{LRM}<załączono: 00000045-GIF-2020-06-07-15-13-20.mp4>",
        K.GIF,
        "",
        "00000045-GIF-2020-06-07-15-13-20.mp4",
    ),
    (f"our cat {LRM}<attached: 00000046-VIDEO-1.mp4>", K.VIDEO, "our cat", "00000046-VIDEO-1.mp4"),
    (f"Plan.docx • 2 pages {LRM}<attached: 00000047-Plan.docx>", K.DOCUMENT, "", "00000047-Plan.docx"),
    ("IMG-20210428-WA0001.jpg (file attached)", K.IMAGE, "", "IMG-20210428-WA0001.jpg"),
    ("IMG-20210428-WA0001.jpg (súbor pripojený)", K.IMAGE, "", "IMG-20210428-WA0001.jpg"),
    (
        f"{LRM}VID-20210428-WA0002.mp4 (Datei angehängt)\nthe\ncaption",
        K.VIDEO,
        "the\ncaption",
        "VID-20210428-WA0002.mp4",
    ),
    (f"{LRM}PTT-20210428-WA0003.opus (archivo adjunto)", K.AUDIO, "", "PTT-20210428-WA0003.opus"),
    (f"{LRM}STK-20210428-WA0004.webp (fichier joint)", K.STICKER, "", "STK-20210428-WA0004.webp"),
    ("Max & Co.vcf (file allegato)", K.CONTACT, "", "Max & Co.vcf"),
    ("tax 2021.pdf (arquivo anexado)", K.DOCUMENT, "", "tax 2021.pdf"),
    ("DOC-20210428-WA0005. (bestand bijgevoegd)", K.TEXT, "DOC-20210428-WA0005. (bestand bijgevoegd)", ""),
    ("2013-08-06-x.jpg <attached>", K.IMAGE, "", "2013-08-06-x.jpg"),
    # Deleted
    ("This message was deleted", K.DELETED, "", ""),
    (f"{LRM}You deleted this message.", K.DELETED, "", ""),
    (f"{LRM}Diese Nachricht wurde gelöscht.", K.DELETED, "", ""),
    ("Se eliminó este mensaje.", K.DELETED, "", ""),
    ("Ce message a été supprimé", K.DELETED, "", ""),
    ("Questo messaggio è stato eliminato", K.DELETED, "", ""),
    ("Mensagem apagada", K.DELETED, "", ""),
    ("Dit bericht is verwijderd", K.DELETED, "", ""),
    ("Данное сообщение удалено", K.DELETED, "", ""),
    (f"{LRM}This message was deleted by admin Max.", K.DELETED, "This message was deleted by admin Max.", ""),
    # Places, polls, calls
    (
        "location: https://maps.google.com/?q=52.52,-13.405",
        K.LOCATION,
        "location: https://maps.google.com/?q=52.52,-13.405",
        "",
    ),
    (
        f"{LRM}Standort: https://maps.google.com/?q=52.52,13.4",
        K.LOCATION,
        "Standort: https://maps.google.com/?q=52.52,13.4",
        "",
    ),
    ("live location shared", K.LOCATION, "live location shared", ""),
    (
        f"{LRM}POLL:\nPizza?\n{LRM}OPTION: yes (3 votes)",
        K.POLL,
        f"POLL:\nPizza?\n{LRM}OPTION: yes (3 votes)",
        "",
    ),
    (f"{LRM}Missed voice call", K.CALL, "Missed voice call", ""),
    (f"{LRM}Voice call. {LRM}2 min", K.CALL, f"Voice call. {LRM}2 min", ""),
    # What a person wrote stays as it is
    ("Video call", K.TEXT, "Video call", ""),
    ("I left the image omitted there", K.TEXT, "I left the image omitted there", ""),
    ("a <b> c (d) e", K.TEXT, "a <b> c (d) e", ""),
    ("see (file attached)", K.TEXT, "see (file attached)", ""),
    ("todo:\nmilk", K.TEXT, "todo:\nmilk", ""),
    ("here: https://maps.google.com/?q=cafe", K.TEXT, "here: https://maps.google.com/?q=cafe", ""),
    ("<This message was edited> he wrote", K.TEXT, "<This message was edited> he wrote", ""),
    (".", K.TEXT, ".", ""),
    ("...", K.TEXT, "...", ""),
    (f"{LRM}@\u2068Ben\u2069 come", K.TEXT, f"{LRM}@\u2068Ben\u2069 come", ""),
    ("\u200fשלום", K.TEXT, "\u200fשלום", ""),
    # Languages that are not listed, by the mark alone
    (f"{LRM}grianghraf fágtha", K.OTHER, "grianghraf fágtha", ""),
    (f"Plan.pdf • 2 leathanach {LRM}níl an cháipéis ann", K.DOCUMENT, "", "Plan.pdf"),
    (f"{LRM}Glao gutha. {LRM}2 nóiméad", K.CALL, f"Glao gutha. {LRM}2 nóiméad", ""),
    (f"{LRM}<ceangal: Plean.pdf>", K.DOCUMENT, "", "Plean.pdf"),
    (f"{LRM}Plean.pdf (comhad ceangailte)\nféach", K.DOCUMENT, "féach", "Plean.pdf"),
    (
        "VOTA:\nPizza?\nROGHA: tá (3 vóta)\nROGHA: níl (0 vóta)",
        K.POLL,
        "VOTA:\nPizza?\nROGHA: tá (3 vóta)\nROGHA: níl (0 vóta)",
        "",
    ),
    # Beside what was left out
    ("<Media omitted>\nlook at that", K.OTHER, "look at that", ""),
    ("<Media omitted>\nPlan 2.docx", K.DOCUMENT, "", "Plan 2.docx"),
    ("<View once voice message omitted>", K.OTHER, "", ""),
    ("null", K.OTHER, "null", ""),
    (
        f"{LRM}You received a view once message. For added privacy, you can only open it on your phone.",
        K.OTHER,
        "You received a view once message. For added privacy, you can only open it on your phone.",
        "",
    ),
    (
        "Pimlico Gardens (London): https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
        K.LOCATION,
        "Pimlico Gardens (London): https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
        "",
    ),
    (
        "Pimlico Gardens\nLondon, UK\nhttps://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
        K.LOCATION,
        "Pimlico Gardens\nLondon, UK\nhttps://foursquare.com/v/4e89af95e5fa82ad4c0aa03b",
        "",
    ),
    ("list:\nmilk (2 litres)\nbread (1)", K.TEXT, "list:\nmilk (2 litres)\nbread (1)", ""),
    ("- a dash (first)", K.TEXT, "- a dash (first)", ""),
    ("media omitted", K.TEXT, "media omitted", ""),
]


@pytest.mark.parametrize(
    ("body", "kind", "text", "attachment"), BODIES, ids=[repr(row[0])[:40] for row in BODIES]
)
def test_a_body_is_told_apart(body: str, kind: MessageKind, text: str, attachment: str) -> None:
    message = read_body(body)

    assert (message.kind, message.body, message.attachment_name) == (kind, text, attachment)
    assert (message.author, message.edited) == ("Anna", False)


@pytest.mark.parametrize(
    "notice",
    [
        "Messages and calls are end-to-end encrypted. No one outside of this chat can read them.",
        "Anna added Ben",
        "Anna left",
        "Ben joined using this group's invite link",
        "Ben hat den Betreff zu „Reise“ geändert",
        "Zprávy a hovory jsou opatřeny koncovým šifrováním. Nikdo je nemůže sledovat.",
        "Anna dodała Bena",
        "~ Zoe dołączyła",
    ],
)
def test_a_notice_behind_the_mark_has_no_author(notice: str) -> None:
    message = read_body(LRM + notice)

    assert (message.kind, message.author, message.body) == (MessageKind.SYSTEM, None, notice)


@pytest.mark.parametrize(
    "mark",
    [
        " <This message was edited>",
        f" {LRM}<This message was edited>",
        f"{LRM}<Diese Nachricht wurde bearbeitet.>",
        # A language that is not listed
        f" {LRM}<Cuireadh an teachtaireacht in eagar>",
        " <Se editó este mensaje.>",
        " <Ce message a été modifié>",
        " <Mensagem editada>",
        " <Questo messaggio è stato modificato>",
        " <Dit bericht is bewerkt>",
    ],
)
def test_the_mark_of_an_edit_is_taken_off(mark: str) -> None:
    message = read_body(f"at eight, not seven\nsorry{mark}")

    assert (message.body, message.edited, message.kind) == (
        "at eight, not seven\nsorry",
        True,
        MessageKind.TEXT,
    )


def test_an_attachment_can_be_edited_too() -> None:
    message = read_body(f"{LRM}<attached: 00000030-PHOTO-1.jpg> {LRM}<This message was edited>")

    assert (message.kind, message.edited, message.attachment_name) == (
        MessageKind.IMAGE,
        True,
        "00000030-PHOTO-1.jpg",
    )


def test_a_call_on_android_is_a_call_without_an_author() -> None:
    messages = messages_of("25.03.22, 13:31 - Missed video call\n25.03.22, 13:32 - Anna: sorry!")

    assert (messages[0].kind, messages[0].author) == (MessageKind.CALL, None)


def test_a_short_notice_about_somebody_of_the_chat_is_told_by_the_name() -> None:
    messages = messages_of(
        "[25.03.22, 13:31:00] Ben Fox: hi\n"
        f"[25.03.22, 13:32:00] The Club: {LRM}Ben Fox poszedł\n"
        "[25.03.22, 13:33:00] Anna: bye\n"
    )

    assert (messages[1].kind, messages[1].author) == (K.SYSTEM, None)


def test_a_full_stop_right_behind_the_colon_is_left_of_a_message_that_vanished() -> None:
    messages = messages_of("25.03.22, 13:31 - Anna:.\n25.03.22, 13:32 - Anna: .\n")

    assert [(message.kind, message.body) for message in messages] == [(K.OTHER, ""), (K.TEXT, ".")]


@pytest.mark.parametrize(
    "body", ["- one\n- two", "-", "\u200f- שלום", "a\u200eb", "\ufeffx", "—\u2066x\u2069 <3", " x ", "\t"]
)
def test_nothing_that_somebody_typed_is_taken_off(body: str) -> None:
    message = read_body(body)

    assert (message.kind, message.body) == (K.TEXT, body)


def test_a_notice_keeps_its_dash() -> None:
    assert messages_of("25.03.22, 13:31 - - no name -\n")[0].body == "- no name -"
