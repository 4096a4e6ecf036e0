"""A database out of a dump counts its transactions afresh, and its events are numbered by the old count."""

import re
from pathlib import Path

import pytest

from credit_service.__main__ import main
from credit_service.restored import transactions_missing
from servicekit.embedded import EmbeddedPostgres
from tests.credit_service.client import Client
from tests.credit_service.database import Database
from tests.credit_service.server import Server
from tests.credit_service.test_watching import Stream

_OPERATIONS = Path(__file__).parent.parent.parent / "docs" / "operations.md"
_AHEAD = 20_000


def _documented() -> str:
    """Answer what the documentation tells the operator to run."""
    [chapter] = re.findall(r"### After a logical restore\n(.*?)\n##", _OPERATIONS.read_text(), re.DOTALL)
    [statement] = re.findall(r"```sql\n(.*?)```", chapter, re.DOTALL)
    return str(statement)


def test_migrate_stops_for_a_restored_database_until_its_count_has_caught_up(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    postgres.create_database("credit_restored")
    url = postgres.url("credit_restored")
    monkeypatch.setenv("HOLDFAST_CREDIT_DATABASE_URL", url)
    assert main(["migrate"]) == 0
    with Database(url) as database:
        # Given events of a database that had counted further
        database.run(
            "INSERT INTO events (event_key, user_id, kind, event_time, amount, balance, reserved) SELECT"
            " CAST(CAST(pg_current_xact_id() AS text) AS bigint) + %s, 'old', 'granted', now(), 1, 1, 0",
            _AHEAD,
        )
        # Then the operator is stopped, and told where to read what to do
        assert main(["migrate"]) == 1
        told = capsys.readouterr().err
        assert "do not start the services" in told
        assert "'After a logical restore' in docs/operations.md" in told
        # When he does it
        database.run(_documented().replace("%", "%%"))
    assert transactions_missing(url) == 0
    assert main(["migrate"]) == 0
    # Then who has read the old events gets the new ones
    with Server(url, credit_sweep_interval_s=0) as server, Client(server.target) as client:
        with Stream(client, "0-0") as stream:
            [old] = stream.first(1)
        with Stream(client, old.event_id) as stream:
            client.grant(1)
            assert [event.user_id for event in stream.first(1)] == ["ana"]


def test_a_database_that_was_never_restored_is_never_behind(migrated: str, client: Client) -> None:
    for number in range(3):
        client.grant(1, f"user{number}")
        assert transactions_missing(migrated) == 0
