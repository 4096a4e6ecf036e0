"""What the routes share in the OpenAPI document, and what is put into it when it is made."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from gateway.error_codes import CODES, EVERYWHERE, STATUSES, ErrorCode
from gateway.errors import ErrorResponse
from gateway.models.base import length

_MAX_INT32 = 2**31 - 1

#: For routes whose answers have an ETag.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "As the ETag in `If-None-Match`"}}
#: What every route may answer.
_ALWAYS = (422, 429, 431, 500, 503, 504)
#: What makes a thing that other operations take by its id: operation, status, the id's field.
_SOURCES = (
    ("upload_chat", "201", "chat_id"),
    ("unlock_category", "202", "job_id"),
    ("create_order", "201", "order_id"),
)
_TAGS = [
    {"name": "users", "description": "Who uses the app."},
    {"name": "catalogue", "description": "What can be unlocked, and for how many coins."},
    {"name": "credits", "description": "Coins: owned, reserved, spent, and on sale."},
    {"name": "payments", "description": "Coins for money, and the webhooks of those who take it."},
    {"name": "insights", "description": "Ordering insights, following the work, reading them."},
    {"name": "chats", "description": "Uploaded conversations."},
    {"name": "questions", "description": "Questions about a chat."},
    {"name": "operators", "description": "What operators do by hand; demands a scope of its own."},
    {"name": "operations", "description": "For operators and machines."},
]
_RESPONSE_HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Request-ID": {
        "description": "finds the request in the logs: the caller's, if it sent one",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "seconds after which to try again",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"description": "how to authenticate", "schema": {"type": "string"}},
}
_HEADERS_OF_STATUS: Mapping[str, tuple[str, ...]] = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def errors(*given: int | str) -> dict[int | str, dict[str, Any]]:
    """Answer the `responses` of a route that may fail with these, besides what every route may.

    Given are codes such as "CHAT_NOT_FOUND", or statuses where any code of the status may come.
    """
    codes = [name for name in given if isinstance(name, str)]
    statuses = {CODES[name].status if isinstance(name, str) else name for name in given} | {*_ALWAYS}
    return {status: _error_response(status, codes) for status in sorted(statuses)}


def _error_response(status: int, names: Iterable[str]) -> dict[str, Any]:
    codes = [code for code in (*EVERYWHERE, *(CODES[name] for name in names)) if code.status == status]
    shown = ", ".join(f"`{code.name}`" for code in codes)
    return {
        "model": ErrorResponse,
        "description": f"{STATUSES[status]}: {shown}" if shown else STATUSES[status],
        "content": {"application/json": {"examples": {code.name: _example(code) for code in codes}}},
    }


def _example(code: ErrorCode) -> dict[str, Any]:
    error = {"code": code.name, "message": code.message, "details": dict(code.details)}
    return {"value": {"error": {**error, "request_id": "0f8b1c5e6d7a4b3c9a2e1f0d8c7b6a59"}}}


def operation_id(route: APIRoute) -> str:
    """Answer the function's name: short, and stable when a path changes."""
    return route.name


def install(app: FastAPI) -> None:
    """Let the application answer the document that `document` makes."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's own documentation does it


def document(app: FastAPI) -> dict[str, Any]:
    """Make the document: FastAPI's, with what it cannot know of the layers around the routes."""
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=_TAGS,
        servers=[{"url": "/"}],
    )
    made["components"]["headers"] = _RESPONSE_HEADERS
    operations = list(_operations(made))
    for source in _SOURCES:
        _link(operations, *source)
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            _describe_parameter(parameter)
        _describe_body(operation)
        for status, response in operation["responses"].items():
            _describe_response(status, response)
    return made


def _operations(made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in made["paths"].values():
        yield from methods.values()


def _link(operations: Iterable[dict[str, Any]], source: str, status: str, field: str) -> None:
    """Say of every operation that takes an id where the id comes from."""
    made = {operation["operationId"]: operation["responses"] for operation in operations}
    if source not in made:
        return
    value = f"$response.body#/{field}"
    made[source][status]["links"] = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {field: value},
            "description": f"{field} of the answer",
        }
        for operation in operations
        if any(parameter["name"] == field for parameter in operation.get("parameters", ()))
    }


def _describe_parameter(parameter: dict[str, Any]) -> None:
    name, schema = parameter["name"], parameter["schema"]
    if parameter["in"] != "path":
        return
    if name in ("category_id", "package_id"):
        schema.update(length(1, 64))
    elif name.endswith("_id"):
        schema.setdefault("format", "uuid")


def _describe_body(operation: dict[str, Any]) -> None:
    """Say how a body fails that is too large or does not come: the layers around the routes see to that."""
    for status, name in ((408, "REQUEST_TIMEOUT"), (413, "BODY_TOO_LARGE")):
        if "requestBody" in operation and str(status) not in operation["responses"]:
            response = _error_response(status, [name])
            del response["model"]
            response["content"]["application/json"]["schema"] = {
                "$ref": f"#/components/schemas/{ErrorResponse.__name__}"
            }
            operation["responses"][str(status)] = response


def _describe_response(status: str, response: dict[str, Any]) -> None:
    names = ("X-Request-ID", *_HEADERS_OF_STATUS.get(status, ()))
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    response["headers"] = {**headers, **response.get("headers", {})}
    content = response.get("content", {})
    if status[0] in "45" and len(content) > 1:
        # FastAPI gives errors the media type of the route's success.
        response["content"] = {"application/json": content["application/json"] | _schema_of(content)}


def _schema_of(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"schema": next(body["schema"] for body in content.values() if "schema" in body)}


def _fit(page_size: int) -> int:
    """Keep a page size within 32 bits: the service takes a huge one as its maximum, refuses a negative."""
    return max(-_MAX_INT32, min(page_size, _MAX_INT32))


PageSize = Annotated[
    int,
    AfterValidator(_fit),
    Query(
        description="rows on the page: 1 to 1,000; 0 means 50, more is taken as 1,000",
        json_schema_extra={"minimum": 0},
    ),
]
PageToken = Annotated[
    str,
    Query(
        description="`next_page_token` of the page before, with the same other parameters",
        json_schema_extra={"format": "page-token"},
    ),
]
