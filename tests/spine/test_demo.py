"""`make demo`, as a new user runs it."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.spine.conftest import LAUNCH, ROOT, clean_environment

pytestmark = [pytest.mark.spine, pytest.mark.timeout(180)]


def test_the_demo_keeps_its_promises_and_leaves_no_process_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [*LAUNCH, "--temporary", "--then", f"{sys.executable} -m docs.examples.demo"],
        env=clean_environment() | {"TMPDIR": str(_open(tmp_path))},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "All as promised." in done.stdout
    assert "INSUFFICIENT_CREDITS" in done.stdout
    assert "NOT_ENOUGH_MESSAGES" in done.stdout
    # A process that has ended meanwhile has no command line, and None stands for it.
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert left == []


def _open(path: Path) -> Path:
    """A directory that the database's own user can get through when root runs the tests."""
    path.chmod(0o711)
    return path
