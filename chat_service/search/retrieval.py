"""Finds the chunks of a chat that answer a question: by words and by meaning, both ranks fused."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.search import words
from chat_service.search.embedding import Vector, to_text
from chat_service.search.fusion import rank_chunks
from servicekit.driver import in_driver_transaction

#: The best of each ranking that are fused.
_BEST = 60
#: Messages that rank the chunks by meaning: those that fit best.
_MESSAGES = 500
#: Vectors that are all compared exactly, which is as fast as to find candidates among them and finds more.
#: Of more than that, those are compared whose signs are nearest.
_EXACT = 10_000
#: A chunk counts by words when it holds at least this part of the question's words, the rare ones weighing
#: more.
_LEAST_PART = 0.55


@dataclass(frozen=True, slots=True)
class Filters:
    """What the search is limited to; empty and None mean no limit."""

    authors: tuple[str, ...] = ()
    from_local_time: datetime | None = None
    to_local_time: datetime | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self.authors) or self.from_local_time is not None or self.to_local_time is not None


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and where."""

    user_id: str
    chat_id: uuid.UUID
    question: str
    #: Chunks that the chat's index has.
    chunk_count: int
    #: Vectors that it has.
    vector_count: int
    participants: Sequence[str]
    filters: Filters = field(default_factory=Filters)
    limit: int = 8
    #: Which rankings count; one is off only to measure what it is worth.
    by_words: bool = True
    by_meaning: bool = True


_OF_CHAT = "user_id = $1 AND chat_id = $2"
_FILTER = (
    "(cardinality($3::text[]) = 0 OR authors && $3::text[]) "
    "AND ($4::timestamp IS NULL OR last_local_time >= $4::timestamp) "
    "AND ($5::timestamp IS NULL OR first_local_time < $5::timestamp)"
)
_LEXEMES = """
    SELECT tsvector_to_array(to_tsvector('chat_words', $1)), tsvector_to_array(to_tsvector('chat_words', $2))
"""
# What a parameter stands for is worked out once and not a row: hence the first part of each statement.
_ALL = f"""
    WITH question AS MATERIALIZED (SELECT ${{place}}::text::halfvec AS vector)
    SELECT chunk_number, -(embedding <#> (SELECT vector FROM question)) AS fit
    FROM chat_signs JOIN chat_vectors USING (user_id, chat_id, number)
    WHERE {_OF_CHAT} {{only}}
    ORDER BY fit DESC LIMIT {_MESSAGES}
"""  # noqa: S608  # made of constants
# The numbers are given as a list: so the index is gone through once, and not once for each of them.
_NEAR = f"""
    WITH question AS MATERIALIZED (
        SELECT ${{place}}::text::halfvec AS vector, binary_quantize(${{place}}::text::halfvec) AS signs
    ), near AS MATERIALIZED (
        SELECT number, chunk_number FROM chat_signs
        WHERE {_OF_CHAT} {{only}}
        ORDER BY signs <~> (SELECT signs FROM question) LIMIT {_MESSAGES}
    )
    SELECT near.chunk_number, -(embedding <#> (SELECT vector FROM question)) AS fit
    FROM near JOIN chat_vectors USING (number)
    WHERE {_OF_CHAT} AND number = ANY (ARRAY(SELECT number FROM near))
"""  # noqa: S608  # made of constants
_ONLY = f"AND chunk_number IN (SELECT number FROM chat_chunks WHERE {_OF_CHAT} AND {_FILTER})"  # noqa: S608  # the same


async def by_meaning(engine: AsyncEngine, wanted: Search, vector: Vector) -> list[int]:
    """Rank the chunks whose messages mean what the question's vector does; raises `DatabaseUnavailable`."""
    sql = _ALL if wanted.vector_count <= _EXACT else _NEAR
    if wanted.filters.any:
        sql, scope = sql.format(only=_ONLY, place=6), _scope(wanted)
    else:
        sql, scope = sql.format(only="", place=3), (wanted.user_id, wanted.chat_id)

    async def work(connection: Any) -> list[int]:
        rows = await connection.fetch(sql, *scope, to_text(vector))
        return rank_chunks(rows)[:_BEST]

    return await in_driver_transaction(engine, work)


async def by_words(engine: AsyncEngine, wanted: Search) -> list[int]:
    """Rank the chunks that hold the question's words; raises `DatabaseUnavailable`."""
    return await in_driver_transaction(engine, partial(_by_words, wanted=wanted))


async def _by_words(connection: Any, wanted: Search) -> list[int]:
    names = " ".join(wanted.participants)
    lexemes, name_lexemes = await connection.fetchrow(_LEXEMES, wanted.question, names)
    looked_for = words.wanted(lexemes, name_lexemes)
    if not looked_for:
        return []
    queries = [words.as_tsquery(word) for word in looked_for]
    sql = _words_sql(len(queries))
    rows = await connection.fetch(sql, *_scope(wanted), wanted.chunk_count, *queries)
    return [row[0] for row in rows]


def _scope(wanted: Search) -> tuple[Any, ...]:
    filters = wanted.filters
    times = (filters.from_local_time, filters.to_local_time)
    return (wanted.user_id, wanted.chat_id, list(filters.authors), *times)


def _words_sql(count: int) -> str:
    """Answer what ranks chunks by the words they hold, each weighing by how few chunks have it.

    $6 is the number of chunks, $7 and on are the words. The weight is that of BM25 (its idf); how often a
    word is in a chunk does not count, since chunks are short.
    """
    places = range(count)
    given = ", ".join(f"${7 + place}::text::tsquery AS q{place}" for place in places)
    some = " || ".join(f"${7 + place}::text::tsquery" for place in places)
    has = ", ".join(f"(words @@ (SELECT q{place} FROM question))::int AS w{place}" for place in places)  # noqa: S608  # numbers only
    weights = ", ".join(
        f"ln(1 + (greatest($6::int - sum(w{place}), 0) + 0.5) / (sum(w{place}) + 0.5)) AS i{place}"
        for place in places
    )
    score = " + ".join(f"w{place} * i{place}" for place in places)
    total = " + ".join(f"i{place}" for place in places)
    return f"""
        WITH question AS MATERIALIZED (SELECT {given}, {some} AS any_word),
        hit AS MATERIALIZED (
            SELECT number, {has} FROM chat_chunks
            WHERE {_OF_CHAT} AND {_FILTER} AND words @@ (SELECT any_word FROM question)
        ), weight AS (SELECT {weights} FROM hit)
        SELECT number FROM hit, weight WHERE {score} >= {_LEAST_PART} * ({total})
        ORDER BY {score} DESC, number LIMIT {_BEST}
    """  # noqa: S608  # made of numbers and constants
