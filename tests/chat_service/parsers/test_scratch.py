"""What does not fit into memory is kept on a disk, and a disk that takes only a part of it is noticed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.parsers import MessageKind, ParsedMessage, Scratch, ScratchFailed, reversal
from chat_service.parsers.reversal import newest_last

_TIME = datetime.fromisoformat("2024-01-01")
#: A process whose files may not be larger than 300,000 bytes: the system takes a part of what is more, as a
#: disk does that is about to be full, and refuses the rest.
_SMALL_DISK = """
import resource, sys
from pathlib import Path
from chat_service.parsers import Scratch, ScratchFailed

resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
scratch = Scratch(Path(sys.argv[1]))
scratch.write(b"a" * 200_000)
try:
    scratch.write(b"b" * 200_000)
except ScratchFailed as error:
    print("refused")
scratch.close()
"""


def test_what_was_written_in_pieces_is_read_as_a_whole(tmp_path: Path) -> None:
    with closing(Scratch(tmp_path)) as scratch:
        for number in range(1_000):
            scratch.write(bytes([number % 256]) * number)
        scratch.file.seek(0)
        assert scratch.file.read() == b"".join(bytes([number % 256]) * number for number in range(1_000))


def test_a_disk_that_takes_a_part_and_no_more_is_noticed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "refused\n", "")


def test_a_directory_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ScratchFailed):
        Scratch(tmp_path / "missing")


def batches(sizes: list[int]) -> Iterator[list[ParsedMessage]]:
    """Iterate batches of these sizes; the messages have their number as their body."""
    number = 0
    for size in sizes:
        yield [ParsedMessage("Anna", _TIME, f"{number + one}", MessageKind.TEXT) for one in range(size)]
        number += size


@given(st.lists(st.integers(0, 30), max_size=30))
def test_messages_come_from_the_last_to_the_first_however_many_fit_into_memory(sizes: list[int]) -> None:
    expected = [str(number) for number in reversed(range(sum(sizes)))]
    for memory_bytes in (0, 3_000, 10**9):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(reversal, "_MEMORY_BYTES", memory_bytes)
            turned = list(newest_last(batches(sizes), None))
        assert [len(batch) for batch in turned] == sizes[::-1]
        assert [message.body for batch in turned for message in batch] == expected
