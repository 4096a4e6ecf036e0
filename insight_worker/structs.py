"""Between google.protobuf.Struct and what pipelines know as JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from insight_worker.pipelines.interface import JsonValue


def to_struct(data: Mapping[str, JsonValue]) -> Struct:
    """Answer the data as a Struct. Raises ValueError for what does not fit: infinite numbers, odd types."""
    struct = Struct()
    struct.update({str(key): _plain(value) for key, value in data.items()})
    return struct


def from_struct(struct: Struct) -> Mapping[str, JsonValue]:
    """Answer a Struct as plain values; all its numbers are floats."""
    plain: dict[str, JsonValue] = json_format.MessageToDict(struct)
    return plain


def _plain(value: JsonValue) -> Any:
    """Answer the value in the few types that Struct takes."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    raise ValueError(f"{type(value).__name__} does not fit into a Struct")
