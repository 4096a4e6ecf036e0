"""``python -m chat_service parse FILE``: what an import would make of a file, without storing anything."""

import collections
import json
import sys
import time
from pathlib import Path

from chat_service.parsers import ParseOptions, UnreadableExport, open_export


def parse_file(path: Path) -> int:
    """Print a summary of the export as one JSON object; answer exit code 1 for a file that cannot be read."""
    start = time.perf_counter()
    try:
        with path.open("rb") as file:
            export = open_export(file, ParseOptions(), file_name=path.name)
            authors = collections.Counter(
                message.author for batch in export.batches() for message in batch if message.author
            )
    except (OSError, UnreadableExport) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    report = export.report
    summary = {
        "format": report.format.name,
        "date_order": report.date_order.name,
        "messages": report.message_count,
        "authors": dict(authors.most_common(10)),
        "skipped_lines": report.skipped_line_count,
        "duration_s": round(time.perf_counter() - start, 4),
    }
    print(json.dumps(summary, ensure_ascii=False))
    return 0
