"""``python -m chat_service serve | migrate | parse FILE | retrieve USER CHAT``."""

import argparse
import sys
import uuid
from pathlib import Path

import uvloop
from pydantic import ValidationError

from chat_service import bootstrap
from chat_service.catalogue.file import CatalogueError
from chat_service.parse_command import parse_file
from chat_service.retrieve_command import retrieve_passages
from chat_service.settings import ChatSettings
from servicekit import grpc_server, logs
from servicekit.migrations import MissingExtension


def main(arguments: list[str]) -> int:
    """Do one command and answer the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m chat_service")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve gRPC until SIGTERM")
    commands.add_parser("migrate", help="bring the database to the newest schema and load the catalogue")
    parse = commands.add_parser("parse", help="say what an import would make of a file; stores nothing")
    parse.add_argument("file", type=Path)
    parse.add_argument("--chat", default="", help="id or name of one of several chats in the file")
    retrieve = commands.add_parser("retrieve", help="say what is found for questions on standard input")
    retrieve.add_argument("user_id")
    retrieve.add_argument("chat_id", type=uuid.UUID)
    retrieve.add_argument(
        "--by", choices=("words", "meaning", "both"), default="both", help="which ranks count"
    )
    options = parser.parse_args(arguments)
    if options.command == "parse":
        return parse_file(options.file, options.chat)
    try:
        settings = ChatSettings.load()
    except ValidationError as error:
        print(f"chat_service: the settings are wrong: {error}", file=sys.stderr)
        return 2
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
