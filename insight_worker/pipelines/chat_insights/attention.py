"""attention: writing again before an answer, and what stays without one."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from ..interface import InsightResult, JsonValue
from .charts import table
from .definition import InsightType
from .digest import DAY_S, QUESTION, Digest
from .numbers import share
from .people import labels, name, shown, unshown
from .wording import counted, listed, percent

DOUBLE_TEXT_GAP_S = 300
ANSWER_WITHIN_S = DAY_S
QUIET_S = (DAY_S, 2 * DAY_S)
THIN_QUESTIONS = 10
NEVER = -(2**62)
"""A time before all times."""


@dataclass
class _Attention:
    """Counts of one author."""

    turns: int = 0
    double_texts: int = 0
    questions: int = 0
    answered: int = 0
    unanswered: int = 0
    quiet_24_h: int = 0
    quiet_48_h: int = 0


def make(digest: Digest) -> InsightResult:
    """Double texts, answered and unanswered questions, and last words that stayed alone for a day or two."""
    people = [_Attention() for _ in digest.names]
    replies = _next_by_others(digest)
    _count_turns(digest, people)
    _count_questions(digest, people, replies)
    _count_quiet(digest, people, replies)
    columns = ["author", "double texts", "questions", "answered", "unanswered", "24 h alone", "48 h alone"]
    rows = [_row(label, people[author]) for author, label in enumerate(labels(digest))]
    data: dict[str, JsonValue] = {
        "chart": table(columns, [_cells(row) for row in rows]),
        "rows": rows,
        "others": {"authors": unshown(digest)},
        "question_count": sum(own.questions for own in people),
        "answered_count": sum(own.answered for own in people),
        "unanswered_count": sum(own.unanswered for own in people),
    }
    return InsightResult(data, _sentences(digest, people))


def _next_by_others(digest: Digest) -> "array[int]":
    """For each message, the time of the next one by somebody else; NEVER when there is none."""
    times = array("q", [NEVER]) * len(digest)
    for index in range(len(digest) - 2, -1, -1):
        changes = digest.authors[index + 1] != digest.authors[index]
        times[index] = digest.times[index + 1] if changes else times[index + 1]
    return times


def _count_turns(digest: Digest, people: Sequence[_Attention]) -> None:
    times = digest.times
    for turn in digest.conversation.turns():
        own = people[digest.authors[turn.start]]
        own.turns += 1
        own.double_texts += any(
            times[index + 1] - times[index] >= DOUBLE_TEXT_GAP_S for index in range(turn.start, turn.last)
        )


def _count_questions(digest: Digest, people: Sequence[_Attention], replies: "array[int]") -> None:
    """Answered: somebody else wrote within 24 h. Still open when the chat ends: neither."""
    for index, flags in enumerate(digest.flags):
        if not flags & QUESTION:
            continue
        own = people[digest.authors[index]]
        own.questions += 1
        waited = _waited(digest, index, replies)
        if replies[index] != NEVER and waited <= ANSWER_WITHIN_S:
            own.answered += 1
        elif waited > ANSWER_WITHIN_S:
            own.unanswered += 1


def _count_quiet(digest: Digest, people: Sequence[_Attention], replies: "array[int]") -> None:
    for session in digest.conversation.sessions():
        own = people[digest.authors[session.last]]
        waited = _waited(digest, session.last, replies)
        own.quiet_24_h += waited > QUIET_S[0]
        own.quiet_48_h += waited > QUIET_S[1]


def _waited(digest: Digest, index: int, replies: "array[int]") -> int:
    """Seconds from a message to the next one by somebody else, or to the end of the chat."""
    reply = replies[index]
    return (digest.times[-1] if reply == NEVER else reply) - digest.times[index]


def _row(label: str, own: _Attention) -> dict[str, JsonValue]:
    return {
        "author": label,
        "turns": own.turns,
        "double_texts": own.double_texts,
        "double_text_share": share(own.double_texts, own.turns),
        "questions": own.questions,
        "answered": own.answered,
        "unanswered": own.unanswered,
        "quiet_24_h": own.quiet_24_h,
        "quiet_48_h": own.quiet_48_h,
    }


def _cells(row: dict[str, JsonValue]) -> list[JsonValue]:
    keys = ("author", "double_texts", "questions", "answered", "unanswered", "quiet_24_h", "quiet_48_h")
    return [row[key] for key in keys]


def _sentences(digest: Digest, people: Sequence[_Attention]) -> tuple[str, ...]:
    top = shown(digest, 3)
    doubles = [
        f"{name(digest, a)} in {percent(share(people[a].double_texts, people[a].turns))} "
        f"of {counted(people[a].turns, 'turn')}"
        for a in top
    ]
    questions = sum(own.questions for own in people)
    answered = sum(own.answered for own in people)
    sentences = [f"Writing again after five minutes or more without an answer: {listed(doubles)}."]
    if questions:
        asked = [f"{name(digest, a)} asked {people[a].questions:,}" for a in top]
        sentences.append(
            f"Of {counted(questions, 'question')}, {listed(asked)}; {percent(answered / questions)} were "
            "followed by somebody else's message within a day."
        )
    else:
        sentences.append("Nobody asked a question with a question mark.")
    alone = [f"{people[a].quiet_24_h:,} of {name(digest, a)}" for a in top]
    sentences.append(f"Last words that stayed without an answer for more than a day: {listed(alone)}.")
    if questions < THIN_QUESTIONS:
        sentences.append("There are too few questions to read anything into the answers.")
    return tuple(sentences)


INSIGHT = InsightType("attention", make, min_authors=2)
