"""From the instants and times of a file to local times, and whose time that is."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chat_service.parsers.entries import NotUnderstood

_NO_TIME = (ValueError, OverflowError, OSError)


class Clock:
    """Gives local times without a zone, in whole seconds; `time_zone` names the zone once all were read.

    With a zone given every instant becomes the local time there. Without one an instant becomes UTC,
    and a time that the file writes as a local one stays as written.
    """

    def __init__(self, time_zone: str) -> None:
        self._given = time_zone
        self._zone = ZoneInfo(time_zone) if time_zone else None
        self._unknown = False

    @property
    def time_zone(self) -> str:
        """IANA name of the zone of all times given so far; empty where the file does not tell."""
        return self._given or ("" if self._unknown else "UTC")

    @property
    def has_zone(self) -> bool:
        """Whether the caller said which zone is wanted."""
        return self._zone is not None

    def of_instant(self, seconds: int) -> datetime:
        """The local time of a Unix time. Raises NotUnderstood where no calendar has it."""
        try:
            return datetime.fromtimestamp(seconds, self._zone or UTC).replace(tzinfo=None)
        except _NO_TIME:
            raise NotUnderstood("a time between the years 1 and 9999") from None

    def of_local(self, text: str) -> datetime:
        """An ISO time without a zone, as the file writes it. Raises NotUnderstood."""
        self._unknown = True
        return _parsed(text).replace(microsecond=0, tzinfo=None)

    def of_offset(self, text: str) -> datetime:
        """An ISO time with its distance from UTC: local there, or as written. Raises NotUnderstood."""
        moment = _parsed(text)
        offset = moment.utcoffset()
        if offset is not None and self._zone is not None:
            try:
                moment = moment.astimezone(self._zone)
            except _NO_TIME:
                raise NotUnderstood("a time between the years 1 and 9999") from None
        self._unknown = self._unknown or offset != timedelta(0)
        return moment.replace(microsecond=0, tzinfo=None)


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise NotUnderstood("a time such as 2024-12-31T18:30:00") from None
