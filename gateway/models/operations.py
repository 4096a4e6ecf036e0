"""What operators and machines ask."""

from pydantic import BaseModel, Field

from gateway.models.base import example


class ServiceHealth(BaseModel):
    """One service's state."""

    status: str = Field(description="SERVING, NOT_SERVING, or UNREACHABLE when it does not answer")
    services: dict[str, str] = Field(description="the state of each of its gRPC services")


class Health(BaseModel):
    """Whether the system can work."""

    model_config = example(
        status="SERVING",
        services={
            "credit_service": {"status": "SERVING", "services": {"credit.v1.CreditService": "SERVING"}},
            "chat_service": {"status": "SERVING", "services": {"chat.v1.ChatService": "SERVING"}},
        },
    )

    status: str = Field(description="SERVING when both services serve, else NOT_SERVING")
    services: dict[str, ServiceHealth]


class Pool(BaseModel):
    """The database connection pool of one service."""

    model_config = example(service="credit_service", size=10, in_use=2, overflow=0, max_overflow=5, waiting=0)

    service: str
    size: int = Field(description="connections kept at most")
    in_use: int
    overflow: int = Field(description="connections open beyond size now")
    max_overflow: int
    waiting: int = Field(description="callers that wait for a connection now")


class Pools(BaseModel):
    """The pools of both services."""

    pools: list[Pool]


class Root(BaseModel):
    """What this is."""

    model_config = example(
        name="Holdfast",
        version="0.1.0",
        links={"openapi": "/openapi.json", "docs": "/docs", "health": "/health"},
    )

    name: str
    version: str
    links: dict[str, str]
