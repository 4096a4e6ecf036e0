"""Commands: serve, migrate, grant, account, reservations, archive, verify, reconcile, pay-test-order."""

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import uvloop

from credit_service import operator_commands, payment_commands
from credit_service.archive import archive
from credit_service.bootstrap import NAME, build
from credit_service.ledger import ReservationState
from credit_service.packages import PackagesFileError, load_packages, read_packages
from credit_service.payments.trial_provider import EVENT_KINDS
from credit_service.restored import transactions_missing
from credit_service.settings import CreditSettings
from servicekit import logs
from servicekit.grpc_server import run
from servicekit.migrations import upgrade
from servicekit.settings import SettingsError, report

MIGRATIONS = Path(__file__).with_name("migrations")


async def _serve(settings: CreditSettings) -> int:
    application = build(settings)
    try:
        return await run(application.spec)
    finally:
        await application.coalescer.drain()
        await application.engine.dispose()


def serve() -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = CreditSettings.load()
    logs.configure(settings, NAME)
    return uvloop.run(_serve(settings))


def migrate() -> int:
    """Bring the database to the newest revision and load the packages on sale.

    Fails for one that was restored from a logical dump and does not number its transactions on from there.
    """
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
    if missing := transactions_missing(settings.credit_database_url):
        print(
            f"STOP: do not start the services. This database was restored from a dump and is {missing:,}"
            " transactions behind its events: new events would be missed by all who follow them. See"
            " 'After a logical restore' in docs/operations.md",
            file=sys.stderr,
        )
        return 1
    return 0


def archive_old(age: timedelta) -> int:
    """Move what is older out of the tables in use; needs the database, not the service."""
    settings = CreditSettings.load()
    logs.configure(settings, NAME)
    try:
        moved = archive(settings.credit_database_url, age)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{moved.reservations:,} reservations and {moved.requests:,} requests moved to the archive")
    return 0


def reconcile(minutes: int, limit: int, order_id: UUID | None) -> int:
    """Ask the payment providers about orders that hang; needs the database, not the service."""
    settings = CreditSettings.load()
    logs.configure(settings, NAME)
    return payment_commands.reconcile(settings, timedelta(minutes=minutes), limit, order_id)


def _parser() -> argparse.ArgumentParser:
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
    reservations = commands.add_parser("reservations", help="list the newest reservations of a user")
    reservations.add_argument("user")
    reservations.add_argument(
        "--state",
        nargs="+",
        action="extend",
        default=[],
        type=str.upper,
        choices=[str(state) for state in ReservationState],
        metavar="STATE",
        help=f"only those in one of these states: {', '.join(ReservationState)}",
    )
    reservations.add_argument("--limit", type=_positive, default=50, help="how many at most (default 50)")
    old = commands.add_parser("archive", help="move what is old out of the tables in use")
    old.add_argument(
        "--older-than-days",
        type=_positive,
        required=True,
        metavar="DAYS",
        help="settled reservations and remembered requests; the ids of these stand for new requests then",
    )
    verify = commands.add_parser("verify", help="recompute the books; a finding is exit code 1")
    verify.add_argument("user", nargs="?", help="only this account")
    _add_payments(commands)
    return parser


def _add_payments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ask = commands.add_parser("reconcile", help="ask the payment providers about orders that hang")
    ask.add_argument(
        "--older-than-minutes",
        type=_positive,
        default=30,
        metavar="MINUTES",
        help="unpaid orders of at least this age (default 30)",
    )
    ask.add_argument("--limit", type=_positive, default=10_000, help="how many at most (default 10000)")
    ask.add_argument("--order", type=UUID, help="only this order, in whatever state it is")
    pay = commands.add_parser("pay-test-order", help="let something happen to a TEST order (development)")
    pay.add_argument("user")
    pay.add_argument("order", type=UUID)
    pay.add_argument("--event", choices=EVENT_KINDS, default="paid", help="what happens (default paid)")
    pay.add_argument("--amount", type=_positive, help="minor units; by default what the order costs")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, got {text!r}")
    return int(text)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "serve": lambda given: serve(),
    "migrate": lambda given: migrate(),
    "grant": lambda given: operator_commands.grant(given.user, given.coins, given.request_id),
    "account": lambda given: operator_commands.account(given.user),
    "reservations": lambda given: operator_commands.reservations(given.user, given.state, given.limit),
    "archive": lambda given: archive_old(timedelta(days=given.older_than_days)),
    "verify": lambda given: operator_commands.verify(given.user),
    "reconcile": lambda given: reconcile(given.older_than_minutes, given.limit, given.order),
    "pay-test-order": lambda given: payment_commands.pay_test_order(
        given.user, given.order, given.event, given.amount
    ),
}


def main(arguments: list[str]) -> int:
    """Run one command and answer the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return _COMMANDS[given.command](given)
    except SettingsError as error:
        return report(NAME, error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
