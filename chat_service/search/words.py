"""What the words of a question are looked for as."""

from collections.abc import Iterable

#: Words that questions are made of, in the languages that are met most; they say nothing about the answer.
_LISTED = (
    "what who whom whose when where why which how did does do was were is are am be been have has had "
    "the a an of to in on at and or that this it its they them their she he her his him for about with "
    "from as there any not que quien quienes cuando donde como cual cuales por para con el la los las "
    "de del un una en es era fue y o se su lo al esta estaba qui quoi quand ou comment pourquoi quel "
    "quelle quels quelles est etait le les des du une dans et il elle ils elles sur avec pour au aux ce "
    "cette sont ont qu a-t-il t d l wer wann wo wie warum welche welcher welches wen wem hat haben ist "
    "sind war waren der die das den dem ein eine einen einem auf im und oder zu von mit fur sie er uber "
    "als quem quando onde qual os um uma no na dos foi chi cosa dove perche quale gli i e nel nella di "
    "che sono "
)
_QUESTION_WORDS = frozenset(_LISTED.split())
#: So many words of a question are looked for at most.
_MOST = 16
#: A beginning of at least so many letters stands for a word's other forms, as "explod" for "exploded".
_STEM_CHARS = 4
_ENDING_CHARS = 2


def wanted(lexemes: Iterable[str], names: Iterable[str]) -> list[str]:
    """Answer the words of a question that may be in the answer, without those of the participants' names."""
    said_by = set(names)
    words = (word for word in dict.fromkeys(lexemes) if word not in _QUESTION_WORDS and word not in said_by)
    return list(words)[:_MOST]


def as_tsquery(word: str) -> str:
    """Answer what finds a word and its other forms."""
    if len(word) >= _STEM_CHARS and word.isalpha():
        return f"'{word[: max(_STEM_CHARS, len(word) - _ENDING_CHARS)]}':*"
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
