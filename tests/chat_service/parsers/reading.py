"""Reads a text or bytes as a file, for the tests of the parsers."""

import io

from chat_service.parsers import ExportReport, ParsedMessage, ParseOptions, open_export


def read(
    content: str | bytes, options: ParseOptions | None = None
) -> tuple[list[ParsedMessage], ExportReport]:
    """All messages of a file with this content, and the report about it."""
    raw = content.encode() if isinstance(content, str) else content
    export = open_export(io.BytesIO(raw), options or ParseOptions())
    return list(export), export.report


def messages_of(content: str | bytes, options: ParseOptions | None = None) -> list[ParsedMessage]:
    """All messages of a file with this content."""
    return read(content, options)[0]
