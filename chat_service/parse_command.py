"""``python -m chat_service parse FILE``: what an import would make of a file, without storing anything.

Of a file that holds several chats, ``--chat`` names the one that is meant.
"""

import collections
import sys
import time
from pathlib import Path

from chat_service.parsers import ParseOptions, SeveralChats, UnreadableExport, open_export
from servicekit.lines import json_line, printable

_AUTHORS_SHOWN = 10


def parse_file(path: Path, export_chat: str = "") -> int:
    """Print a summary of the export as one JSON object; answer exit code 1 for a file that cannot be read."""
    start = time.perf_counter()
    authors: collections.Counter[str | None] = collections.Counter()
    try:
        with path.open("rb") as file:
            export = open_export(file, ParseOptions(export_chat=export_chat), file_name=path.name)
            for batch in export.batches():
                authors.update(batch.authors)
    except (OSError, UnreadableExport) as error:
        print(printable(f"{path}: {error}"), file=sys.stderr)
        for chat in error.chats if isinstance(error, SeveralChats) else ():
            print(printable(f"  {chat.id}: {chat.name}"), file=sys.stderr)
        return 1
    duration_s = time.perf_counter() - start
    report = export.report
    authors.pop(None, None)
    summary = {
        "format": report.format.name,
        "chat_name": report.chat_name,
        "time_zone": report.time_zone,
        "date_order": report.date_order.name,
        "date_evidence": report.date_evidence.name,
        "messages": report.message_count,
        "authors": dict(authors.most_common(_AUTHORS_SHOWN)),
        "skipped_lines": report.skipped_line_count,
        "first_skipped_lines": report.skipped_lines,
        "duration_s": round(duration_s, 4),
    }
    print(json_line(summary))
    return 0
