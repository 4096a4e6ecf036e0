"""`python -m insight_worker`: becomes Dramatiq's own command, with this room's settings.

The master process imports nothing of gRPC and forks the worker processes; each then makes its own
broker and clients (`bootstrap.set_up`). SIGTERM and SIGINT drain: running jobs are handed over.
"""

import os
import sys
from typing import NoReturn

from insight_worker.actors import QUEUE
from insight_worker.readiness import forget_processes
from insight_worker.registry import load_pipelines
from insight_worker.settings import WorkerSettings
from servicekit.settings import SettingsError, report


def command(settings: WorkerSettings) -> list[str]:
    """Answer the command line of the worker."""
    return [
        sys.executable,
        *("-m", "dramatiq", "insight_worker.bootstrap:set_up"),
        *("--processes", str(settings.worker_processes)),
        *("--threads", str(settings.worker_threads)),
        *("--queues", QUEUE),
        *("--worker-shutdown-timeout", str(round(settings.worker_shutdown_s * 1000))),
        "--skip-logging",
    ]


def main(arguments: list[str]) -> NoReturn:
    """Become the worker. Raises SystemExit when that is not possible, and says why on standard error."""
    if arguments not in ([], ["serve"]):
        sys.exit("usage: python -m insight_worker [serve]")
    try:
        settings = WorkerSettings.load()
        load_pipelines(settings.worker_pipelines)
    except SettingsError as error:
        sys.exit(report("insight_worker", error))
    except (ValueError, ImportError) as error:
        sys.exit(f"insight_worker cannot start: {error}")
    forget_processes()
    # Dramatiq reads it when it is imported; its own 1 s would be the wait of every first job.
    environment = {**os.environ, "dramatiq_worker_timeout": str(settings.worker_poll_ms)}
    os.execve(sys.executable, command(settings), environment)  # noqa: S606  # to become the worker is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
