"""The composition root: builds everything that one running chat_service is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc.aio

from chat_service.belongings import IndexAndConversations, JobsAndInsights, Together
from chat_service.catalogue.load import load_catalogue
from chat_service.chats.purge import Purge
from chat_service.chats.service import ChatService
from chat_service.chats.servicer import ChatServicer
from chat_service.core import Core, Servicer
from chat_service.erasure.runner import ErasureRunner
from chat_service.erasure.service import ErasureService
from chat_service.errors import FROM_CREDIT
from chat_service.export.sections import conversations_of, insights_of, jobs_of, messages_of
from chat_service.export.service import ExportService
from chat_service.imports.service import ImportService
from chat_service.imports.servicer import ImportServicer
from chat_service.insights.service import InsightReader
from chat_service.jobs.bootstrap import Jobs
from chat_service.jobs.bootstrap import build as build_jobs
from chat_service.ops import OpsServicer
from chat_service.questions.bootstrap import Questions
from chat_service.questions.bootstrap import build as build_questions
from chat_service.questions.conversations import ConversationService
from chat_service.settings import ChatSettings
from chat_service.users.service import UserService
from chat_service.users.servicer import UserServicer
from protos.chat.v1 import chat_pb2_grpc
from protos.credit.v1 import credit_pb2_grpc
from protos.ops.v1 import ops_pb2_grpc
from servicekit.database import async_engine, check_database, session_factory
from servicekit.grpc_clients import Caller, aio_channel
from servicekit.grpc_server import ServerSpec
from servicekit.migrations import upgrade
from servicekit.pages import PageTokens

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class App:
    """A chat_service that is ready to be served on the running event loop."""

    spec: ServerSpec
    core: Core
    channel: grpc.aio.Channel
    questions: Questions

    async def close(self) -> None:
        """Give connections back; call it once, after the server has stopped."""
        await self.questions.close()
        await self.channel.close(None)
        await self.core.engine.dispose()


def build(settings: ChatSettings) -> App:
    """Build the service inside the running event loop; nothing connects before it is needed."""
    channel = aio_channel(settings.credit_target, settings)
    core = _core(settings, channel)
    questions = build_questions(core)
    jobs = build_jobs(core, questions.index)
    belongings = Together(JobsAndInsights(jobs.settle), IndexAndConversations())
    purge = Purge(core.sessions, belongings, settings.chat_purge_interval_s)
    erasures = ErasureRunner(core, belongings, jobs.ender, purge)
    chats = ChatService(core.sessions, belongings, core.settings.retention)
    servicers = [
        _users(core, ErasureService(core, belongings, erasures), _exports(core, chats, jobs)),
        _chats(core, chats, questions),
        *jobs.servicers,
        _ops(core),
    ]
    spec = ServerSpec(
        name="chat_service",
        settings=settings,
        port=settings.chat_port,
        port_variable="HOLDFAST_CHAT_PORT",
        register=partial(_register, servicers),
        check=partial(check_database, core.engine),
        background=(purge.run, erasures.run, *jobs.background, *questions.background),
        draining=jobs.stop_watching,
    )
    return App(spec, core, channel, questions)


def migrate(settings: ChatSettings) -> None:
    """Bring the database to the newest schema and load the catalogue; safe to run in many copies at once.

    Raises `CatalogueError` when the catalogue's file is wrong.
    """
    upgrade(settings.chat_database_url, MIGRATIONS)
    load_catalogue(settings.chat_database_url, settings.chat_catalogue_file)


def _core(settings: ChatSettings, channel: grpc.aio.Channel) -> Core:
    engine = async_engine(settings.chat_database_url, settings, "chat_service")
    return Core(
        settings=settings,
        engine=engine,
        sessions=session_factory(engine),
        pages=PageTokens(settings.page_token_secret),
        credit=credit_pb2_grpc.CreditServiceStub(channel),
        caller=Caller(settings, FROM_CREDIT),
    )


def _exports(core: Core, chats: ChatService, jobs: Jobs) -> ExportService:
    of_chat = (
        messages_of(chats),
        insights_of(InsightReader(core.sessions)),
        conversations_of(ConversationService(core)),
    )
    return ExportService(core.sessions, chats, of_chat, (jobs_of(jobs.reader),))


def _users(core: Core, erasures: ErasureService, exports: ExportService) -> Servicer:
    servicer = UserServicer(UserService(core), erasures, exports)
    return Servicer("chat.v1.UserService", partial(chat_pb2_grpc.add_UserServiceServicer_to_server, servicer))


def _chats(core: Core, service: ChatService, questions: Questions) -> Servicer:
    imports = ImportServicer(core, ImportService(core))
    servicer = ChatServicer(service, imports, questions.servicer, core.pages)
    return Servicer("chat.v1.ChatService", partial(chat_pb2_grpc.add_ChatServiceServicer_to_server, servicer))


def _ops(core: Core) -> Servicer:
    servicer = OpsServicer(core.engine)
    return Servicer("ops.v1.OpsService", partial(ops_pb2_grpc.add_OpsServiceServicer_to_server, servicer))


def _register(servicers: Sequence[Servicer], server: grpc.aio.Server) -> list[str]:
    for servicer in servicers:
        servicer.add(server)
    return [servicer.name for servicer in servicers]
