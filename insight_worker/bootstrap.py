"""The composition root of a worker process. Dramatiq's command calls `set_up` in each, after the fork."""

import multiprocessing
import os
import signal
import threading

import dramatiq

from insight_worker import actors
from insight_worker.broker import make_broker
from insight_worker.clients import ProcessClients
from insight_worker.draining import Draining
from insight_worker.readiness import Readiness
from insight_worker.settings import WorkerSettings
from servicekit import logs


def set_up() -> None:
    """Make the broker with its actors and set it as the process's. Connects to nothing yet."""
    settings = WorkerSettings.load()
    logs.configure(settings, "insight_worker")
    _end_with_master()
    clients, draining = ProcessClients(settings), Draining()
    broker = make_broker(settings, draining, [clients, Readiness(settings)])
    actors.declare(broker, clients, draining, settings)
    dramatiq.set_broker(broker)


def _end_with_master() -> None:
    """Drain when the master process is gone: Dramatiq's processes would work on without it, unseen."""
    master = multiprocessing.parent_process()
    if master is None:
        return

    def wait() -> None:
        master.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="master-watch", daemon=True).start()
