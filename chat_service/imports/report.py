"""What an import says about how it read the file, as it is stored with the chat."""

from typing import Any

from chat_service.parsers import DateEvidence, ExportReport

#: Evidence that another file of the same kind could contradict.
_GUESSES = frozenset({DateEvidence.CHANGES, DateEvidence.DEFAULT})


def stored_report(report: ExportReport) -> dict[str, Any]:
    """Answer the fields of chat.v1.ImportReport."""
    return {
        "date_order": int(report.date_order),
        "date_evidence": int(report.date_evidence),
        "date_order_guessed": report.date_evidence in _GUESSES,
        "skipped_count": report.skipped_line_count,
        "skipped": [line.replace("\0", "\ufffd") for line in report.skipped_lines],
    }
