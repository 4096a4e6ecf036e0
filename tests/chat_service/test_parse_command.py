"""`python -m chat_service parse FILE`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chat_service.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ACCOUNT = Path(__file__).parent / "parsers" / "exports" / "telegram_account.json"


def test_a_file_is_summed_up_without_any_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", str(EXAMPLES / "anna-and-ben.txt")]) == 0

    summary = json.loads(capsys.readouterr().out)
    assert (summary["messages"], summary["authors"]) == (4059, {"Anna": 2187, "Ben": 1866})
    assert (summary["format"], summary["date_order"]) == ("WHATSAPP_TEXT", "DAY_FIRST")
    assert summary["skipped_lines"] == 0


def test_a_file_that_cannot_be_read_is_exit_code_1_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Anna,\n")

    assert main(["parse", str(letter)]) == 1
    assert main(["parse", str(tmp_path / "nowhere.txt")]) == 1

    complaints = capsys.readouterr().err
    assert "line 1" in complaints
    assert "nowhere.txt" in complaints


def test_the_chats_of_an_account_are_listed_and_one_is_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parse", str(ACCOUNT)]) == 1
    assert "  22: Bert\n" in capsys.readouterr().err

    assert main(["parse", str(ACCOUNT), "--chat", "22"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == 2


def test_nothing_of_the_service_is_loaded_to_read_a_file() -> None:
    # Given a process of its own, as this one has loaded everything
    heavy = ("sqlalchemy", "asyncpg", "grpc", "pydantic", "uvloop", "protos")
    script = f"import sys, chat_service.__main__; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
