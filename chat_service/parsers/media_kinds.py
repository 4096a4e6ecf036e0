"""The kind of an attachment by its file name, for platforms that say no more than that."""

import mimetypes

from chat_service.parsers.model import MessageKind

_BY_TYPE = {"image": MessageKind.IMAGE, "video": MessageKind.VIDEO, "audio": MessageKind.AUDIO}
# What the standard table does not know, or knows as something else.
_BY_EXTENSION = {
    "gif": MessageKind.GIF,
    "gifv": MessageKind.GIF,
    "vcf": MessageKind.CONTACT,
    "webp": MessageKind.IMAGE,
    "heic": MessageKind.IMAGE,
    "apng": MessageKind.IMAGE,
    "ogg": MessageKind.AUDIO,
    "opus": MessageKind.AUDIO,
    "m4a": MessageKind.AUDIO,
    "aac": MessageKind.AUDIO,
    "flac": MessageKind.AUDIO,
    "mkv": MessageKind.VIDEO,
    "webm": MessageKind.VIDEO,
    "3gp": MessageKind.VIDEO,
}
# The table of the standard library, not of the machine: every machine reads a file the same.
_TYPES = mimetypes.MimeTypes(filenames=())


def kind_of_file_name(name: str) -> MessageKind:
    """IMAGE, VIDEO, AUDIO, GIF, CONTACT, or DOCUMENT for everything else."""
    known = _BY_EXTENSION.get(name.rpartition(".")[2].lower())
    if known is not None:
        return known
    guessed, _ = _TYPES.guess_type(f"x.{name.rpartition('.')[2].lower()}", strict=True)
    return _BY_TYPE.get((guessed or "").partition("/")[0], MessageKind.DOCUMENT)
