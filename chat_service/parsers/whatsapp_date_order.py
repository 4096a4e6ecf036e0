"""Which number of a date is the day: decided from all dates of a file."""

from datetime import date

from chat_service.parsers.errors import UnreadableExport
from chat_service.parsers.model import DateEvidence, DateOrder
from chat_service.parsers.whatsapp_dates import Family, numbers_of, year_turned
from chat_service.parsers.whatsapp_header import HeadShape

# So many dates more that can only be read one way decide, and the rest of the file is not looked
# at. One would do if it were not for quoted heads.
DECISIVE_LEAD = 10
_MAX_MONTH = 12
_MAX_DAY = 31
# A year of two digits stands first when the last number changes so much more often than the first,
_SHORT_YEAR_LEAD = 3
# or where the numbers are written as in Korea, which alone writes `24. 3. 18.`
_KOREAN = (". ", ". ", ".")
_FIRST_SHORT_YEAR = 9


class DateVotes:
    """Collects the dates of a file in their order and decides which number is the day.

    Only changes of the date count, so that a busy day has no more weight than a quiet one.
    """

    def __init__(self, shape: HeadShape) -> None:
        """Take the shape of the heads that the dates are of."""
        self._shape = shape
        self._last_text = ""
        self._last = (0, 0, 0)
        self._large = [0, 0]
        self._backward = [0, 0]
        self._changes = [0, 0, 0]
        self._short_year_first = shape.year_digits == 2
        # The first date that only the one order can read: (day first, month first).
        self._witnesses = ["", ""]

    def add(self, text: str) -> None:
        """Takes the date of the next head."""
        if text == self._last_text or self._shape.spelled or self._shape.year_first:
            return
        first, second, third = numbers_of(text)
        for order, (large, small) in enumerate(((first, second), (second, first))):
            if large > _MAX_MONTH >= small:
                self._large[order] += 1
                self._witnesses[order] = self._witnesses[order] or text
        if first < _FIRST_SHORT_YEAR or second > _MAX_MONTH or third > _MAX_DAY:
            self._short_year_first = False
        if self._last_text:
            self._compare(first, second, third)
        self._last_text, self._last = text, (first, second, third)

    def _compare(self, first: int, second: int, year: int) -> None:
        last_first, last_second, last_year = self._last
        self._backward[0] += (year, second, first) < (last_year, last_second, last_first)
        self._backward[1] += (year, first, second) < (last_year, last_first, last_second)
        self._changes[0] += first != last_first
        self._changes[1] += second != last_second
        self._changes[2] += year != last_year

    @property
    def decided(self) -> bool:
        """Whether more dates would not change the answer."""
        if self._shape.spelled:
            return False
        return self._shape.year_first or abs(self._large[0] - self._large[1]) >= DECISIVE_LEAD

    def family(self, given: DateOrder) -> tuple[Family, DateEvidence]:
        """How the dates are read, and why; raises UnreadableExport when they contradict the caller."""
        shape = self._shape
        if shape.spelled:
            return Family(shape, DateOrder.UNSPECIFIED), DateEvidence.SPELLED_MONTH
        if shape.year_first or (given is DateOrder.UNSPECIFIED and self._is_short_year_first()):
            return Family(shape, DateOrder.UNSPECIFIED, year_first=True), DateEvidence.YEAR_FIRST
        if given is DateOrder.UNSPECIFIED:
            order, evidence = self._decide()
            return Family(shape, order), evidence
        self._refuse_contradiction(given)
        return Family(shape, given), DateEvidence.GIVEN

    def _is_short_year_first(self) -> bool:
        if not self._short_year_first:
            return False
        korean = self._shape.separators == _KOREAN
        return self._changes[2] >= self._changes[0] + (0 if korean else _SHORT_YEAR_LEAD)

    def _refuse_contradiction(self, given: DateOrder) -> None:
        """Raises for a date that cannot be read as the caller wants, where no other date asks for it."""
        wanted, other = (0, 1) if given is DateOrder.DAY_FIRST else (1, 0)
        if self._witnesses[other] and not self._large[wanted]:
            words = given.name.lower().replace("_", " ")
            raise UnreadableExport(f"the date {self._witnesses[other]} cannot be read with the {words}")

    def _decide(self) -> tuple[DateOrder, DateEvidence]:
        for (day, month), evidence in (
            (self._large, DateEvidence.LARGE_NUMBER),
            (self._backward[::-1], DateEvidence.ORDER),
            (self._changes[:2], DateEvidence.CHANGES),
        ):
            if day != month:
                return DateOrder.DAY_FIRST if day > month else DateOrder.MONTH_FIRST, evidence
        return DateOrder.DAY_FIRST, DateEvidence.DEFAULT


class YearVotes:
    """Finds the year of the first date where dates name none.

    The first year that is named tells it; where none is, the last date is the latest before today.
    """

    def __init__(self, family: Family, today: date) -> None:
        """Take how the dates are read, and the day that none of them is after."""
        self._parts = family.parts
        self._today = today
        self._turns = 0
        self._last: tuple[int, int] | None = None
        self.missing = False
        self._first_year = 0

    def add(self, text: str) -> None:
        """Takes the date of the next head."""
        found = self._parts(text)
        if found is None:
            return
        year, month, day = found
        self.missing = self.missing or not year
        if self._first_year:
            return
        if self._last is not None:
            self._turns += year_turned(self._last, (month, day))
        self._last = month, day
        if year:
            self._first_year = year - self._turns

    @property
    def first_year(self) -> int:
        """The year; 0 where every date names its own."""
        if not self.missing or self._last is None:
            return 0
        if self._first_year:
            return self._first_year
        this_year = self._last <= (self._today.month, self._today.day)
        return self._today.year - (not this_year) - self._turns
