"""What the routes share in the OpenAPI document: error answers, paging parameters, operation ids."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from gateway.errors import ErrorResponse

_MAX_INT32 = 2**31 - 1

_MEANINGS = {
    400: "A value is out of range; `details.field` names it",
    401: "No token, or one that is not valid",
    402: "Too few coins: `details` has `required` and `available`",
    403: "The token does not have the scope that is needed; `details.scope` names it",
    404: "It does not exist, or belongs to another user",
    408: "The body stopped coming",
    409: "The state of things forbids it, or the idempotency key was used for another request",
    413: "The body is larger than the limit",
    422: "The request does not parse",
    429: "Too much at once; `Retry-After` says when to try again",
    500: "Internal error; the request id finds it in the log",
    503: "Try again after `Retry-After` seconds",
    504: "The answer was not ready in time",
}
_ALWAYS = (422, 429, 500, 503, 504)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answer the `responses` of a route that may fail with these, besides what every route may."""
    return {
        status: {"model": ErrorResponse, "description": _MEANINGS[status]}
        for status in sorted({*statuses, *_ALWAYS})
    }


def operation_id(route: APIRoute) -> str:
    """Answer the function's name: short, and stable when a path changes."""
    return route.name


def _fit(page_size: int) -> int:
    """Keep a page size within 32 bits: the service takes a huge one as its maximum, refuses a negative."""
    return max(-_MAX_INT32, min(page_size, _MAX_INT32))


PageSize = Annotated[
    int,
    AfterValidator(_fit),
    Query(description="rows on the page: 1 to 1,000; 0 means 50, more is taken as 1,000"),
]
PageToken = Annotated[
    str, Query(description="`next_page_token` of the page before, with the same other parameters")
]
