"""Page tokens."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import InvalidField
from servicekit.pages import PageTokens, page_size

TOKENS = PageTokens("secret")
QUERY = {"user_id": "alice", "types": [1, 2]}


@pytest.mark.parametrize(
    ("asked", "given"), [(0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)]
)
def test_the_page_size_has_a_default_and_a_maximum(asked: int, given: int) -> None:
    assert page_size(asked) == given


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidField, match="page_size"):
        page_size(-1)


@given(st.lists(st.text(max_size=64) | st.integers(), max_size=4))
def test_a_token_gives_its_key_back(key: list[str | int]) -> None:
    assert TOKENS.decode(TOKENS.encode("rows", key, QUERY), "rows", QUERY) == key


@given(st.text(max_size=100))
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidField, match="page_token"):
        TOKENS.decode(token, "rows", QUERY)


def test_a_token_of_another_query_list_or_secret_is_refused() -> None:
    token = TOKENS.encode("rows", [7], QUERY)
    for tokens, kind, query in (
        (TOKENS, "rows", {**QUERY, "user_id": "bob"}),
        (TOKENS, "columns", QUERY),
        (PageTokens("other"), "rows", QUERY),
    ):
        with pytest.raises(InvalidField):
            tokens.decode(token, kind, query)


def test_an_altered_token_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(TOKENS.encode("rows", [7], QUERY) + "=="))
    raw[-2] ^= 1
    with pytest.raises(InvalidField):
        TOKENS.decode(base64.urlsafe_b64encode(bytes(raw)).decode(), "rows", QUERY)
