"""The commands as an operator runs them, against the real service."""

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from credit_service import operator_commands
from credit_service.__main__ import main
from credit_service.packages import PackagesFileError, read_packages
from servicekit.embedded import EmbeddedPostgres
from tests.credit_service.client import Client, new_id, refused
from tests.credit_service.database import Database
from tests.credit_service.server import Server
from tests.eventually import eventually


def test_grant_gives_coins_and_says_so_in_one_line(server: Server, client: Client) -> None:
    port = str(server.port)
    ended = _run("grant", "alice", "1500", HOLDFAST_CREDIT_PORT=port)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "alice: +1,500 coins; balance 1,500, reserved 0, available 1,500\n"
    client.reserve(400, "alice")
    ended = _run("account", "alice", HOLDFAST_CREDIT_PORT=port)
    assert ended.stdout == "alice: balance 1,500, reserved 400, available 1,100\n"


@pytest.mark.parametrize(
    "coins",
    [
        "",
        "0",
        "-5",
        "1.5",
        "x",
        "1000000000001",
        "9" * 30,
        "1" + "0" * 12 + "0",
        "0" * 19 + "1" + "0" * 30,
        "٣",
    ],
)
def test_a_wrong_amount_is_a_clear_message(capsys: pytest.CaptureFixture[str], coins: str) -> None:
    assert main(["grant", "--", "alice", coins]) == 1
    assert "COINS must be a whole number of 1 to 1,000,000,000,000" in capsys.readouterr().err


def test_a_failed_grant_names_the_request_id_that_repeats_it_safely(server: Server, client: Client) -> None:
    # Given a grant that no service answered
    failed = _run("grant", "alice", "50", HOLDFAST_CREDIT_PORT="1", HOLDFAST_RPC_TIMEOUT_S="3")
    assert failed.returncode == 1
    last_line = failed.stderr.splitlines()[-1]
    request_id = last_line.removeprefix("to repeat it safely add --request-id ")
    # When it is repeated twice with the id that it named
    again = ("grant", "alice", "50", "--request-id", request_id)
    for _ in range(2):
        assert _run(*again, HOLDFAST_CREDIT_PORT=str(server.port)).returncode == 0
    # Then the coins were given once
    assert client.coins("alice") == (50, 0, 50)


def test_a_request_id_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["grant", "alice", "50", "--request-id", "x"])
    assert "--request-id" in capsys.readouterr().err


def test_a_refusal_of_the_service_is_the_message(server: Server) -> None:
    port = str(server.port)
    ended = _run("account", "nobody", HOLDFAST_CREDIT_PORT=port)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "user nobody has no account\n")
    ended = _run("grant", "", "5", HOLDFAST_CREDIT_PORT=port)
    assert (ended.returncode, "user_id" in ended.stderr) == (1, True)


def test_reservations_are_listed_newest_first_in_a_line_each(server: Server, client: Client) -> None:
    port = str(server.port)
    client.grant(5_000, "alice")
    first = client.reserve(1_500, "alice", reference_type="job", reference_id="j 1\n\x1b[2J").reservation
    second = client.reserve(20, "alice").reservation
    client.charge(first.reservation_id, amount=1_200)
    expires = [
        f"{row.expire_time.ToDatetime().isoformat(timespec='microseconds')}Z" for row in (first, second)
    ]
    older = f"{first.reservation_id} CHARGED 1,500, charged 1,200, expires {expires[0]}, job j 1\\n\\x1b[2J\n"
    newer = f"{second.reservation_id} RESERVED 20, charged 0, expires {expires[1]}\n"
    ended = _run("reservations", "alice", HOLDFAST_CREDIT_PORT=port)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, newer + older, "")
    charged = _run("reservations", "alice", "--state", "charged", "REFUSED", HOLDFAST_CREDIT_PORT=port)
    assert charged.stdout == older


def test_reservations_come_in_as_many_pages_as_they_need(
    server: Server, client: Client, database: Database
) -> None:
    client.grant(1, "alice")
    database.run(
        "INSERT INTO reservations SELECT gen_random_uuid(), 'alice', n, n, 'REFUSED', now(), now(), 0, NULL,"
        " '', '', '', '', '{}', NULL FROM generate_series(1, 1300) AS n;"
        "UPDATE accounts SET reservation_count = 1300"
    )
    ended = _run("reservations", "alice", "--limit", "1200", HOLDFAST_CREDIT_PORT=str(server.port))
    amounts = [line.split()[2] for line in ended.stdout.splitlines()]
    assert amounts == [f"{number:,}," for number in range(1_300, 100, -1)]


@pytest.mark.parametrize("arguments", [("--limit", "0"), ("--limit", "x"), ("--state", "GONE")])
def test_a_list_of_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit):
        main(["reservations", "alice", *arguments])
    assert arguments[0] in capsys.readouterr().err


def test_verify_says_how_much_it_checked_and_what_is_wrong(
    server: Server, client: Client, database: Database
) -> None:
    port = str(server.port)
    for user_id in ("alice", "bob"):
        client.grant(10, user_id)
    sound = _run("verify", HOLDFAST_CREDIT_PORT=port)
    assert (sound.returncode, sound.stdout, sound.stderr) == (0, "accounts checked: 2, findings: 0\n", "")
    # When a hand in the database gives bob coins
    database.run("UPDATE accounts SET balance = 1000 WHERE user_id = 'bob'")
    damaged, unharmed = (_run("verify", *users, HOLDFAST_CREDIT_PORT=port) for users in ((), ("alice",)))
    database.run("UPDATE accounts SET balance = 10 WHERE user_id = 'bob'")
    # Then the exit code says so, and each finding is a line
    findings = (
        "bob: balance: expected 10, found 1000\n"
        "bob: last_event: expected balance 10, reserved 0, found balance 1000, reserved 0\n"
    )
    assert (damaged.returncode, damaged.stdout) == (1, f"accounts checked: 2, findings: 2\n{findings}")
    assert (unharmed.returncode, unharmed.stdout) == (0, "accounts checked: 1, findings: 0\n")
    nobody = _run("verify", "nobody", HOLDFAST_CREDIT_PORT=port)
    assert (nobody.returncode, nobody.stdout, nobody.stderr) == (1, "", "user nobody has no account\n")


def test_without_a_service_the_command_says_so() -> None:
    ended = _run("account", "alice", HOLDFAST_CREDIT_PORT="1", HOLDFAST_RPC_TIMEOUT_S="3")
    assert ended.returncode == 1
    assert ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "migrate",
        "archive --older-than-days 400",
        "reconcile",
        "grant alice 5",
        "account alice",
        "reservations alice",
        "verify",
        "pay-test-order alice 0d3c3a52-6e1f-4b0c-9f0e-000000000000",
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HOLDFAST_CREDIT_DATABASE_URL", "postgresql://h:S3CRET@db/credit")
    monkeypatch.setenv("HOLDFAST_RAZORPAY_KEY_SECRET", "S3CRET")
    monkeypatch.setenv("HOLDFAST_CREDIT_PORT", "S3CRET")
    assert main(command.split()) == 2
    heading, problem = capsys.readouterr().err.splitlines()
    assert heading == "credit_service: the settings are wrong:"
    assert problem.startswith("HOLDFAST_CREDIT_PORT: Input should be a valid integer")
    assert "S3CRET" not in problem


def test_a_provider_that_is_not_whole_is_named_without_its_key() -> None:
    secrets = {
        "HOLDFAST_CREDIT_DATABASE_URL": "postgresql://h:S3CRET@db/credit",
        "HOLDFAST_STRIPE_SECRET_KEY": "sk_live_S3CRET",
    }
    ended = _run("serve", **secrets)
    needed = "HOLDFAST_STRIPE_WEBHOOK_SECRET, HOLDFAST_STRIPE_SUCCESS_URL, HOLDFAST_STRIPE_CANCEL_URL"
    problem = f"HOLDFAST_STRIPE_SECRET_KEY needs {needed}"
    assert ended.returncode == 2
    assert ended.stderr == f"credit_service: the settings are wrong:\n{problem}\n"


def test_serve_serves_until_sigterm_and_names_a_port_in_use(migrated: str, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with closing(socket.socket()) as finder:
        finder.bind(("127.0.0.1", 0))
        port = str(finder.getsockname()[1])
    settings = {"HOLDFAST_CREDIT_DATABASE_URL": migrated, "HOLDFAST_CREDIT_PORT": port}
    with subprocess.Popen(
        [sys.executable, "-m", "credit_service", "serve"],
        env={**os.environ, **settings, "HOLDFAST_READY_FILE": str(ready)},
        stderr=subprocess.PIPE,
    ) as service:
        try:
            eventually(ready.exists, timeout_s=30)
            with Client(f"127.0.0.1:{port}") as client:
                refused("RESERVATION_NOT_FOUND", lambda: client.reservation(new_id()))
            second = _run("serve", **settings)
            assert second.returncode == 1
            assert f"port {port} is in use: set HOLDFAST_CREDIT_PORT" in second.stderr
        finally:
            service.terminate()
            service.communicate(timeout=30)
        assert service.returncode == 0


def test_migrate_twice_is_once_and_loads_the_packages(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.create_database("credit_commands")
    url = postgres.url("credit_commands")
    for _ in range(2):
        ended = _run("migrate", HOLDFAST_CREDIT_DATABASE_URL=url)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "credit is at revision 0004, 3 packages on sale\n"
    file = tmp_path / "packages.toml"
    file.write_text('[[package]]\npackage_id = "coins-400"\ntitle = "Four hundred"\ncoins = 401\n')
    ended = _run("migrate", HOLDFAST_CREDIT_DATABASE_URL=url, HOLDFAST_CREDIT_PACKAGES_FILE=str(file))
    assert ended.stdout == "credit is at revision 0004, 1 packages on sale\n"
    with Database(url) as database:
        assert database.run("SELECT package_id, title, coins, on_sale FROM packages ORDER BY coins") == [
            ("coins-400", "Four hundred", 401, True),
            ("coins-850", "850 coins", 850, False),
            ("coins-1600", "1,600 coins", 1600, False),
        ]


def test_migrate_in_many_copies_at_once_is_once(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("credit_copies")
    url = postgres.url("credit_copies")
    command = [sys.executable, "-m", "credit_service", "migrate"]
    environment = {**os.environ, "HOLDFAST_CREDIT_DATABASE_URL": url}
    copies = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for copy in copies:
        _, err = copy.communicate(timeout=60)
        assert copy.returncode == 0, err


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[[package]]\npackage_id = 'a'\ntitle = 'A'\ncoins = 0\n",
        "[[package]]\npackage_id = 'a'\ntitle = ''\ncoins = 1\n",
        "[[package]]\npackage_id = 'A b'\ntitle = 'A'\ncoins = 1\n",
        "[[package]]\npackage_id = 'a'\ntitle = 'A'\ncoins = 1\nprice = 3\n",
        "[[package]]\npackage_id = 'a'\ntitle = 'A'\ncoins = 1\n" * 2,
    ],
)
def test_a_wrong_packages_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "packages.toml"
    file.write_text(text)
    with pytest.raises(PackagesFileError, match=r"packages\.toml"):
        read_packages(file)
    with pytest.raises(PackagesFileError, match="missing"):
        read_packages(tmp_path / "missing.toml")


def _run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command: those of operators in this process, which saves a start of Python each."""
    if arguments[0] in ("grant", "account", "reservations", "verify"):
        return _run_here(arguments, settings)
    return subprocess.run(
        [sys.executable, "-m", "credit_service", *arguments],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _run_here(arguments: tuple[str, ...], given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    printed: dict[object, list[str]] = {sys.stdout: [], sys.stderr: []}

    def note(text: object, file: object = sys.stdout) -> None:
        # Not what goes to stdout itself: the server of these tests logs there too.
        printed[file].append(f"{text}\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operator_commands, "print", note, raising=False)
        for name, value in given.items():
            patch.setenv(name, value)
        code = main(list(arguments))
    return subprocess.CompletedProcess(
        arguments, code, "".join(printed[sys.stdout]), "".join(printed[sys.stderr])
    )
