"""Start the stores and every process of the Procfile, keep them up, and leave nothing behind.

    python -m servicekit.launcher --database NAME --redis [--then COMMAND]

It knows no process by name: what runs stands in the Procfile, which stores there are stands in
the options. A process is ready when it has made the file named by HOLDFAST_READY_FILE.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from dotenv import dotenv_values

from servicekit.embedded import EmbeddedServerError
from servicekit.embedded.directories import DirectoryLock
from servicekit.launcher.errors import LaunchError, ProcessFailed, StopRequested
from servicekit.launcher.ports import free_ports, port_variables
from servicekit.launcher.procfile import Procfile, arguments_of
from servicekit.launcher.signals import Signals
from servicekit.launcher.stores import Stores, write_env_file
from servicekit.launcher.supervisor import INTERRUPTED_EXIT, Supervisor
from servicekit.launcher.terminal import Terminal
from servicekit.processes import tail
from servicekit.settings import DATA_DIR_VARIABLE, DEFAULT_DATA_DIR, STORES_FILE

_TAIL_LINES = 20
_READY_TIMEOUT_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the exit code: 0, 1 when something failed, or that of the command of --then."""
    options = _parse(arguments)
    terminal = Terminal()
    env = _environment()
    data_dir = _data_dir(options.temporary, env)
    with Signals() as signals:
        code = _launch(options, data_dir, env, signals, terminal)
    well = code == 0 or signals.stop_requested
    if options.temporary and well:
        shutil.rmtree(data_dir, ignore_errors=True)
    elif options.temporary:
        terminal.error(f"kept: {data_dir}")
    return code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m servicekit.launcher", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "--database",
        action="append",
        default=[],
        metavar="NAME",
        help="a database; embedded unless its URL is set",
    )
    add("--redis", action="store_true", help="a Redis; embedded unless HOLDFAST_REDIS_URL is set")
    add("--temporary", action="store_true", help="fresh stores, removed at the end if all went well")
    add(
        "--free-port",
        action="append",
        default=[],
        metavar="NAME",
        help="choose HOLDFAST_<NAME>_PORT unless set; one that is 0 is always chosen",
    )
    add("--greeting", type=arguments_of, metavar="COMMAND", help="runs when all is ready, before `ready`")
    add("--then", type=arguments_of, metavar="COMMAND", help="runs when all is ready; then everything stops")
    add("--procfile", type=Path, default=Path("Procfile"), metavar="FILE", help="the processes (Procfile)")
    add(
        "--ready-timeout", type=float, default=_READY_TIMEOUT_S, metavar="SECONDS", help="for all to be ready"
    )
    return parser.parse_args(arguments)


def _environment() -> dict[str, str]:
    """Answer the environment of the processes: this one's, and `.env` for what it leaves open."""
    from_file = {name: value for name, value in dotenv_values(".env").items() if value}
    return from_file | {name: value for name, value in os.environ.items() if value or name not in from_file}


def _data_dir(temporary: bool, env: Mapping[str, str]) -> Path:
    if not temporary:
        return Path(env.get(DATA_DIR_VARIABLE) or DEFAULT_DATA_DIR).absolute()
    data_dir = Path(tempfile.mkdtemp(prefix="holdfast-run-"))
    # When root runs this, the database's user must get through to its part, which is private again.
    data_dir.chmod(0o711)
    return data_dir


def _launch(
    options: argparse.Namespace, data_dir: Path, env: dict[str, str], signals: Signals, terminal: Terminal
) -> int:
    """Run everything and stop it again. A failure is told before the rest stops, while its log is short."""
    with ExitStack() as stack:
        try:
            return _run(options, data_dir, env, signals=signals, terminal=terminal, stack=stack)
        except StopRequested:
            return INTERRUPTED_EXIT if options.then else 0
        except ProcessFailed as error:
            terminal.error(str(error), tail(error.log_path, _TAIL_LINES))
            terminal.error(f"logs: {data_dir / 'logs'}")
        except (LaunchError, EmbeddedServerError, OSError) as error:
            terminal.error(str(error))
        return 1


def _run(
    options: argparse.Namespace,
    data_dir: Path,
    env: dict[str, str],
    *,
    signals: Signals,
    terminal: Terminal,
    stack: ExitStack,
) -> int:
    procfile = Procfile.read(options.procfile)
    stack.enter_context(DirectoryLock(data_dir, "launcher.lock"))
    stores = Stores(data_dir, stack)
    stores.start(options.database, options.redis, env)
    ports = port_variables(env) | free_ports(options.free_port, env)
    stores_file = data_dir / STORES_FILE
    write_env_file(stores_file, stores.variables | ports)
    stack.callback(stores_file.unlink, missing_ok=True)
    env = {**env, **stores.variables, **ports, DATA_DIR_VARIABLE: str(data_dir)}
    supervisor = Supervisor(
        data_dir, env, stack=stack, signals=signals, terminal=terminal, check_stores=stores.check
    )
    supervisor.start(procfile, options.ready_timeout)
    if options.greeting:
        supervisor.greet(options.greeting)
    if options.then:
        code = supervisor.run_in_front(options.then)
        if code != 0:
            terminal.error(f"{options.then[0]} ended with {code}; logs: {data_dir / 'logs'}")
        return code
    print("ready", flush=True)
    supervisor.keep_up()
    terminal.step("stopping")
    return 0


if __name__ == "__main__":
    sys.exit(main())
