"""A chat that is written as JSON: entries become messages, or stand in the report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple, Protocol

from chat_service.parsers.clock import Clock
from chat_service.parsers.entries import MAX_ATTACHMENT_NAME_CHARS, Entry, NotUnderstood
from chat_service.parsers.errors import OversizedExport, UnreadableExport
from chat_service.parsers.model import ExportReport, MessageBatch, ParsedMessage, ParseOptions

BATCH_MESSAGES = 1_000


class PlacedEntry(NamedTuple):
    """An entry and its number in its list, from 1; `file` where an export has several files."""

    number: int
    value: object
    file: str = ""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.file}, entry {self.number}" if self.file else f"entry {self.number}"


class EntryReader(Protocol):
    """Reads the entries of one format, from the first of a chat to the last."""

    def read(self, entry: Entry) -> ParsedMessage:
        """The message that an entry is. Raises NotUnderstood."""


# The parts of a chat, oldest first; each yields its entries, and names the chat in the report.
Source = Callable[[ExportReport], Iterator[PlacedEntry]]
# Puts the messages of one part into another order.
Reorder = Callable[[Iterator[list[ParsedMessage]]], Iterator[list[ParsedMessage]]]


class JsonExport:
    """A chat whose entries can be read, once or again."""

    def __init__(
        self,
        report: ExportReport,
        options: ParseOptions,
        make_reader: Callable[[Clock], EntryReader],
        sources: Sequence[Source],
        *,
        expected: str,
        reorder: Reorder = iter,
    ) -> None:
        self.report = report
        self._options = options
        self._make_reader = make_reader
        self._sources = sources
        self._expected = expected
        self._reorder = reorder

    def __iter__(self) -> Iterator[ParsedMessage]:
        """Reads message by message; see `batches`."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[MessageBatch]:
        """Reads the messages, some at a time.

        Raises UnreadableExport for what is no JSON, for what exceeds the limits, and when there was
        no message at all.
        """
        self.report = report = replace(
            self.report, message_count=0, skipped_line_count=0, skipped_lines=[], chat_name=""
        )
        clock = Clock(self._options.time_zone)
        reader = self._make_reader(clock)
        for source in self._sources:
            yield from map(MessageBatch.of, self._reorder(self._read(source(report), reader, report)))
        report.time_zone = clock.time_zone
        if not report.message_count:
            first = f"; {report.skipped_lines[0]}" if report.skipped_lines else ""
            raise UnreadableExport(
                f"no message in {report.skipped_line_count:,} entries{first}; {self._expected}"
            )

    def _read(
        self, entries: Iterator[PlacedEntry], reader: EntryReader, report: ExportReport
    ) -> Iterator[list[ParsedMessage]]:
        while some := list(islice(entries, BATCH_MESSAGES)):
            messages = []
            for entry in some:
                try:
                    messages.append(self._message(entry, reader))
                except NotUnderstood as error:
                    report.skip_entry(entry.place, error.expected)
            report.message_count += len(messages)
            # What is no message costs as much time as one.
            count, limit = report.message_count + report.skipped_line_count, self._options.max_messages
            if count > limit:
                raise OversizedExport("messages", size=count, limit=limit)
            yield messages

    def _message(self, entry: PlacedEntry, reader: EntryReader) -> ParsedMessage:
        if not isinstance(entry.value, dict):
            raise NotUnderstood("an object")
        message = reader.read(entry.value)
        limit = self._options.max_message_chars
        if len(message.body) > limit:
            raise UnreadableExport(f"{entry.place}: the message is longer than {limit:,} characters")
        message.attachment_name = message.attachment_name[:MAX_ATTACHMENT_NAME_CHARS]
        return message
