"""Writes chats as phones export them."""

from stories.storyteller import Line

LRM = "\u200e"
GROUP = "The flat share"
ANDROID_NOTICES = {
    "!encrypted": "Messages and calls are end-to-end encrypted. Only people in this chat can read, "
    "listen to, or share them. Learn more.",
    "!code_changed": "Your security code with Anna changed. Tap to learn more.",
    "!missed": "Missed voice call",
}
# Whose name stands before it, and what it says.
IPHONE_NOTICES = {
    "!missed": ("Mia", "Missed voice call"),
    "!group_added": ("Mia", "Mia added Jonas, Luca, Priya and Tom"),
    "!location": ("Priya", "Location: https://maps.google.com/?q=51.449040,-2.597020"),
    "!contact": ("Mia", "<attached: 00000801-Mia New.vcf>"),
    "!poll": (
        "Priya",
        f"POLL:\nWho does the bins in winter?\n{LRM}OPTION: the rota (3 votes)\n"
        f"{LRM}OPTION: Jonas (2 votes)\n{LRM}OPTION: nobody, like last year (1 vote)",
    ),
}
ANDROID_FILES = {
    "!img": ("IMG", "jpg"),
    "!ptt": ("PTT", "opus"),
    "!stk": ("STK", "webp"),
    "!vid": ("VID", "mp4"),
}
IPHONE_FILES = {"!img": ("PHOTO", "jpg"), "!ptt": ("AUDIO", "opus"), "!stk": ("STICKER", "webp")}


class Android:
    """Renders lines as an Android phone in Britain exports them."""

    def __init__(self) -> None:
        self._files = 0

    def render(self, line: Line) -> str:
        head = f"{line.moment:%d/%m/%Y, %H:%M} - "
        if not line.name:
            return f"{head}{ANDROID_NOTICES[line.what]}\n"
        return f"{head}{line.name}: {self._body(line)}\n"

    def _body(self, line: Line) -> str:
        what, _, caption = line.what.partition(" ")
        if what == "!gone":
            return "This message was deleted"
        if what not in ANDROID_FILES:
            text = line.what.removesuffix("!edited")
            return text + (" <This message was edited>" if text != line.what else "")
        self._files += 1
        if self._files % 9 == 0:
            return "<Media omitted>"
        prefix, extension = ANDROID_FILES[what]
        name = f"{prefix}-{line.moment:%Y%m%d}-WA{self._files % 40:04}.{extension}"
        return f"{LRM}{name} (file attached)" + (f"\n{caption}" if caption else "")


class Iphone:
    """Renders lines as an iPhone in Britain exports them: marks before what WhatsApp wrote itself."""

    def __init__(self) -> None:
        self._lines = 0

    def render(self, line: Line) -> str:
        self._lines += 1
        if line.what == "!group_created":
            notice = (
                f"{LRM}Messages and calls are end-to-end encrypted. Only people in this chat can read them."
            )
            created = f"{LRM}Mia created group “{GROUP}”"
            return self._message(line, GROUP, notice) + self._message(line, "Mia", created)
        if not line.name:
            name, text = IPHONE_NOTICES[line.what]
            return LRM + self._message(line, name, LRM + text)
        body = self._body(line)
        return (LRM if LRM in body else "") + self._message(line, line.name, body)

    def _message(self, line: Line, name: str, body: str) -> str:
        lines = f"[{line.moment:%d/%m/%Y, %H:%M:%S}] {name}: {body}\n"
        return lines.replace("\n", "\r\n")

    def _body(self, line: Line) -> str:
        what, _, caption = line.what.partition(" ")
        if what == "!gone":
            return f"{LRM}This message was deleted."
        if what not in IPHONE_FILES:
            text = line.what.removesuffix("!edited")
            return text + (f" {LRM}<This message was edited>" if text != line.what else "")
        if self._lines % 5 == 0:
            return f"{LRM}{'audio' if what == '!ptt' else 'image'} omitted"
        kind, extension = IPHONE_FILES[what]
        attached = f"<attached: {self._lines:08}-{kind}-{line.moment:%Y-%m-%d-%H-%M-%S}.{extension}>"
        return f"{caption} {LRM}{attached}" if caption else LRM + attached
