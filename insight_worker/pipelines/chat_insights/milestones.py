"""milestones: the first message, the round numbers and the records."""

from collections import Counter

from ..interface import InsightResult, JsonValue
from .calendar import iso_day, iso_time, spoken_day, spoken_day_of
from .charts import table
from .definition import InsightType
from .digest import Digest
from .people import name
from .wording import counted

ROUND_STEP = 1_000
MAX_ROUND_NUMBERS = 12
"""How many round numbers are listed; with more messages the steps grow."""


def make(digest: Digest) -> InsightResult:
    """The first message, every so-many-thousandth, and what was longest or most."""
    rounds = [_round(digest, number) for number in _round_numbers(len(digest))]
    records = _records(digest)
    rows = [
        [str(item["what"]), str(item["when"]), item["author"] or "", str(item["value"])]
        for item in (*records, *rounds)
    ]
    data: dict[str, JsonValue] = {
        "chart": table(["what", "when", "who", "how much"], rows),
        "records": records,
        "round_numbers": rounds,
        "message_count": len(digest),
    }
    return InsightResult(data, _sentences(digest, records))


def _round_numbers(count: int) -> list[int]:
    """1,000, 2,000 and so on, in round steps that grow so that at most twelve are listed."""
    step, factor = ROUND_STEP, 0
    while count // step > MAX_ROUND_NUMBERS:
        step = step * 5 // 2 if factor % 3 == 1 else step * 2
        factor += 1
    return list(range(step, count + 1, step))


def _round(digest: Digest, number: int) -> dict[str, JsonValue]:
    index = number - 1
    return _item(f"message {number:,}", iso_time(digest.times[index]), digest.authors[index], number, digest)


def _item(what: str, when: str, author: int | None, value: int, digest: Digest) -> dict[str, JsonValue]:
    who = None if author is None else name(digest, author)
    return {"what": what, "when": when, "author": who, "value": value, "excerpt": None}


def _records(digest: Digest) -> list[dict[str, JsonValue]]:
    first = _item("first message", iso_time(digest.times[0]), digest.authors[0], 1, digest)
    if digest.first is not None and digest.first.index == 0:
        first["excerpt"] = digest.first.text
    records = [first]
    if digest.longest is not None:
        index = digest.longest.index
        size = digest.characters[index]
        longest = _item("longest message", iso_time(digest.times[index]), digest.authors[index], size, digest)
        records.append(longest | {"excerpt": digest.longest.text})
    return [*records, *_day_records(digest), *_run_records(digest)]


def _day_records(digest: Digest) -> list[dict[str, JsonValue]]:
    messages, words = Counter(digest.days), Counter[int]()
    for day, count in zip(digest.days, digest.word_counts, strict=True):
        words[day] += count
    titled = (("most messages in a day", messages), ("most words in a day", words))
    return [_item(what, iso_day(_top(counts)), None, counts[_top(counts)], digest) for what, counts in titled]


def _run_records(digest: Digest) -> list[dict[str, JsonValue]]:
    """The session and the turn with most messages."""
    session = max(digest.conversation.sessions(), key=len)
    turn = max(digest.conversation.turns(), key=len)
    start = iso_time(digest.times[session.start])
    return [
        _item("longest conversation", start, digest.authors[session.start], len(session), digest),
        _item(
            "most messages in a row",
            iso_time(digest.times[turn.start]),
            digest.authors[turn.start],
            len(turn),
            digest,
        ),
    ]


def _top(counts: Counter[int]) -> int:
    return min(counts, key=lambda key: (-counts[key], key))


def _sentences(digest: Digest, records: list[dict[str, JsonValue]]) -> tuple[str, ...]:
    messages, words = (
        Counter(digest.days),
        {str(item["what"]): item for item in records}["most words in a day"],
    )
    top = _top(messages)
    sentences = [
        f"It began on {spoken_day_of(digest.times[0])} with a message by {name(digest, digest.authors[0])}.",
        f"The record day was {spoken_day(top)} with {counted(messages[top], 'message')}; "
        f"the most words in one day were {words['value']:,}.",
    ]
    if digest.longest is not None:
        author = digest.authors[digest.longest.index]
        size = digest.characters[digest.longest.index]
        sentences.append(
            f"The longest message is {name(digest, author)}'s, with {counted(size, 'character')}."
        )
    if len(digest) >= ROUND_STEP:
        number = _round_numbers(len(digest))[-1]
        when = spoken_day_of(digest.times[number - 1])
        sentences.append(
            f"Message number {number:,} was {name(digest, digest.authors[number - 1])}'s, on {when}."
        )
    return tuple(sentences)


INSIGHT = InsightType("milestones", make)
