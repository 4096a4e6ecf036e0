"""JSON values as google.protobuf.Struct."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2


def struct_message(value: Mapping[str, Any]) -> struct_pb2.Struct:
    """Answer a JSON object as the wire has it."""
    return json_format.ParseDict(dict(value), struct_pb2.Struct())
