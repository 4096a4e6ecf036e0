"""Health, pools, the root, and the OpenAPI document."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import chat_service.errors
import credit_service.errors
import servicekit.errors
from gateway.error_codes import CODES
from gateway.errors import status_of
from gateway.version import VERSION
from servicekit.errors import ServiceError
from tests.gateway.house import Api, RunningGateway, error, good, unused_port

Connect = Callable[..., Api]
Start = Callable[..., RunningGateway]


def test_health_is_200_when_both_serve(gateway: RunningGateway, connect: Connect) -> None:
    body = good(connect(gateway).get("/health"))
    assert body["status"] == "SERVING"
    assert set(body["services"]) == {"credit_service", "chat_service"}
    for service in body["services"].values():
        assert set(service["services"].values()) == {service["status"]} == {"SERVING"}


def test_health_is_503_and_names_the_one_that_is_down(
    start: Start, connect: Connect, credit_target: str
) -> None:
    half = start(credit_target=credit_target, chat_target=f"127.0.0.1:{unused_port()}")
    body = good(connect(half).get("/health"), 503)
    assert body["status"] == "NOT_SERVING"
    assert body["services"]["credit_service"]["status"] == "SERVING"
    assert body["services"]["chat_service"]["status"] == "UNREACHABLE"


def test_a_server_that_is_not_the_service_is_not_serving(
    start: Start, connect: Connect, credit_target: str
) -> None:
    # given a configuration that points at the wrong service
    swapped = start(credit_target=credit_target, chat_target=credit_target)
    body = good(connect(swapped).get("/health"), 503)
    assert body["services"]["chat_service"]["status"] == "NOT_SERVING"


def test_the_pools_of_both_services_are_shown(gateway: RunningGateway, connect: Connect) -> None:
    pools = good(connect(gateway).get("/health/db-pool"))["pools"]
    assert [pool["service"] for pool in pools] == ["credit_service", "chat_service"]
    for pool in pools:
        assert set(pool) == {"service", "size", "in_use", "overflow", "max_overflow", "waiting"}
        assert pool["size"] > 0


def test_the_pools_of_services_that_are_down_are_503(alone: RunningGateway, connect: Connect) -> None:
    refused = connect(alone).get("/health/db-pool")
    assert refused.status_code in (503, 504)
    error(refused, refused.status_code, {503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}[refused.status_code])


def test_the_root_has_name_version_and_links(alone: RunningGateway, connect: Connect) -> None:
    body = good(connect(alone).get("/"))
    assert (body["name"], body["version"]) == ("Holdfast", VERSION)
    for link in body["links"].values():
        assert connect(alone).get(link).status_code in (200, 503)


def test_the_catalogue_and_the_packages_need_no_token(gateway: RunningGateway, connect: Connect) -> None:
    nobody = connect(gateway)
    prices = {row["category_id"]: row["price"] for row in good(nobody.get("/api/categories"))["categories"]}
    assert prices == {"romantic": 400, "friendship": 200, "family": 200, "workplace": 200, "any_chat": 150}
    coins = [row["coins"] for row in good(nobody.get("/api/credits/packages"))["packages"]]
    assert coins == [400, 850, 1_600]


@pytest.fixture
def document(alone: RunningGateway, connect: Connect) -> dict[str, Any]:
    return good(connect(alone).get("/openapi.json"))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_document_is_openapi_3_1_with_unique_ids(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["description"], name
        for status, answer in operation["responses"].items():
            if status[0] in "45" and name != "GET /health":
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorResponse"}, (name, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_secured_operations_say_so(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    [bearer] = [name for name, scheme in schemes.items() if scheme["type"] == "http"]
    signatures = {name for name, scheme in schemes.items() if scheme["type"] == "apiKey"}
    assert schemes[bearer]["scheme"] == "bearer"
    assert signatures == {"Stripe-Signature", "X-Razorpay-Signature"}
    for operation_name, operation in operations(document):
        secured = operation.get("security") in [[{name: []}] for name in schemes]
        assert secured is ("401" in operation["responses"]), operation_name


def test_the_upload_is_described(document: dict[str, Any]) -> None:
    upload = document["paths"]["/api/chats/upload"]["post"]
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {
        "file",
        "display_name",
        "format",
        "date_order",
        "time_zone",
        "export_chat",
    }
    assert (form["required"], form["additionalProperties"]) == (["file"], False)
    assert [given["name"] for given in upload["parameters"]] == ["Idempotency-Key"]


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate what callers send as JSON: operation and schema. Webhooks are their providers' and signed."""
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema and "/webhooks/" not in name:
            [reference] = re.findall(r"#/components/schemas/(\w+)", json.dumps(schema))
            yield name, document["components"]["schemas"][reference]


def is_bounded(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether the document says what a value may be."""
    if "$ref" in schema:
        return is_bounded(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if schema.get("type") == "array":
        return "maxItems" in schema and is_bounded(schema["items"], schemas)
    if schema.get("type") == "integer":
        return {"minimum", "maximum"} <= set(schema)
    return schema.get("type") in ("boolean", "null") or bool({"maxLength", "format", "enum"} & set(schema))


def test_every_value_that_a_caller_sends_has_its_bounds_in_the_document(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    unbounded = [
        f"{name}: {field}"
        for name, body in bodies(document)
        for field, schema in body["properties"].items()
        if not all(is_bounded({**schema, **one}, schemas) for one in schema.get("anyOf", [{}]))
    ]
    assert unbounded == []
    author = schemas["QueryRequest"]["properties"]["authors"]["items"]
    assert (author["minLength"], author["maxLength"]) == (1, 1_024)


def test_every_idempotency_key_has_the_same_bounds(document: dict[str, Any]) -> None:
    keys = [
        (name, parameter["schema"])
        for name, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "Idempotency-Key"
    ]
    assert {"POST /api/admin/grants", "POST /api/insights/unlock"} <= {name for name, _ in keys}
    for name, schema in keys:
        bounds = (schema.get("minLength"), schema.get("maxLength"), schema.get("pattern"))
        assert bounds == (1, 255, "^[!-~]+$"), name


def test_models_have_examples_that_have_every_field(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shown = {name: schema for name, schema in schemas.items() if schema.get("examples")}
    assert {"Job", "Insight", "Chat", "Balance", "Transaction", "ErrorResponse", "Health"} <= set(shown)
    for name, schema in shown.items():
        for example in schema["examples"]:
            # FastAPI leaves out what is null, and a caller what it does not need.
            left_out = (set(schema["properties"]) - set(example)) & set(schema.get("required", ()))
            assert set(example) <= set(schema["properties"]), name
            assert all({"type": "null"} in schema["properties"][key]["anyOf"] for key in left_out), name
    assert json.dumps(document)


def test_every_code_in_the_document_has_the_status_that_the_services_errors_have() -> None:
    # given the error classes of the services behind
    classes = [
        error_class
        for module in (servicekit.errors, chat_service.errors, credit_service.errors)
        for error_class in vars(module).values()
        if isinstance(error_class, type) and issubclass(error_class, ServiceError)
    ]
    statuses = {error_class.reason: status_of(error_class) for error_class in classes}  # type: ignore[arg-type]
    # then what the document says of a code is what the mapper makes of it
    shared = set(CODES) & set(statuses)
    assert {"INSUFFICIENT_CREDITS", "CHAT_NOT_FOUND", "REQUEST_ID_REUSED", "IMPORT_TOO_LARGE"} <= shared
    for reason in shared:
        assert CODES[reason].status == statuses[reason], reason


def test_the_ids_that_operations_take_are_linked_to_what_makes_them(document: dict[str, Any]) -> None:
    made = document["paths"]["/api/insights/unlock"]["post"]["responses"]["202"]["links"]
    assert {"get_job_status", "follow_job", "cancel_job"} <= set(made)
    assert made["follow_job"]["parameters"] == {"job_id": "$response.body#/job_id"}


def test_prometheus_reads_what_was_served(alone: RunningGateway, connect: Connect) -> None:
    # given requests that ended well, badly, and at no route, by a user with ids in the path
    api = connect(alone, "metrics-user")
    api.get("/")
    api.get("/api/chats/0197a3c2-8d1e-7b6a-9f43-2c5d8e7f6a10")
    api.request("PROPFIND", "/secret-path")
    text = api.get("/metrics").text
    # then they are counted by template, method and status, with how long they took
    counted = re.findall(r"holdfast_http_request_duration_seconds_count\{(.*?)\} ([0-9.]+)", text)
    labels = {labels for labels, _ in counted}
    assert 'method="GET",route="/",status="200"' in labels
    assert 'method="GET",route="/api/chats/{chat_id}",status="503"' in labels
    assert 'method="other",route="unknown",status="404"' in labels
    # and the failed call behind it, and that this request is being served
    assert re.search(r'holdfast_upstream_errors_total\{code="UNAVAILABLE",reason="UNAVAILABLE"\} [1-9]', text)
    assert "holdfast_http_requests_in_flight 1.0" in text
    # and nothing says who asked for what
    assert "metrics-user" not in text
    assert "0197a3c2" not in text
    assert "secret-path" not in text


def test_the_page_is_there(alone: RunningGateway, connect: Connect) -> None:
    page = connect(alone).get("/docs")
    assert page.status_code == 200
    assert "/openapi.json" in page.text


def test_a_service_that_refuses_the_gateway_is_no_fault_of_the_user(
    start: Start, connect: Connect, serve_credit: Callable[..., str]
) -> None:
    # given a service that wants a token, and gateways that show none and the right one
    target = serve_credit(service_token="a-token-between-services")
    without = start(credit_target=target)
    with_it = start(credit_target=target, service_token="a-token-between-services")
    # then 401, which would log the user out, is not what they hear
    error(connect(without, "nobody").get("/api/credits/balance"), 500, "INTERNAL")
    assert good(connect(with_it, "nobody").get("/api/credits/balance"))["balance"] == 0
