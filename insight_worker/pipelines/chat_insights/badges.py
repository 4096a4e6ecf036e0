"""badges: who is first in what, by a clear lead."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..interface import InsightResult, JsonValue
from .charts import table
from .definition import InsightType
from .digest import DAY_S, KINDS, LINK, QUESTION, Digest
from .night_owls import EARLY_HOURS, LATE_HOURS
from .numbers import median, rounded
from .people import leader, name
from .response_times import MIN_REPLIES, is_overnight, reply_seconds
from .wording import counted, duration, listed

MIN_OWN_MESSAGES = 20
"""Who wrote less takes no part: a rate of a few messages is chance."""


@dataclass
class _Doings:
    """What one author did."""

    messages: int = 0
    words: int = 0
    emoji: int = 0
    late: int = 0
    early: int = 0
    questions: int = 0
    links: int = 0
    openings: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    days: set[int] = field(default_factory=set)
    reply_seconds: list[int] = field(default_factory=list)

    @property
    def streak_days(self) -> int:
        """The longest run of days with a message of one's own."""
        runs = groupby(enumerate(sorted(self.days)), key=lambda pair: pair[1] - pair[0])
        return max((sum(1 for _ in run) for _, run in runs), default=0)

    @property
    def reply_median_s(self) -> float | None:
        """Half of the replies come within this time."""
        return median(self.reply_seconds) if len(self.reply_seconds) >= MIN_REPLIES else None


@dataclass(frozen=True)
class _Badge:
    """A badge: what is compared, how many events that is made from, and how it is said."""

    id: str
    title: str
    value: Callable[[_Doings], float]
    events: Callable[[_Doings], int]
    said: Callable[[_Doings], str]


def _rate(part: Callable[[_Doings], int]) -> Callable[[_Doings], float]:
    return lambda own: part(own) / own.messages


def _of_hundred(part: Callable[[_Doings], int], what: str) -> Callable[[_Doings], str]:
    return lambda own: f"{100 * part(own) / own.messages:.0f} of 100 messages {what}"


def _kind(badge_id: str, title: str, kind: str, noun: str) -> _Badge:
    return _Badge(
        badge_id,
        title,
        lambda own: own.kinds[kind],
        lambda own: own.kinds[kind],
        lambda own: counted(own.kinds[kind], noun),
    )


_BADGES: Sequence[_Badge] = (
    _Badge(
        "night_owl",
        "Night owl",
        _rate(lambda own: own.late),
        lambda own: own.late,
        _of_hundred(lambda own: own.late, "after midnight"),
    ),
    _Badge(
        "early_bird",
        "Early bird",
        _rate(lambda own: own.early),
        lambda own: own.early,
        _of_hundred(lambda own: own.early, "before eight"),
    ),
    _Badge(
        "novelist",
        "Novelist",
        _rate(lambda own: own.words),
        lambda own: own.messages,
        lambda own: f"{own.words / own.messages:.1f} words a message",
    ),
    _Badge(
        "speedster",
        "Speedster",
        lambda own: 1 / own.reply_median_s if own.reply_median_s else 0.0,
        lambda own: len(own.reply_seconds),
        lambda own: f"half of the replies within {duration(own.reply_median_s or 0)}",
    ),
    _Badge(
        "ice_breaker",
        "Conversation starter",
        lambda own: own.openings,
        lambda own: own.openings,
        lambda own: f"{counted(own.openings, 'conversation')} begun",
    ),
    _Badge(
        "streak_master",
        "Streak master",
        lambda own: own.streak_days,
        lambda own: own.streak_days,
        lambda own: f"{counted(own.streak_days, 'day')} in a row",
    ),
    _Badge(
        "emoji_star",
        "Emoji star",
        _rate(lambda own: own.emoji),
        lambda own: own.emoji,
        lambda own: f"{100 * own.emoji / own.messages:.0f} emoji to 100 messages",
    ),
    _Badge(
        "inquirer",
        "Inquirer",
        _rate(lambda own: own.questions),
        lambda own: own.questions,
        _of_hundred(lambda own: own.questions, "with a question"),
    ),
    _Badge(
        "link_sharer",
        "Link sharer",
        lambda own: own.links,
        lambda own: own.links,
        lambda own: counted(own.links, "message") + " with a link",
    ),
    _kind("shutterbug", "Shutterbug", "image", "picture"),
    _kind("director", "Director", "video", "video"),
    _kind("voice_actor", "Voice actor", "audio", "voice message"),
    _kind("sticker_fan", "Sticker fan", "sticker", "sticker"),
)


def make(digest: Digest) -> InsightResult:
    """The badges that somebody has earned. Nobody gets one alone: it takes others who could have."""
    doings = _doings(digest)
    taking_part = [author for author, own in enumerate(doings) if own.messages >= MIN_OWN_MESSAGES]
    won = [(badge, _holder(badge, doings, taking_part)) for badge in _BADGES] if len(taking_part) > 1 else []
    earned = [(badge, holder) for badge, holder in won if holder is not None]
    rows: list[JsonValue] = [
        {
            "badge": badge.id,
            "title": badge.title,
            "author": name(digest, holder),
            "value": rounded(badge.value(doings[holder]), 6),
            "said": badge.said(doings[holder]),
        }
        for badge, holder in earned
    ]
    cells = [[badge.title, name(digest, holder), badge.said(doings[holder])] for badge, holder in earned]
    data: dict[str, JsonValue] = {
        "chart": table(("Badge", "Who", "Why"), cells),
        "badges": rows,
        "people_taking_part": len(taking_part),
    }
    return InsightResult(data, _sentences(digest, earned, len(taking_part)))


def _doings(digest: Digest) -> list[_Doings]:
    doings = [_Doings() for _ in digest.names]
    for index, author in enumerate(digest.authors):
        own, hour, flags = doings[author], digest.hour(index), digest.flags[index]
        own.messages += 1
        own.words += digest.word_counts[index]
        own.emoji += len(digest.message_emoji(index))
        own.late += hour in LATE_HOURS
        own.early += hour in EARLY_HOURS
        own.questions += bool(flags & QUESTION)
        own.links += bool(flags & LINK)
        own.kinds[KINDS[digest.kinds[index]]] += 1
        own.days.add(digest.times[index] // DAY_S)
    for session in digest.conversation.sessions():
        doings[digest.authors[session.start]].openings += 1
    for _, index in digest.conversation.replies():
        seconds = reply_seconds(digest, index)
        if seconds is not None and not is_overnight(digest, index, seconds):
            doings[digest.authors[index]].reply_seconds.append(seconds)
    return doings


def _holder(badge: _Badge, doings: Sequence[_Doings], taking_part: Sequence[int]) -> int | None:
    return leader(
        taking_part, lambda author: badge.value(doings[author]), lambda author: badge.events(doings[author])
    )


def _sentences(digest: Digest, earned: Sequence[tuple[_Badge, int]], people: int) -> tuple[str, ...]:
    rule = (
        f"A badge takes a lead of a tenth over everybody else who wrote at least {MIN_OWN_MESSAGES} messages."
    )
    if people < 2:
        return ("Badges take two people who write enough to be compared.", rule)
    if not earned:
        return (f"None of the {counted(people, 'person', 'people')} is far enough ahead in anything.", rule)
    sentences = []
    for holder in sorted({holder for _, holder in earned})[:4]:
        titles = [badge.title for badge, author in earned if author == holder]
        sentences.append(f"{name(digest, holder)}: {listed(titles)}.")
    return (*sentences, rule)


INSIGHT = InsightType("badges", make)
