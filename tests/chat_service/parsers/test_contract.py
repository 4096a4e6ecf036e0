"""The parsers' own enums are those of the contract, without importing it."""

from enum import IntEnum
from typing import Any

import pytest

from chat_service.parsers import PARSERS, ChatFormat, DateEvidence, DateOrder, MessageKind
from protos.chat.v1 import chat_pb2


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (MessageKind, chat_pb2.MessageKind, "MESSAGE_KIND_"),
        (DateOrder, chat_pb2.DateOrder, "DATE_ORDER_"),
        (ChatFormat, chat_pb2.ChatFormat, "CHAT_FORMAT_"),
        (DateEvidence, chat_pb2.DateEvidence, "DATE_EVIDENCE_"),
    ],
)
def test_names_and_numbers_are_those_of_the_contract(ours: type[IntEnum], theirs: Any, prefix: str) -> None:
    contract = {name.removeprefix(prefix): number for name, number in theirs.items()}
    contract = {name: number for name, number in contract.items() if name != "UNSPECIFIED"}

    assert {kind.name: kind.value for kind in ours if kind.name != "UNSPECIFIED"} == contract


def test_every_format_has_its_parser() -> None:
    assert {chat_format: parser.format for chat_format, parser in PARSERS.items()} == {
        chat_format: chat_format for chat_format in ChatFormat
    }
