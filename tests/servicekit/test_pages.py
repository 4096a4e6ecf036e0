"""Page tokens."""

import base64

import pytest
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import InvalidField
from servicekit.pages import PAGE_BYTES, PageTokens, cut_page, page_size

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


def cut(sizes: list[int], size: int) -> tuple[int, bool]:
    """Cut a page of rows of about so many bytes, and answer how many are on it and whether more follow."""
    page, more = cut_page(sizes, size, lambda length: BytesValue(value=bytes(length)))
    return len(page), more


@pytest.mark.parametrize(
    ("rows", "size", "page"),
    [
        ([], 5, (0, False)),
        ([9] * 5, 5, (5, False)),
        ([9] * 6, 5, (5, True)),
        ([PAGE_BYTES // 2 - 9] * 2, 5, (2, False)),
        ([PAGE_BYTES // 2] * 2, 5, (1, True)),
        ([PAGE_BYTES * 3, 9], 5, (1, True)),
        ([9, PAGE_BYTES * 3], 5, (1, True)),
    ],
)
def test_a_page_ends_before_it_is_too_large_but_never_empty(
    rows: list[int], size: int, page: tuple[int, bool]
) -> None:
    assert cut(rows, size) == page
