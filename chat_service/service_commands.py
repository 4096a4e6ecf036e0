"""The commands that need the settings: serve, migrate and retrieve."""

import argparse
import sys

import uvloop

from chat_service import bootstrap
from chat_service.catalogue.file import CatalogueError
from chat_service.retrieve_command import retrieve_passages
from chat_service.settings import ChatSettings
from servicekit import grpc_server, logs
from servicekit.migrations import MissingExtension
from servicekit.settings import SettingsError, report


def run(options: argparse.Namespace) -> int:
    """Do the command that the options name and answer the process's exit code."""
    try:
        settings = ChatSettings.load()
    except SettingsError as error:
        return report("chat_service", error)
    logs.configure(settings, "chat_service")
    if options.command == "migrate":
        return _migrate(settings)
    if options.command == "retrieve":
        return uvloop.run(retrieve_passages(settings, options.user_id, options.chat_id, options.by))
    return uvloop.run(_serve(settings))


def _migrate(settings: ChatSettings) -> int:
    try:
        bootstrap.migrate(settings)
    except (CatalogueError, MissingExtension) as error:
        print(f"chat_service: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: ChatSettings) -> int:
    app = bootstrap.build(settings)
    try:
        return await grpc_server.run(app.spec)
    finally:
        await app.close()
