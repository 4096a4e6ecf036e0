"""working_hours: how much is written in office hours, and by whom outside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..interface import InsightResult, JsonValue
from .calendar import weekday
from .charts import bars
from .conversation import SESSION_GAP_S
from .definition import MAX_DETAILED_AUTHORS, InsightType
from .digest import Digest
from .numbers import median, share
from .people import labels, leader, name, shown, unshown
from .response_times import MIN_REPLIES, is_overnight, reply_seconds
from .wording import duration, percent

OFFICE_HOURS = range(9, 18)
OFFICE_DAYS = range(5)
MIN_OWN_MESSAGES = 20


@dataclass
class _Hours:
    """Messages and reply times of one author, inside and outside office hours."""

    inside: int = 0
    weekend: int = 0
    messages: int = 0
    inside_replies: list[int] = field(default_factory=list)
    outside_replies: list[int] = field(default_factory=list)

    @property
    def outside(self) -> int:
        return self.messages - self.inside


def make(digest: Digest) -> InsightResult:
    """The share of messages on Mon–Fri 09:00–17:59 by author, and reply times inside and outside."""
    hours = _hours(digest)
    people = shown(digest, MAX_DETAILED_AUTHORS)
    inside = sum(own.inside for own in hours)
    data: dict[str, JsonValue] = {
        "chart": bars(
            labels(digest, MAX_DETAILED_AUTHORS),
            [
                ("office hours", [hours[author].inside for author in people]),
                ("outside", [hours[author].outside for author in people]),
            ],
            "messages",
        ),
        "rows": [_row(label, hours[author]) for author, label in enumerate(labels(digest))],
        "others": {"authors": unshown(digest)},
        "inside_share": share(inside, len(digest)),
        "outside_share": share(len(digest) - inside, len(digest)),
        "weekend_share": share(sum(own.weekend for own in hours), len(digest)),
        "inside_median_reply_s": _typical([seconds for own in hours for seconds in own.inside_replies]),
        "outside_median_reply_s": _typical([seconds for own in hours for seconds in own.outside_replies]),
    }
    return InsightResult(data, _sentences(digest, hours, data))


def is_office_time(digest: Digest, index: int) -> bool:
    """Whether a message was written on Monday to Friday from 09:00 to 17:59."""
    return digest.hour(index) in OFFICE_HOURS and weekday(digest.days[index]) in OFFICE_DAYS


def _hours(digest: Digest) -> list[_Hours]:
    hours = [_Hours() for _ in digest.names]
    for index, author in enumerate(digest.authors):
        own = hours[author]
        own.messages += 1
        own.inside += is_office_time(digest, index)
        own.weekend += weekday(digest.days[index]) not in OFFICE_DAYS
    for before, index in digest.conversation.replies():
        seconds = reply_seconds(digest, index)
        if seconds is not None and seconds < SESSION_GAP_S and not is_overnight(digest, index, seconds):
            own = hours[digest.authors[index]]
            replies = own.inside_replies if is_office_time(digest, before) else own.outside_replies
            replies.append(seconds)
    return hours


def _typical(times: Sequence[int]) -> float | None:
    return median(times) if len(times) >= MIN_REPLIES else None


def _row(label: str, own: _Hours) -> dict[str, JsonValue]:
    return {
        "author": label,
        "messages": own.messages,
        "inside_share": share(own.inside, own.messages),
        "outside_share": share(own.outside, own.messages),
        "weekend_share": share(own.weekend, own.messages),
        "inside_median_reply_s": _typical(own.inside_replies),
        "outside_median_reply_s": _typical(own.outside_replies),
    }


def _sentences(digest: Digest, hours: Sequence[_Hours], data: dict[str, JsonValue]) -> tuple[str, ...]:
    inside = sum(own.inside for own in hours)
    weekend = sum(own.weekend for own in hours)
    total = len(digest)
    sentences = [
        f"{percent(inside / total)} of the messages were written from Monday to Friday between nine and six, "
        f"{percent(1 - inside / total)} outside that, {percent(weekend / total)} at weekends."
    ]
    named = [author for author, own in enumerate(hours) if own.messages >= MIN_OWN_MESSAGES]
    late = leader(named, lambda a: hours[a].outside / hours[a].messages, lambda a: hours[a].outside)
    if late is not None and len(named) > 1:
        part = percent(hours[late].outside / hours[late].messages)
        sentences.append(
            f"The largest part outside office hours is {name(digest, late)}'s: {part} of the own messages."
        )
    within, without = data["inside_median_reply_s"], data["outside_median_reply_s"]
    if isinstance(within, float) and isinstance(without, float):
        sentences.append(
            f"A reply takes {duration(within)} in office hours and {duration(without)} outside (medians)."
        )
    else:
        sentences.append(
            "There are too few replies to compare how fast they come inside and outside office hours."
        )
    return tuple(sentences)


INSIGHT = InsightType("working_hours", make)
