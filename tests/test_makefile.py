"""What the Makefile refuses."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Say what make would do, in a login shell of carol's."""
    return subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT,
        env={**os.environ, "USER": "carol", "MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("token",), ("grant", "COINS=5")])
def test_the_user_of_the_login_shell_is_not_meant(arguments: tuple[str, ...]) -> None:
    refused = _make(*arguments)
    assert refused.returncode != 0
    assert f"Say which user: make {arguments[0]} USER=alice" in refused.stderr
    assert "carol" not in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "command"),
    [(("token",), 'gateway token "alice"'), (("grant", "COINS=5"), 'credit_service grant "alice" "5"')],
)
def test_the_user_of_the_command_line_is_taken(arguments: tuple[str, ...], command: str) -> None:
    done = _make(*arguments, "USER=alice")
    assert done.returncode == 0, done.stderr
    assert command in done.stdout
