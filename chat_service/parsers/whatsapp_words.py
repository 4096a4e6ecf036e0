"""The words of dates and times, by language. Data only; add a language by adding words.

They are compared without regard to case, full stops, spaces and joiners.
"""

from enum import IntEnum


class Half(IntEnum):
    """What a word beside a time says about its hour."""

    BEFORE_NOON = 1
    AFTER_NOON = 2
    # Around noon: from 10 to 12 as they stand, from 1 in the afternoon.
    MIDDAY = 3
    # The evening up to 11, and midnight and what follows as 12, 1, 2 and so on.
    NIGHT = 4
    # Says only that it is a time.
    NEITHER = 5


HALVES: dict[Half, tuple[str, ...]] = {
    Half.BEFORE_NOON: (
        "a. m.",
        "in the morning",
        "vorm.",
        "vormittags",
        "morgens",
        "früh",
        "上午",
        "午前",
        "오전",
        "早上",
        "清晨",
        "凌晨",
        "ص",  # Arabic
        "ق.ظ.",  # Persian
        "قبل‌ازظهر",
        "לפנה״צ",  # Hebrew
        "पूर्वाह्न",  # Hindi
        "म.पू.",  # Marathi
        "ਪੂ.ਦੁ.",  # Punjabi
        "முற்பகல்",  # Tamil
        "ಪೂರ್ವಾಹ್ನ",  # Kannada
        "နံနက်",  # Burmese
        "ก่อนเที่ยง",  # Thai
        "ÖÖ",  # Turkish
        "SA",  # Vietnamese
        "πμ",  # Greek
        "π.μ.",
        "ap.",  # Finnish
        "fm",  # Swedish
        "vm.",  # Afrikaans
        "de.",  # Hungarian
        "dop.",  # Czech, Slovak, Slovenian
        "пр.об.",  # Bulgarian
        "PG",  # Malay
        "e paradites",  # Albanian
        "priešpiet",  # Lithuanian
        "priekšpusdienā",  # Latvian
        "f.h.",  # Icelandic
        "дп",  # Ukrainian
    ),
    Half.AFTER_NOON: (
        "p. m.",
        "in the afternoon",
        "in the evening",
        "nachm.",
        "nachmittags",
        "abends",
        "下午",
        "午後",
        "오후",
        "م",
        "ب.ظ.",
        "بعدازظهر",
        "אחה״צ",
        "अपराह्न",
        "म.उ.",
        "ਬਾ.ਦੁ.",
        "பிற்பகல்",
        "ಅಪರಾಹ್ನ",
        "ညနေ",
        "หลังเที่ยง",
        "ÖS",
        "CH",
        "μμ",
        "μ.μ.",
        "ip.",
        "em",
        "nm.",
        "du.",
        "odp.",
        "pop.",
        "сл.об.",
        "PTG",
        "e pasdites",
        "popiet",
        "pēcpusdienā",
        "e.h.",
        "пп",
    ),
    Half.MIDDAY: ("mittags", "中午", "noon", "at noon"),
    Half.NIGHT: ("nachts", "mitternachts", "晚上", "深夜", "at night", "midnight"),
    Half.NEITHER: ("ч.", "Uhr", "h"),
}

# What may stand between a date and a time, apart from a comma.
LINKS = (
    *("klo", "kl.", "kl", "um", "at", "à", "às", "ás", "as", "a las", "a la", "la", "alle", "ore", "ora"),
    *("o", "o godz.", "ob", "om", "u", "в", "о", "lúc", "pukul", "pada", "saat", "os", "เวลา"),
)

# January first; the full names and the usual short forms.
MONTHS: tuple[tuple[str, ...], ...] = (
    (
        *("January", "Jan", "Januar", "Jänner", "enero", "ene", "janvier", "janv", "gennaio", "gen"),
        *("janeiro", "januari", "января", "январь", "янв", "січня", "stycznia", "sty", "ledna", "tammikuuta"),
        *("Ocak", "Oca", "มกราคม", "ม.ค.", "जनवरी", "يناير", "ינואר", "január"),
    ),
    (
        *("February", "Feb", "Februar", "febrero", "février", "févr", "febbraio", "fevereiro", "fev"),
        *("februari", "февраля", "февраль", "фев", "лютого", "lutego", "lut", "února", "helmikuuta"),
        *("Şubat", "Şub", "กุมภาพันธ์", "ก.พ.", "फ़रवरी", "فبراير", "פברואר", "február"),
    ),
    (
        *("March", "Mar", "März", "Mär", "marzo", "mars", "março", "maart", "mrt", "марта", "март", "мар"),
        *("березня", "marca", "března", "maaliskuuta", "Mart", "มีนาคม", "มี.ค.", "मार्च", "مارس"),
        *("מרץ", "március", "marec"),
    ),
    (
        *("April", "Apr", "abril", "abr", "avril", "avr", "aprile", "апреля", "апрель", "апр", "квітня"),
        *("kwietnia", "kwi", "dubna", "huhtikuuta", "Nisan", "Nis", "เมษายน", "เม.ย.", "अप्रैल"),
        *("أبريل", "إبريل", "אפריל", "április", "apríl"),
    ),
    (
        *("May", "Mai", "mayo", "maggio", "mag", "maio", "mei", "мая", "май", "травня", "maja", "května"),
        *("toukokuuta", "Mayıs", "พฤษภาคม", "พ.ค.", "मई", "مايو", "מאי", "május", "maj"),
        "máj",
    ),
    (
        *("June", "Jun", "Juni", "junio", "juin", "giugno", "giu", "junho", "июня", "июнь", "июн", "червня"),
        *("czerwca", "cze", "června", "kesäkuuta", "Haziran", "Haz", "มิถุนายน", "มิ.ย.", "जून"),
        *("يونيو", "יוני", "június", "jún"),
    ),
    (
        *("July", "Jul", "Juli", "julio", "juillet", "juil", "luglio", "lug", "julho", "июля", "июль", "июл"),
        *("липня", "lipca", "lip", "července", "heinäkuuta", "Temmuz", "Tem", "กรกฎาคม", "ก.ค."),
        *("जुलाई", "يوليو", "יולי", "július", "júl"),
    ),
    (
        *("August", "Aug", "agosto", "ago", "août", "augustus", "augusti", "августа", "август", "авг"),
        *("серпня", "sierpnia", "sie", "srpna", "elokuuta", "Ağustos", "Ağu", "สิงหาคม", "ส.ค."),
        *("अगस्त", "أغسطس", "אוגוסט", "augusztus"),
    ),
    (
        *("September", "Sep", "Sept", "septiembre", "septembre", "settembre", "set", "setembro", "сентября"),
        *("сентябрь", "сен", "сент", "вересня", "września", "wrz", "září", "syyskuuta", "Eylül", "Eyl"),
        *("tháng 9", "กันยายน", "ก.ย.", "सितंबर", "सितम्बर", "سبتمبر", "ספטמבר", "szeptember"),
    ),
    (
        *("October", "Oct", "Oktober", "Okt", "octubre", "octobre", "ottobre", "ott", "outubro", "out"),
        *("октября", "октябрь", "окт", "жовтня", "października", "paź", "října", "lokakuuta", "Ekim", "Eki"),
        *("tháng 10", "ตุลาคม", "ต.ค.", "अक्टूबर", "أكتوبر", "אוקטובר", "október"),
    ),
    (
        *("November", "Nov", "noviembre", "novembre", "novembro", "ноября", "ноябрь", "ноя", "листопада"),
        *("listopada", "lis", "listopadu", "marraskuuta", "Kasım", "Kas", "พฤศจิกายน", "พ.ย."),
        *("नवंबर", "नवम्बर", "نوفمبر", "נובמבר"),
    ),
    (
        *("December", "Dec", "Dezember", "Dez", "diciembre", "dic", "décembre", "déc", "dicembre"),
        *("dezembro", "dez", "декабря", "декабрь", "дек", "грудня", "grudnia", "gru", "prosince"),
        *("joulukuuta", "Aralık", "Ara", "ธันวาคม", "ธ.ค.", "दिसंबर", "दिसम्बर", "ديسمبر", "דצמבר"),
    ),
)

# The first year of what is counted, less one: era 4 of Reiwa is 2018 + 4.
ERAS = {
    **dict.fromkeys(("R", "令和"), 2018),
    **dict.fromkeys(("H", "平成"), 1988),
    **dict.fromkeys(("S", "昭和"), 1925),
    **dict.fromkeys(("民國", "民国"), 1911),
}
# Behind a year of the Buddhist calendar, or before it.
BUDDHIST = ("BE", "B.E.", "พ.ศ.", "佛曆")
