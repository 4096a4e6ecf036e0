"""Files that are often taken for an export, told by their first bytes, so that the answer helps."""

import re

from chat_service.parsers.errors import EncryptedExport, UnreadableExport

_DATABASE_MAGIC = b"SQLite format 3\0"
_BACKUP_NAME = re.compile(r"\.crypt[0-9]{1,2}$", re.IGNORECASE)
_ADVICE = "the exported chat is expected, a .txt, .json or .zip"
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)\b", re.IGNORECASE)
# Telegram and Meta write HTML unless told otherwise.
EXPORT_AS_JSON = "export it again, and choose the format JSON"


def refuse_container(head: bytes, file_name: str = "") -> None:
    """Raises UnreadableExport for databases and pages, EncryptedExport for encrypted backups."""
    if _BACKUP_NAME.search(file_name):
        raise EncryptedExport(f"this is WhatsApp's encrypted backup; {_ADVICE}")
    if _HTML.match(head):
        raise UnreadableExport(f"this is an HTML page; {EXPORT_AS_JSON}", line=1)
    if head.startswith(_DATABASE_MAGIC):
        raise UnreadableExport(f"this is a database; {_ADVICE}")
