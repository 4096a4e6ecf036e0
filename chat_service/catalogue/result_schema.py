"""What a language model's answer may look like: the catalogue's JSON schemas, checked before they are used.

The rules are those of OpenAI's strict structured output, which is the narrowest, and two of our own: every
result has sentences for people, and quotes that can be checked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

#: What a schema writes for a quote: words of the chat with the positions of the messages that hold them.
QUOTE_REF = "#/$defs/quote"
_QUOTE: Mapping[str, Any] = {
    "type": "object",
    "description": "Words of the chat, copied letter by letter, and the positions of their messages.",
    "properties": {
        "text": {"type": "string"},
        "positions": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 4},
    },
    "required": ["text", "positions"],
    "additionalProperties": False,
}
_KEYWORDS = frozenset(
    (
        *("type", "properties", "required", "additionalProperties", "items", "enum", "description"),
        *("minItems", "maxItems", "minimum", "maximum", "$ref"),
    )
)
_MAX_DEPTH = 6
#: Fields that the worker adds to the result.
_RESERVED = frozenset(("chart", "model"))


def parse(text: str) -> dict[str, Any]:
    """Answer the schema with the definition of a quote; raises ValueError that says what is wrong with it."""
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise ValueError("must be a JSON object")
    whole = {**schema, "$defs": {"quote": dict(_QUOTE)}}
    try:
        Draft202012Validator.check_schema(whole)
    except SchemaError as error:
        raise ValueError(f"is no JSON schema: {error.json_path}: {error.message}") from None
    for place, part in _parts(schema, "$", 0):
        _check_part(place, part)
    _check_root(schema)
    return whole


def item_fields(schema: Mapping[str, Any], items: str) -> Mapping[str, str]:
    """Answer the plain fields of the objects in a list of the result, with their types; raises ValueError."""
    listed = schema["properties"].get(items)
    if not listed or listed.get("type") != "array" or listed["items"].get("type") != "object":
        raise ValueError(f"items: {items} is no list of objects in the result_schema")
    return {
        name: part["type"]
        for name, part in listed["items"]["properties"].items()
        if part.get("type") in ("string", "integer", "number", "boolean")
    }


def _parts(schema: Mapping[str, Any], place: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Answer the schema and all within it, each with the place where it stands."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"{place}: is nested deeper than {_MAX_DEPTH}")
    yield place, schema
    properties = schema.get("properties", {})
    inner = [(f"{place}.{name}", part) for name, part in properties.items()]
    if "items" in schema:
        inner.append((f"{place}[]", schema["items"]))
    for name, part in inner:
        # A schema may also be true or false: anything, or nothing.
        if not isinstance(part, dict):
            raise ValueError(f"{name}: must be an object")
        yield from _parts(part, name, depth + 1)


def _check_part(place: str, part: Mapping[str, Any]) -> None:
    unknown = sorted(part.keys() - _KEYWORDS)
    if unknown:
        raise ValueError(f"{place}: {unknown[0]} is not supported by structured output")
    if "$ref" in part:
        if part["$ref"] != QUOTE_REF:
            raise ValueError(f"{place}: only {QUOTE_REF} can be referred to")
        return
    if not isinstance(part.get("type"), str):
        raise ValueError(f"{place}: needs a type")
    if part["type"] == "array" and "items" not in part:
        raise ValueError(f"{place}: a list needs items")
    if part["type"] == "object":
        _check_object(place, part)


def _check_object(place: str, part: Mapping[str, Any]) -> None:
    names = list(part.get("properties", {}))
    if not names:
        raise ValueError(f"{place}: an object needs properties")
    if part.get("additionalProperties") is not False:
        raise ValueError(f"{place}: additionalProperties must be false")
    if sorted(part.get("required", ())) != sorted(names):
        raise ValueError(f"{place}: required must name all properties: {', '.join(names)}")
    if "positions" in names:
        raise ValueError(f'{place}: positions stand in quotes only: {{"$ref": "{QUOTE_REF}"}}')


def _check_root(schema: Mapping[str, Any]) -> None:
    if schema.get("type") != "object":
        raise ValueError("$: must have the type object")
    properties = schema["properties"]
    for name in sorted(_RESERVED & properties.keys()):
        raise ValueError(f"$.{name}: the name is taken: it is added to every result")
    sentences = properties.get("sentences", {})
    if sentences.get("items", {}).get("type") != "string" or not _within(sentences, 1, 6):
        raise ValueError("$.sentences: must be a list of 1 to 6 strings, with minItems and maxItems")
    if not any(part.get("$ref") == QUOTE_REF for _, part in _parts(schema, "$", 0)):
        raise ValueError(f'$: needs a quote somewhere, as evidence: {{"$ref": "{QUOTE_REF}"}}')


def _within(listed: Mapping[str, Any], least: int, most: int) -> bool:
    bounds: Sequence[Any] = (listed.get("minItems"), listed.get("maxItems"))
    return all(type(bound) is int for bound in bounds) and least <= bounds[0] <= bounds[1] <= most
