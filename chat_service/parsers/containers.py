"""Files that are often taken for an export, told by their first bytes, so that the answer helps."""

import re

from chat_service.parsers.errors import EncryptedExport, UnreadableExport

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ZIP_FLAGS_AT = 6
_ENCRYPTED_FLAG = 1
_DATABASE_MAGIC = b"SQLite format 3\0"
_BACKUP_NAME = re.compile(r"\.crypt[0-9]{1,2}$", re.IGNORECASE)
_ADVICE = "the .txt of the exported chat is expected"


def refuse_container(head: bytes, file_name: str = "") -> None:
    """Raises UnreadableExport for archives and databases, EncryptedExport for encrypted ones."""
    if _BACKUP_NAME.search(file_name):
        raise EncryptedExport(f"this is WhatsApp's encrypted backup; {_ADVICE}")
    if head.startswith(_ZIP_MAGIC):
        flags = head[_ZIP_FLAGS_AT : _ZIP_FLAGS_AT + 1]
        if flags and flags[0] & _ENCRYPTED_FLAG:
            raise EncryptedExport(f"this is an encrypted ZIP archive; {_ADVICE}")
        raise UnreadableExport(f"this is a ZIP archive; unpack it, {_ADVICE}")
    if head.startswith(_DATABASE_MAGIC):
        raise UnreadableExport(f"this is a database; {_ADVICE}")
