"""What every parser takes and gives, whatever the format.

The numbers of the enums are those of chat.v1, so that they can be stored and sent as they are; a
test compares them. Nothing here imports the protos: a parser is a plain function of a file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Protocol

MAX_SKIPPED_SHOWN = 5
MAX_SKIPPED_CHARS = 200


class ChatFormat(IntEnum):
    """What a file is read as."""

    WHATSAPP_TEXT = 1
    TELEGRAM_JSON = 2
    MESSENGER_JSON = 3
    INSTAGRAM_JSON = 4
    SIGNAL_TEXT = 5
    DISCORD_JSON = 6


class DateOrder(IntEnum):
    """Which of two small numbers in a date is the day."""

    UNSPECIFIED = 0
    DAY_FIRST = 1
    MONTH_FIRST = 2


class MessageKind(IntEnum):
    """What a message is."""

    TEXT = 1
    SYSTEM = 2
    IMAGE = 3
    VIDEO = 4
    AUDIO = 5
    STICKER = 6
    GIF = 7
    DOCUMENT = 8
    CONTACT = 9
    LOCATION = 10
    POLL = 11
    CALL = 12
    DELETED = 13
    OTHER = 14


class DateEvidence(IntEnum):
    """Why the dates of a file are read as they are."""

    # The caller said so.
    GIVEN = 1
    # The year stands first, and then the month always follows.
    YEAR_FIRST = 2
    # A number above 12 can only be a day.
    LARGE_NUMBER = 3
    # The dates run backwards less often this way.
    ORDER = 4
    # The number that changes more often is taken as the day.
    CHANGES = 5
    # The file does not tell; most of the world writes the day first.
    DEFAULT = 6
    # The format leaves no choice: it writes ISO dates, or instants.
    FORMAT = 7
    # The month is a word.
    SPELLED_MONTH = 8


@dataclass(slots=True)
class ParsedMessage:
    """One message or system line, in the order of the file.

    `author` is None for a line that the platform wrote. `sent_local_time` has no zone (the report
    says whose time it is, where that is known) and whole seconds. `body` is what the person wrote,
    byte for byte, its lines joined by a line feed; what the format adds (placeholders for media, names
    of attachments, the mark of an edit) is not in it but in `kind`, `attachment_name` and `edited`.
    """

    author: str | None
    sent_local_time: datetime
    body: str
    kind: MessageKind = MessageKind.TEXT
    edited: bool = False
    attachment_name: str = ""


@dataclass(slots=True)
class MessageBatch:
    """Some messages in the order of the file, field by field: what `ParsedMessage` says of one, for many.

    The lists are of one length. So who counts or stores hundreds of thousands of messages goes through lists
    and makes no object of each, which would take longer than to find them in the file.
    """

    authors: list[str | None]
    sent_local_times: list[datetime]
    bodies: list[str]
    kinds: list[MessageKind]
    edited: list[bool]
    attachment_names: list[str]

    @classmethod
    def of(cls, messages: Iterable[ParsedMessage]) -> "MessageBatch":
        """The same messages, field by field."""
        some = list(messages)
        return cls(
            [message.author for message in some],
            [message.sent_local_time for message in some],
            [message.body for message in some],
            [message.kind for message in some],
            [message.edited for message in some],
            [message.attachment_name for message in some],
        )

    def __len__(self) -> int:
        """How many messages there are."""
        return len(self.bodies)

    def __iter__(self) -> Iterator[ParsedMessage]:
        """The messages one by one."""
        return map(
            ParsedMessage,
            self.authors,
            self.sent_local_times,
            self.bodies,
            self.kinds,
            self.edited,
            self.attachment_names,
        )


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """How to read a file, and the limits that keep a hostile one harmless.

    The limits count characters; WhatsApp itself allows 65,536 in a message.
    """

    date_order: DateOrder = DateOrder.UNSPECIFIED
    # IANA name. Formats that know the instant of a message give its local time there.
    time_zone: str = ""
    # Which chat of a file that holds several, by its id or its name; empty where it holds one.
    export_chat: str = ""
    max_line_chars: int = 262_144
    max_message_chars: int = 1_048_576
    max_messages: int = 2_000_000
    # Of a ZIP archive: entries, bytes of all of them unpacked, and how much smaller packing made one.
    max_archive_entries: int = 20_000
    max_unpacked_bytes: int = 268_435_456
    max_archive_ratio: int = 250
    # Where a parser keeps what does not fit into memory; None: the system's directory for temporary files.
    scratch_dir: Path | None = None
    # No message is after this day; asked for only where dates name no year.
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


@dataclass(slots=True)
class ExportReport:
    """What was found out about a file. The counts are complete once its messages have been read."""

    format: ChatFormat
    date_order: DateOrder
    date_evidence: DateEvidence
    message_count: int = 0
    # Lines of a text that were not understood: those before the first message, and those within that
    # have the marks of a message and are none; entries of JSON that are no message. All are counted,
    # the first few are shown.
    skipped_line_count: int = 0
    skipped_lines: list[str] = field(default_factory=list)
    # IANA name of the zone of the messages' times, empty where it is not known.
    time_zone: str = ""
    # What the file itself calls the chat; empty where it does not.
    chat_name: str = ""

    def skip(self, text: str, line: int = 0) -> None:
        """Counts the lines of a text that was not understood; blank ones say nothing.

        `line` is the line of the file that the text begins in, from 1, where it is known.
        """
        for number, content in enumerate(text.split("\n"), line):
            if content.strip():
                self.skipped_line_count += 1
                if len(self.skipped_lines) < MAX_SKIPPED_SHOWN:
                    place = f"line {number}: " if line else ""
                    self.skipped_lines.append(place + content[:MAX_SKIPPED_CHARS])

    def skip_entry(self, place: str, expected: str) -> None:
        """Counts an entry of JSON that is no message, and says where it is and what was expected."""
        self.skipped_line_count += 1
        if len(self.skipped_lines) < MAX_SKIPPED_SHOWN:
            self.skipped_lines.append(f"{place}: expected {expected}"[:MAX_SKIPPED_CHARS])


@dataclass(frozen=True, slots=True)
class ExportPart:
    """One file of an export: its path, for people, and its content, which must be seekable."""

    path: str
    file: BinaryIO

    @property
    def folder(self) -> str:
        """The path of the folder that it lies in; empty at the top."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class ParsedExport(Protocol):
    """A file whose format is known and whose messages can be read, once or again."""

    @property
    def report(self) -> ExportReport:
        """What is known by now."""

    def batches(self) -> Iterator[MessageBatch]:
        """Reads the messages from the start, a block of the file at a time; raises UnreadableExport."""

    def __iter__(self) -> Iterator[ParsedMessage]:
        """The same, message by message."""


class ChatParser(Protocol):
    """Reads one format."""

    @property
    def format(self) -> ChatFormat:
        """The format that it reads."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes looks like this format."""

    def open(self, file: BinaryIO, options: ParseOptions) -> ParsedExport:
        """Looks the file over; the file must be seekable. Raises UnreadableExport."""
