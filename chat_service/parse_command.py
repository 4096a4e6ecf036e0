"""``python -m chat_service parse FILE``: what an import would make of a file, without storing anything.

Of a file that holds several chats, ``--chat`` names the one that is meant.
"""

import collections
import json
import sys
import time
from pathlib import Path

from chat_service.parsers import ParseOptions, SeveralChats, UnreadableExport, open_export


def parse_file(path: Path, export_chat: str = "") -> int:
    """Print a summary of the export as one JSON object; answer exit code 1 for a file that cannot be read."""
    start = time.perf_counter()
    try:
        with path.open("rb") as file:
            export = open_export(file, ParseOptions(export_chat=export_chat), file_name=path.name)
            authors = collections.Counter(
                message.author for batch in export.batches() for message in batch if message.author
            )
    except (OSError, UnreadableExport) as error:
        print(f"{path}: {error}", file=sys.stderr)
        for chat in error.chats if isinstance(error, SeveralChats) else ():
            print(f"  {chat.id}: {chat.name}", file=sys.stderr)
        return 1
    report = export.report
    summary = {
        "format": report.format.name,
        "chat_name": report.chat_name,
        "time_zone": report.time_zone,
        "date_order": report.date_order.name,
        "messages": report.message_count,
        "authors": dict(authors.most_common(10)),
        "skipped_lines": report.skipped_line_count,
        "first_skipped_lines": report.skipped_lines,
        "duration_s": round(time.perf_counter() - start, 4),
    }
    print(json.dumps(summary, ensure_ascii=False))
    return 0
