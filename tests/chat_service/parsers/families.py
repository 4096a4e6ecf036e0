"""Writes the heads of messages as the phones of the world do."""

import calendar
from collections.abc import Callable
from datetime import datetime

Head = Callable[[datetime], str]

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
RLM = "\u200f"
GERMAN_HOURS = [
    *["nachts"] * 5,
    *["morgens"] * 5,
    *["vorm."] * 2,
    "mittags",
    *["nachm."] * 5,
    *["abends"] * 6,
]
CHINESE_HOURS = [*["凌晨"] * 6, *["上午"] * 6, "中午", *["下午"] * 5, *["晚上"] * 6]
MONTHS_DE = [
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September"),
    *("Oktober", "November", "Dezember"),
]
MONTHS_ES = [
    *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre"),
    *("octubre", "noviembre", "diciembre"),
]
MONTHS_EN = list(calendar.month_name)[1:]


def pattern(text: str) -> Head:
    """A head that strftime can write."""
    return lambda moment: moment.strftime(text)


def twelve(moment: datetime) -> str:
    """The hour on a clock of twelve, without a nought in front."""
    return str((moment.hour - 1) % 12 + 1)


def half(before: str, after: str) -> Callable[[datetime], str]:
    """One of two words for the half of the day."""
    return lambda moment: before if moment.hour < 12 else after


def era(moment: datetime) -> str:
    """The year of the Japanese calendar, by years only: Reiwa began in May."""
    return f"R{moment.year - 2018}"


PLAIN = [
    f"{opening}{date}{comma} {time}{closing}"
    for opening, closing, times in (
        ("", " - ", ("%H:%M", "%I:%M %p", "%I:%M\u202f%p", "%H.%M")),
        ("[", "] ", ("%H:%M:%S", "%I:%M:%S %p", "%H:%M", "%H.%M.%S")),
        ("", ": ", ("%H:%M:%S",)),
    )
    for date in ("%d/%m/%Y", "%d.%m.%y", "%m/%d/%y", "%d-%m-%Y", "%Y-%m-%d", "%Y/%m/%d")
    for comma in (",", "")
    for time in times
]

# Every head of these has seconds or not, by its name.
FAMILIES: dict[str, Head] = {text: pattern(text) for text in PLAIN} | {
    "time first %S": pattern("[%H:%M:%S, %d/%m/%Y] "),
    "klo": pattern("%d.%m.%Y klo %H.%M - "),
    "klo %S": pattern("[%d.%m.%Y klo %H.%M.%S] "),
    "HR %S": pattern("%d. %m. %Y. %H:%M:%S "),
    "HU": pattern("%Y. %m. %d. %H:%M - "),
    "FR-CA": pattern("%Y-%m-%d %H h %M - "),
    "BG": pattern("%d.%m.%Y г., %H:%M ч. - "),
    "ES 12h": lambda at: f"{at:%d/%m/%Y}, {twelve(at)}:{at:%M} {half('a. m.', 'p. m.')(at)} - ",
    "AU 12h %S": lambda at: f"[{at:%d/%m/%Y}, {twelve(at)}:{at:%M:%S} {half('a.m.', 'p.m.')(at)}] ",
    "DE words": lambda at: f"{at:%d.%m.%y}, {twelve(at)}:{at:%M} {GERMAN_HOURS[at.hour]} - ",
    "ZH words": lambda at: f"{at:%Y/%m/%d} {CHINESE_HOURS[at.hour]}{twelve(at)}:{at:%M} - ",
    "JA words": lambda at: f"{at:%Y/%m/%d} {half('午前', '午後')(at)}{at.hour % 12}:{at:%M} - ",
    "KO words %S": lambda at: f"[{at:%Y. %m. %d}. {half('오전', '오후')(at)} {twelve(at)}:{at:%M:%S}] ",
    "KO behind": lambda at: f"{at:%Y/%m/%d} {twelve(at)}:{at:%M} {half('오전', '오후')(at)} - ",
    "EN words": lambda at: (
        f"{at:%d/%m/%Y}, {twelve(at)}:{at:%M} in the {half('morning', 'afternoon')(at)} - "
    ),
    "AR digits %S": lambda at: f"[{at:%d/%m/%Y}، {twelve(at)}:{at:%M:%S} {half('ص', 'م')(at)}] ".translate(
        ARABIC
    ),
    "AR marks %S": lambda at: f"{RLM}[{RLM}{at.day}{RLM}/{at.month}{RLM}/{at:%Y، %H:%M:%S}] ",
    "FA digits": lambda at: f"{at:%d/%m/%Y، %H:%M} - ".translate(PERSIAN),
    "HI digits": lambda at: f"{at:%d/%m/%Y, %H:%M} - ".translate(DEVANAGARI),
    "BE %S": lambda at: f"[{at:%m/%d}/{at.year + 543} BE, {at:%H:%M:%S}] ",
    "BE unmarked %S": lambda at: f"[{at:%d/%m}/{at.year + 543} {at:%H:%M:%S}] ",
    "era %S": lambda at: f"[{at:%m/%d}/{era(at)}, {at:%H:%M:%S}] ",
    "era first %S": lambda at: f"[{era(at)}/{at:%m/%d %H:%M:%S}] ",
    "CJK": lambda at: f"{at.year}年{at.month}月{at.day}日 {at:%H:%M} - ",
    "spelled EN": lambda at: f"{at.day:02} {MONTHS_EN[at.month - 1]} {at.year}, {at:%H:%M} - ",
    "spelled US": lambda at: f"{MONTHS_EN[at.month - 1]} {at.day}, {at.year}, {at:%H:%M} - ",
    "spelled DE %S": lambda at: f"[{at.day}. {MONTHS_DE[at.month - 1]} {at.year} um {at:%H:%M:%S}] ",
    "spelled ES": lambda at: f"{at.day} de {MONTHS_ES[at.month - 1]} de {at.year}, {at:%H:%M} - ",
}
