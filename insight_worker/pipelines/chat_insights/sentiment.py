"""sentiment: how positive the words are, month by month."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from ...lexicons import LANGUAGES
from ..interface import InsightResult, JsonValue
from .calendar import iso_month, month_number, spoken_month
from .charts import lines
from .definition import InsightType
from .digest import Digest
from .emojis import plain
from .languages import spoken_languages
from .lexicon import emoji_valence, feelings
from .numbers import mean, share
from .people import labels, name, shown, unshown
from .wording import counted, listed, percent

NEGATION_REACH = 3
"""A negation turns the words of feeling among the next three words..."""
NEGATION_FACTOR = -0.5
"""...into half of their opposite: "not good" is bad, but less so than "bad"."""
DAMPING = 15.0
"""score = sum / sqrt(sum² + 15), between -1 and 1."""
NEUTRAL = 0.05
MAX_LINES = 6
MAX_MONTHS = 120
MIN_MONTH_MESSAGES = 5
THIN_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class _Weights:
    """The lexicon by word id and emoji id."""

    words: dict[int, int]
    negations: frozenset[int]
    emoji: dict[int, int]

    @classmethod
    def of(cls, digest: Digest, languages: Sequence[str]) -> "_Weights":
        """Looks every word of the chat up once; the first language that knows a word decides."""
        lexicons = [feelings(language) for language in languages]
        words: dict[int, int] = {}
        negations: set[int] = set()
        for number, word in enumerate(digest.vocabulary):
            if any(word in lexicon.negations for lexicon in lexicons):
                negations.add(number)
                continue
            weight = next((w for w in (lexicon.weight(word) for lexicon in lexicons) if w is not None), None)
            if weight is not None:
                words[number] = weight
        valence = emoji_valence()
        emoji = {n: valence[plain(e)] for n, e in enumerate(digest.emoji_table) if plain(e) in valence}
        return cls(words, frozenset(negations), emoji)


def make(digest: Digest) -> InsightResult:
    """Scores of messages with a word or emoji of feeling: mean by author, by author and month."""
    spoken = spoken_languages(digest)
    used = [language for language, _ in spoken if language in LANGUAGES] or ([] if spoken else ["en"])
    scores = _scores(digest, _Weights.of(digest, used))
    months = _months(digest, scores)
    listed_months = (
        range(max(min(months), max(months) - MAX_MONTHS + 1), max(months) + 1) if months else range(0)
    )
    monthly = [months.get(month, {}) for month in listed_months]
    by_author: list[list[float]] = [[] for _ in digest.names]
    for index, score in scores:
        by_author[digest.authors[index]].append(score)
    people = shown(digest, MAX_LINES)
    data: dict[str, JsonValue] = {
        "chart": lines(
            [iso_month(month) for month in listed_months],
            [
                (label, [_monthly_mean(cells, author) for cells in monthly])
                for author, label in zip(people, labels(digest, MAX_LINES), strict=True)
            ],
            "mean score, -1 to 1",
        ),
        "rows": [
            _row(digest, author, label, by_author[author]) for author, label in enumerate(labels(digest))
        ],
        "others": {"authors": unshown(digest)},
        "overall_mean": _mean([score for _, score in scores]),
        "scored_messages": len(scores),
        "coverage": share(len(scores), len(digest)),
        "languages": used,
    }
    return InsightResult(data, _sentences(digest, [score for _, score in scores], by_author, months, used))


def _scores(digest: Digest, weights: _Weights) -> list[tuple[int, float]]:
    """(message index, score) of the messages in which the lexicon finds something."""
    scores = []
    known, known_emoji = weights.words.keys(), weights.emoji.keys()
    for index in range(len(digest)):
        words = digest.message_words(index)
        emoji = digest.message_emoji(index)
        if known.isdisjoint(words) and known_emoji.isdisjoint(emoji):
            continue
        total = _word_sum(words, weights) + sum(weights.emoji.get(number, 0) for number in emoji)
        scores.append((index, total / sqrt(total * total + DAMPING)))
    return scores


def _word_sum(words: "array[int]", weights: _Weights) -> float:
    """The weights of a message's words, turned where a negation stands shortly before."""
    total, negated_until = 0.0, -1
    for place, word in enumerate(words):
        if word in weights.negations:
            negated_until = place + NEGATION_REACH
        weight = weights.words.get(word)
        if weight is not None:
            total += weight * (NEGATION_FACTOR if place <= negated_until else 1)
    return total


Months = dict[int, dict[int, list[float]]]


def _months(digest: Digest, scores: Sequence[tuple[int, float]]) -> Months:
    """Month to author to scores."""
    by_day: dict[int, int] = {}
    months: Months = defaultdict(lambda: defaultdict(list))
    for index, score in scores:
        day = digest.days[index]
        month = by_day.get(day)
        if month is None:
            month = by_day[day] = month_number(day)
        months[month][digest.authors[index]].append(score)
    return months


def _mean(scores: Sequence[float]) -> float | None:
    value = mean(scores)
    return None if value is None else round(value, 4)


def _monthly_mean(cells: dict[int, list[float]], author: int) -> float | None:
    scores = cells.get(author, [])
    return _mean(scores) if len(scores) >= MIN_MONTH_MESSAGES else None


def _row(digest: Digest, author: int, label: str, scores: Sequence[float]) -> dict[str, JsonValue]:
    return {
        "author": label,
        "scored_messages": len(scores),
        "coverage": share(len(scores), digest.counts[author]),
        "mean": _mean(scores),
        "positive_share": share(sum(score > NEUTRAL for score in scores), len(scores)),
        "negative_share": share(sum(score < -NEUTRAL for score in scores), len(scores)),
    }


def _sentences(
    digest: Digest, scores: list[float], by_author: list[list[float]], months: Months, used: list[str]
) -> tuple[str, ...]:
    if not scores:
        return (
            "None of the words and emoji here is in the lists of feelings, so the tone stays open.",
            "The lists know English, German, Spanish, French, Portuguese, Italian and Dutch.",
        )
    bright = sum(score > NEUTRAL for score in scores)
    sentences = [
        f"{counted(len(scores), 'message')} of {len(digest):,} hold a word or emoji of feeling; "
        f"{percent(bright / len(scores))} of them are positive."
    ]
    means = [(a, _mean(by_author[a])) for a in shown(digest, 3) if len(by_author[a]) >= MIN_MONTH_MESSAGES]
    parts = [f"{value:+.2f} for {name(digest, a)}" for a, value in means if value is not None]
    if parts:
        sentences.append(f"On a scale from -1 to 1 the mean is {listed(parts)}.")
    brightest = _brightest(months)
    if brightest is not None:
        sentences.append(f"The brightest month was {spoken_month(brightest)}.")
    sentences.append(
        "Words are counted, not understood: irony and context escape this."
        if used
        else "Only emoji were counted: there is no list of words for this language."
    )
    if len(scores) < THIN_MESSAGES:
        sentences.append("That is little to go by.")
    return tuple(sentences)


def _brightest(months: Months) -> int | None:
    """The month with the highest mean, of those with enough messages; None where there is only one."""
    means = {}
    for month, cells in months.items():
        scores = [score for author in sorted(cells) for score in cells[author]]
        if len(scores) >= 2 * MIN_MONTH_MESSAGES:
            means[month] = sum(scores) / len(scores)
    return min(means, key=lambda month: (-means[month], month)) if len(means) > 1 else None


INSIGHT = InsightType("sentiment", make)
