"""Run a command that gets a signal when the process that started it dies, however it dies.

    python -I -S die_with_parent.py PARENT_PID SIGNAL UID:GID|- COMMAND [ARGUMENT...]

Linux sends the signal (PR_SET_PDEATHSIG); other systems have no such thing, and there the command just runs.
It stands alone, is started by its path and imports the standard library only, so it costs some 20 ms
and none of the dangers of code between fork and exec in a process with threads. The command replaces
it, so the process id stays.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_RUN = 127


def _become(account: str) -> None:
    """Change to the account UID:GID for good. The death signal is set later: this change would clear it."""
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _ask_for_death_signal(number: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def main(arguments: list[str]) -> int:
    """Become the command. Answers only when that was not possible: 127, or 1 when the parent is gone."""
    parent, number, account, *command = arguments
    try:
        if account != "-":
            _become(account)
        _ask_for_death_signal(int(number))
        if os.getppid() != int(parent):
            return 1  # It died before the request stood, so no signal would ever come.
        # Python ignores these two, and a command inherits what is ignored.
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606  # to become the command is the purpose
    except OSError as error:
        print(f"cannot run {command[0]}: {error}", file=sys.stderr)
    return _CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
