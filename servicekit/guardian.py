"""Kills what a process has left behind when it died without stopping its children.

    python -I -S guardian.py DEADLINE_S    (reads lines from standard input)

"+GROUP SIGNAL" names a process group that must not outlive the writer, "-GROUP" takes it back. When the
input ends, the writer has died, however it died: the groups that are left get the deadline, then SIGKILL.
On Linux each child has had its signal from the kernel by then (see die_with_parent.py), and a program that
manages workers must not hear it twice; elsewhere this sends it. It stands alone and imports the standard
library only.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

_POLL_S = 0.05


def _read(lines: Iterable[str]) -> dict[int, int]:
    """Answer the groups, with their signals, that are left when the input ends."""
    groups: dict[int, int] = {}
    for line in lines:
        group, *number = line.split()
        if group.startswith("+"):
            groups[int(group)] = int(number[0])
        else:
            groups.pop(-int(group), None)
    return groups


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group, 0 to none; answers whether the group has anybody who can get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main(arguments: list[str]) -> int:
    """Wait for the writer's end, then see to it that nothing of its groups is left."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = _read(sys.stdin)
    if sys.platform != "linux":
        for group, number in groups.items():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(group, number)
    deadline = time.monotonic() + float(arguments[0])
    # A group that has gone is forgotten at once: its number may soon be another program's.
    while (groups := {group: n for group, n in groups.items() if _signal(group, 0)}) and (
        time.monotonic() < deadline
    ):
        time.sleep(_POLL_S)
    for group in groups:
        _signal(group, signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
