"""Commands: serve, migrate, grant USER COINS, account USER."""

import argparse
import sys
from pathlib import Path
from uuid import UUID

import uvloop

from credit_service import operator_commands
from credit_service.bootstrap import NAME, build
from credit_service.packages import PackagesFileError, load_packages, read_packages
from credit_service.settings import CreditSettings
from servicekit import logs
from servicekit.grpc_server import run
from servicekit.migrations import upgrade

MIGRATIONS = Path(__file__).with_name("migrations")


async def _serve(settings: CreditSettings) -> int:
    application = build(settings)
    try:
        return await run(application.spec)
    finally:
        await application.engine.dispose()


def serve() -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = CreditSettings.load()
    logs.configure(settings, NAME)
    return uvloop.run(_serve(settings))


def migrate() -> int:
    """Bring the database to the newest revision and load the packages on sale."""
    settings = CreditSettings.load()
    logs.configure(settings, NAME)
    try:
        packages = read_packages(settings.credit_packages_file)
    except PackagesFileError as error:
        print(error, file=sys.stderr)
        return 1
    revision = upgrade(settings.credit_database_url, MIGRATIONS)
    load_packages(settings.credit_database_url, packages)
    print(f"credit is at revision {revision}, {len(packages)} packages on sale")
    return 0


def main(arguments: list[str]) -> int:
    """Run one command and answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m credit_service", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve gRPC until SIGTERM")
    commands.add_parser("migrate", help="bring the database to the newest revision")
    grant = commands.add_parser("grant", help="give coins to a user of the running service")
    grant.add_argument("user")
    grant.add_argument("coins")
    grant.add_argument(
        "--request-id", type=UUID, help="the one that a failed grant named: gives the coins once"
    )
    account = commands.add_parser("account", help="show what a user of the running service has")
    account.add_argument("user")
    given = parser.parse_args(arguments)
    if given.command == "grant":
        return operator_commands.grant(given.user, given.coins, given.request_id)
    if given.command == "account":
        return operator_commands.account(given.user)
    return serve() if given.command == "serve" else migrate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
