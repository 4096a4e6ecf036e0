"""``python -m gateway serve | token USER | welcome``."""

import argparse
import sys
from collections.abc import Callable, Sequence

from gateway.settings import GatewaySettings
from servicekit.settings import SettingsError, report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        settings = GatewaySettings.load()
    except SettingsError as error:
        return report("gateway", error)
    command: Callable[[GatewaySettings, argparse.Namespace], int] = parsed.command
    try:
        return command(settings, parsed)
    except ValueError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway", description="REST for apps.")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("serve", help="serve until SIGTERM").set_defaults(command=_serve)
    token = commands.add_parser("token", help="print a bearer token for the development secret")
    token.add_argument("user", help="user id, 1 to 128 characters")
    token.add_argument("--scope", default="", help="scopes, such as holdfast:admin for an operator")
    token.set_defaults(command=_token)
    commands.add_parser("welcome", help="print URLs, a token and commands to try").set_defaults(
        command=_welcome
    )
    return parser


def _serve(settings: GatewaySettings, _: argparse.Namespace) -> int:
    # The other commands need no server, and importing it takes longer than they do.
    from gateway.bootstrap import serve

    return serve(settings)


def _token(settings: GatewaySettings, parsed: argparse.Namespace) -> int:
    from gateway.tokens import development_token

    print(development_token(settings, parsed.user, parsed.scope))
    return 0


def _welcome(settings: GatewaySettings, _: argparse.Namespace) -> int:
    from gateway.welcome import welcome

    print(welcome(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
