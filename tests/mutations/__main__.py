"""``python -m tests.mutations [PART OF A NAME]``: take each guard out, see a test fail, print the table."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.mutations.ledger import ROOT, Mutation, mutations
from tests.mutations.payments import payment_mutations

_TIMEOUT_S = 300


def main(arguments: list[str]) -> int:
    """Answer 1 when a guard is missed by nobody, or when a text to be taken out is not there."""
    everything = (*mutations(), *payment_mutations())
    wanted = [one for one in everything if not arguments or arguments[0] in one.name]
    console = Console(highlight=False)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-mutations-") as folder:
        copy = _copy(Path(folder))
        for number, mutation in enumerate(wanted, 1):
            start = time.perf_counter()
            verdict = _try(copy, mutation)
            missed += verdict != "a test fails"
            took = f"{time.perf_counter() - start:4.0f} s"
            console.print(f"{number:3d}/{len(wanted)} {took}  {mutation.name}: {verdict}")
    console.print(f"{len(wanted) - missed} of {len(wanted)} were noticed")
    return 1 if missed else 0


def _copy(folder: Path) -> Path:
    """Copy what git knows or would add, and the generated code, so that the tree itself stays as it is."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],  # whichever git is there
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.decode()
    generated = [str(path.relative_to(ROOT)) for path in ROOT.glob("protos/**/*_pb2*")]
    for name in [*filter(None, listed.split("\0")), *generated]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _try(copy: Path, mutation: Mutation) -> str:
    path = copy / mutation.file
    text = path.read_text()
    if mutation.before not in text:
        return f"NOT FOUND in {mutation.file}"
    path.write_text(text.replace(mutation.before, mutation.after))
    try:
        return _verdict(copy, mutation)
    finally:
        path.write_text(text)


def _verdict(copy: Path, mutation: Mutation) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:xdist"]
    try:
        done = subprocess.run(
            [*command, *mutation.tests], cwd=copy, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return "a test fails"
    if done.returncode == 0:
        return "NOBODY NOTICES"
    # A test that could not be set up has noticed nothing.
    return "a test fails" if b"\nFAILED " in done.stdout else "COULD NOT RUN"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
