"""pgbench doing the least that a Reserve does: lock the account, insert a row, update the account, commit.

And the least that a Charge does after it: lock the account, settle the row, insert another, update, commit.
"""

import re
import subprocess
from pathlib import Path

from benchmarks.house import House

ACCOUNTS = 10_000
_CLIENTS = 32

_SCHEMA = f"""
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL, reserved bigint NOT NULL DEFAULT 0);
CREATE TABLE reservations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL,
  amount bigint NOT NULL, state text NOT NULL DEFAULT 'RESERVED',
  create_time timestamptz NOT NULL DEFAULT now());
CREATE TABLE transactions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), account_id int NOT NULL,
  reservation_id uuid NOT NULL, amount bigint NOT NULL, create_time timestamptz NOT NULL DEFAULT now());
INSERT INTO accounts SELECT n, 1000000000000 FROM generate_series(1, {ACCOUNTS}) n;
"""

_RESERVE = """
BEGIN;
SELECT balance, reserved FROM accounts WHERE id = :account FOR NO KEY UPDATE;
INSERT INTO reservations (account_id, amount) VALUES (:account, 1);
UPDATE accounts SET reserved = reserved + 1 WHERE id = :account;
COMMIT;
"""

_CHARGE = """
BEGIN;
SELECT balance, reserved FROM accounts WHERE id = :account FOR NO KEY UPDATE;
UPDATE reservations SET state = 'CHARGED' WHERE id = CAST(:reservation AS uuid);
INSERT INTO transactions (account_id, reservation_id, amount)
  VALUES (:account, CAST(:reservation AS uuid), -1);
UPDATE accounts SET reserved = reserved - 1, balance = balance - 1 WHERE id = :account;
COMMIT;
"""


def prepare(house: House) -> None:
    """Make the tables of the baseline in a database of their own."""
    house.sql("pgbench", _SCHEMA)


def reserves_per_s(house: House, *, hot: bool, for_s: int) -> float:
    """Answer pgbench's Reserves a second with 32 clients, spread over 10,000 accounts or on one."""
    return _per_s(house, f"reserve-{'hot' if hot else 'spread'}", _RESERVE, hot=hot, for_s=for_s)


def pairs_per_s(house: House, *, for_s: int) -> float:
    """Answer pgbench's Reserves with their Charges a second with 32 clients, spread over 10,000 accounts."""
    reserve = _RESERVE.replace("(:account, 1);", "(:account, 1) RETURNING id AS reservation \\gset")
    return _per_s(house, "pairs", reserve + _CHARGE, hot=False, for_s=for_s)


def _per_s(house: House, name: str, transactions: str, *, hot: bool, for_s: int) -> float:
    script = house.folder / f"{name}.sql"
    account = "1" if hot else f"random(1, {ACCOUNTS})"
    script.write_text(f"\\set account {account}\n{transactions}")
    return _tps(_run(house, script, for_s))


def _run(house: House, script: Path, for_s: int) -> str:
    done = subprocess.run(
        [
            str(house.postgres.bin_dir / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--client={_CLIENTS}", "--jobs=2"),
            *(f"--time={for_s}", f"--file={script}", house.postgres.url("pgbench")),
        ],
        capture_output=True,
        text=True,
        timeout=for_s + 60,
        check=True,
    )
    return done.stdout


def _tps(output: str) -> float:
    failed = re.search(r"number of failed transactions: (\d+)", output)
    found = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
    if found is None or failed is None or int(failed[1]):
        raise RuntimeError(f"pgbench did not do its work:\n{output}")
    return float(found[1])
