"""``python -m chat_service serve | migrate | parse FILE | retrieve USER CHAT``."""

import argparse
import sys
import uuid
from pathlib import Path

from chat_service.parse_command import parse_file


def main(arguments: list[str]) -> int:
    """Do one command and answer the process's exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "parse":
        return parse_file(options.file, options.chat)
    # Not at the top: it takes 70 MB and most of a second to import, and reading a file needs none of it.
    from chat_service import service_commands

    return service_commands.run(options)


def _parser() -> argparse.ArgumentParser:
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
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
