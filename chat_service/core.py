"""What the parts of chat_service share: made once by `bootstrap`, handed to each of them."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc.aio
from sqlalchemy.ext.asyncio import AsyncEngine

from chat_service.settings import ChatSettings
from protos.credit.v1 import credit_pb2_grpc
from servicekit.database import Sessions
from servicekit.grpc_clients import Caller
from servicekit.pages import PageTokens


@dataclass(frozen=True)
class Core:
    """The shared tools of one running service; they belong to its event loop."""

    settings: ChatSettings
    engine: AsyncEngine
    sessions: Sessions
    pages: PageTokens
    #: The stub of credit_service; call it through `caller`, which gives a timeout and typed errors.
    credit: "credit_pb2_grpc.CreditServiceAsyncStub"
    caller: Caller


@dataclass(frozen=True)
class Servicer:
    """A gRPC service that is to be added to the server."""

    #: Full name, such as "chat.v1.ChatService".
    name: str
    add: Callable[[grpc.aio.Server], None]
