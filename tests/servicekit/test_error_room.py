"""An error of any size reaches its caller as itself, over a real connection; what does not fit is counted."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.ops.v1 import ops_pb2, ops_pb2_grpc
from servicekit.context import REQUEST_ID_HEADER
from servicekit.error_room import MAX_STATUS_BYTES, JsonValue, Listed
from servicekit.errors import ServiceError, Violation, from_rpc_error, to_rpc_status
from servicekit.grpc_server import ServerSpec
from servicekit.settings import KitSettings
from tests.served import ServedApp

#: What clients of gRPC take of headers by default, and what each header adds to its texts.
_CLIENTS_TAKE_BYTES = 8_192
_HEADER_BYTES = 32
_LONGEST_REQUEST_ID = "r" * 128

long_texts = st.builds(
    lambda letter, count: letter * count, st.sampled_from("a日😀\n%"), st.integers(1, 3_000)
)
texts = st.text() | long_texts
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


class TooMuch(ServiceError):
    """A domain error of an imaginary room."""

    reason = "TOO_MUCH"
    code = grpc.StatusCode.INVALID_ARGUMENT


errors = st.builds(
    TooMuch,
    texts,
    metadata=st.dictionaries(st.text(min_size=1, max_size=64), texts, max_size=40),
    lists=st.dictionaries(st.text(min_size=1, max_size=64), st.lists(json_values, max_size=300), max_size=3),
    violations=st.lists(st.builds(Violation, texts, texts), max_size=20),
    retry_after_s=st.none() | st.floats(allow_nan=False),
)


class Raising(ops_pb2_grpc.OpsServiceServicer):
    """Raises what the test says."""

    raises: ServiceError

    async def GetPoolStatus(self, request: Any, context: Any) -> ops_pb2.GetPoolStatusResponse:
        raise self.raises


class Scripted:
    """An app of this one servicer."""

    def __init__(self, servicer: Raising) -> None:
        def register(server: grpc.aio.Server) -> list[str]:
            ops_pb2_grpc.add_OpsServiceServicer_to_server(servicer, server)
            return ["ops.v1.OpsService"]

        self.spec = ServerSpec("raising", KitSettings(), 0, "HOLDFAST_RAISING_PORT", register, self._check)

    async def _check(self) -> None:
        return None

    async def close(self) -> None:
        """Close nothing."""


class Caller:
    """A client that lets the server raise an error and hands over what arrives."""

    def __init__(self, servicer: Raising, channel: grpc.Channel) -> None:
        self._servicer = servicer
        self._stub = ops_pb2_grpc.OpsServiceStub(channel)

    def failure(self, error: ServiceError) -> grpc.RpcError:
        self._servicer.raises = error
        request, named = ops_pb2.GetPoolStatusRequest(), ((REQUEST_ID_HEADER, _LONGEST_REQUEST_ID),)
        with pytest.raises(grpc.RpcError) as caught:
            self._stub.GetPoolStatus(request, timeout=10, metadata=named)
        return caught.value


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """A client of a real server; gRPC's own limits hold on both sides."""
    servicer = Raising()
    with (
        ServedApp(lambda: Scripted(servicer), Scripted.close) as served,
        grpc.insecure_channel(served.target) as channel,
    ):
        yield Caller(servicer, channel)


@settings(max_examples=60)
@given(error=errors)
def test_whatever_an_error_holds_it_arrives_as_itself(caller: Caller, error: TooMuch) -> None:
    received = from_rpc_error(caller.failure(error), {"TOO_MUCH": TooMuch})
    # then it has its type, and every list is a list whose values are the first ones that fit
    assert isinstance(received, TooMuch)
    for key, listed in received.lists.items():
        given_values = error.lists[key].values
        assert len(listed.values) + listed.left_out == len(given_values)
        assert _in_order(listed.values, given_values)
    # and what is sent on by the next service arrives too
    again = from_rpc_error(caller.failure(received), {"TOO_MUCH": TooMuch})
    assert again.lists == received.lists


def _in_order(some: tuple[JsonValue, ...], of: tuple[JsonValue, ...]) -> bool:
    """Whether some values are among those of a list, in its order."""
    rest = iter(map(json.dumps, of))
    return all(json.dumps(value) in rest for value in some)


@given(error=errors)
def test_a_status_fits_for_clients_that_are_sent_base64(error: TooMuch) -> None:
    status = to_rpc_status(error)
    assert status.ByteSize() <= MAX_STATUS_BYTES
    message = sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in status.message.encode())
    headers = {
        ":status": len("200"),
        "content-type": len("application/grpc"),
        "grpc-status": 2,
        "grpc-message": message,
        REQUEST_ID_HEADER: len(_LONGEST_REQUEST_ID),
        "grpc-status-details-bin": -(-status.ByteSize() // 3) * 4,
    }
    assert sum(len(name) + size + _HEADER_BYTES for name, size in headers.items()) <= _CLIENTS_TAKE_BYTES


def test_of_a_list_that_is_too_long_what_fits_arrives_and_the_rest_is_counted(caller: Caller) -> None:
    names = [f"chat {number}" for number in range(5_000)]
    received = from_rpc_error(caller.failure(TooMuch("too much", lists={"names": names})))
    listed = received.lists["names"]
    assert listed.values == tuple(names[: len(listed.values)])
    assert listed.left_out == 5_000 - len(listed.values)
    assert len(listed.values) > 200
    # and it stands in the metadata as JSON, for callers in any language
    assert json.loads(received.metadata["names"]) == list(listed.values)
    assert received.metadata["names_left_out"] == str(listed.left_out)


def test_a_value_that_is_too_long_for_a_list_makes_room_for_those_behind_it(caller: Caller) -> None:
    received = from_rpc_error(caller.failure(TooMuch("x", lists={"names": ["a" * 9_000, "b"]})))
    assert received.lists == {"names": Listed(("b",), 1)}


class Broken(grpc.RpcError):
    """A failed call whose details are whatever a peer or a proxy sent."""

    def __init__(self, details: bytes) -> None:
        self._trailing: Any = (("grpc-status-details-bin", details),)

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.FAILED_PRECONDITION

    def details(self) -> str:
        return "no"

    def trailing_metadata(self) -> Any:
        return self._trailing


@given(st.binary(max_size=60) | errors.map(lambda error: to_rpc_status(error).SerializeToString()[:-3]))
def test_details_that_cannot_be_read_are_none(details: bytes) -> None:
    received = from_rpc_error(Broken(details))
    assert received.code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    "text",
    ["", "[", "{}", "7", "[1e999]", "[NaN]", '["\\ud800"]', "[" * 5_000, "[" + "9" * 5_000 + "]", "[1, 2"],
)
def test_a_list_that_cannot_be_read_is_an_empty_one(text: str) -> None:
    sent = TooMuch("no", metadata={"names": text, "names_left_out": "7"})
    status = to_rpc_status(sent).SerializeToString()
    assert from_rpc_error(Broken(status)).lists == {"names": Listed((), 7)}


@pytest.mark.parametrize("text", ["", "-1", "many", "٣", "9" * 5_000])
def test_a_number_of_values_left_out_that_is_none_is_nought(text: str) -> None:
    sent = TooMuch("no", metadata={"names": "[1]", "names_left_out": text})
    status = to_rpc_status(sent).SerializeToString()
    assert from_rpc_error(Broken(status)).lists == {"names": Listed((1,), 0)}


def test_half_a_surrogate_pair_is_sent_as_a_question_mark(caller: Caller) -> None:
    half = "\ud800"
    sent = TooMuch(half, metadata={half: half}, lists={"names": [half]}, violations=[Violation(half, half)])
    received = from_rpc_error(caller.failure(sent))
    assert (received.message, received.metadata["?"]) == ("?", "?")
    assert (received.violations, received.lists["names"].values) == ((Violation("?", "?"),), ("?",))
