"""A client that knows only an address: reflection teaches it every message, as it does grpcurl."""

from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

_TIMEOUT_S = 30.0


class ReflectionClient:
    """Calls any method by name with JSON-like dicts, and answers dicts."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target)
        self._database = ProtoReflectionDescriptorDatabase(self._channel)
        self._pool = descriptor_pool.DescriptorPool(self._database)

    def services(self) -> set[str]:
        """The full names of what the server serves."""
        return set(self._database.get_services())

    def call(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call a unary method, such as "credit.v1.CreditService/GetAccount"."""
        path, make, encode = self._method(method)
        call = self._channel.unary_unary(path, encode, make.FromString)
        return json_format.MessageToDict(
            call(json_format.ParseDict(request, self._request(method)()), timeout=_TIMEOUT_S),
            preserving_proto_field_name=True,
        )

    def upload(self, method: str, requests: list[dict[str, Any]]) -> dict[str, Any]:
        """Call a client-streaming method."""
        path, make, encode = self._method(method)
        call = self._channel.stream_unary(path, encode, make.FromString)
        parts = (json_format.ParseDict(part, self._request(method)()) for part in requests)
        return json_format.MessageToDict(call(parts, timeout=_TIMEOUT_S), preserving_proto_field_name=True)

    def stream(self, method: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Call a server-streaming method."""
        path, make, encode = self._method(method)
        call = self._channel.unary_stream(path, encode, make.FromString)
        for answer in call(json_format.ParseDict(request, self._request(method)()), timeout=_TIMEOUT_S):
            yield json_format.MessageToDict(answer, preserving_proto_field_name=True)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _descriptor(self, method: str) -> Any:
        service, _, name = method.partition("/")
        return self._pool.FindServiceByName(service).FindMethodByName(name)

    def _request(self, method: str) -> Any:
        return message_factory.GetMessageClass(self._descriptor(method).input_type)

    def _method(self, method: str) -> tuple[str, Any, Any]:
        answer = message_factory.GetMessageClass(self._descriptor(method).output_type)
        return f"/{method}", answer, self._request(method).SerializeToString
