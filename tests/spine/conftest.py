"""The whole system as `make run` starts it, on a data directory and ports of its own."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from dotenv import dotenv_values

from tests.eventually import eventually
from tests.spine.reflection_client import ReflectionClient

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
_READY_S = 90.0
_TIMEOUT_S = 30.0
LAUNCH = (
    *(sys.executable, "-m", "servicekit.launcher", "--database", "credit", "--database", "chat", "--redis"),
    *("--free-port", "credit", "--free-port", "chat", "--free-port", "gateway"),
)


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without its HOLDFAST_ variables, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return kept | {f"HOLDFAST_{name.upper()}": value for name, value in settings.items()}


class System:
    """A running system, seen from outside."""

    def __init__(self, launcher: "subprocess.Popen[str]", data_dir: Path, env: dict[str, str]) -> None:
        self.launcher = launcher
        self.data_dir = data_dir
        found = {name: value or "" for name, value in dotenv_values(data_dir / "stores.env").items()}
        self.env = env | found
        self.rest = f"http://127.0.0.1:{found['HOLDFAST_GATEWAY_PORT']}"
        self.redis_url = found["HOLDFAST_REDIS_URL"]
        self.credit = ReflectionClient(f"127.0.0.1:{found['HOLDFAST_CREDIT_PORT']}")
        self.chat = ReflectionClient(f"127.0.0.1:{found['HOLDFAST_CHAT_PORT']}")
        self.apps: list[App] = []

    def run(self, *module: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of ours beside the system."""
        return subprocess.run(
            [sys.executable, "-m", *module],
            env=self.env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )

    def app(self, user_id: str | None = None) -> "App":
        """A user of the REST API who has logged in once."""
        user_id = user_id or f"user-{uuid.uuid4().hex}"
        token = self.run("gateway", "token", user_id).stdout.strip()
        self.apps.append(App(self, user_id, token))
        return self.apps[-1]

    @contextmanager
    def workers_stopped(self) -> Iterator[None]:
        """Hold the worker's processes for a while, as a machine without air would."""
        workers = [p for p in self.processes() if "insight_worker" in " ".join(p.cmdline())]
        assert workers
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGCONT)

    def processes(self) -> list[psutil.Process]:
        """All processes below the launcher."""
        return psutil.Process(self.launcher.pid).children(recursive=True)


class App:
    """What an app does for one user."""

    def __init__(self, system: System, user_id: str, token: str) -> None:
        self.system = system
        self.user_id = user_id
        self.http = httpx.Client(
            base_url=system.rest, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S
        )
        assert self.http.post("/api/users/store", json={}).status_code == 200

    def grant(self, coins: int) -> None:
        """Have an operator grant coins."""
        done = self.system.run("credit_service", "grant", self.user_id, str(coins))
        assert done.returncode == 0, done.stderr

    def upload(self, content: bytes | None = None, name: str = "anna-and-ben.txt") -> httpx.Response:
        """Upload an export; the sample when none is given."""
        body = (EXAMPLES / name).read_bytes() if content is None else content
        return self.http.post("/api/chats/upload", files={"file": (name, body, "text/plain")})

    def chat(self, name: str = "anna-and-ben.txt") -> str:
        """Upload a sample and answer the chat's id."""
        answer = self.upload(name=name)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["chat_id"])

    def unlock(self, chat_id: str, category_id: str, key: str | None = None) -> httpx.Response:
        """Order a category."""
        return self.http.post(
            "/api/insights/unlock",
            json={"chat_id": chat_id, "category_id": category_id},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as of now."""
        answer: dict[str, Any] = self.http.get(f"/api/insights/jobs/{job_id}/status").json()
        return answer

    def wait_for(self, job_id: str, state: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until the job is in the state."""
        eventually(lambda: self.job(job_id)["state"] == state, timeout_s)
        return self.job(job_id)

    def coins(self) -> tuple[int, int]:
        """Balance and what of it is reserved."""
        account = self.http.get("/api/credits/balance").json()
        return account["balance"], account["reserved"]

    def insights(self, chat_id: str) -> list[dict[str, Any]]:
        """The insights that the user can see."""
        listed: list[dict[str, Any]] = self.http.get(f"/api/insights/chats/{chat_id}").json()["insights"]
        return listed

    def charges(self) -> list[int]:
        """The coins of every charge."""
        answer = self.http.get("/api/credits/transactions", params={"type": "INSIGHT_UNLOCK"})
        return [row["amount"] for row in answer.json()["transactions"]]


@pytest.fixture
def system(whole_system: System) -> Iterator[System]:
    """The running system; the connections that a test makes are closed after it."""
    yield whole_system
    while whole_system.apps:
        whole_system.apps.pop().http.close()


@pytest.fixture(scope="package")
def whole_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system; when it is stopped, nothing of it may be left."""
    data_dir = tmp_path_factory.mktemp("system")
    env = clean_environment(
        data_dir=str(data_dir),
        job_lease_s="2",
        job_poll_s="0.2",
        job_redispatch_s="2",
        job_reservation_ttl_s="3",
        payment_retry_first_s="0.5",
        payment_retry_factor="1",
        import_max_bytes="1000000",
    )
    launcher = subprocess.Popen(
        [*LAUNCH, "--greeting", f"{sys.executable} -m gateway welcome"],
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    greeting = _until_ready(launcher)
    running = System(launcher, data_dir, env)
    assert running.rest in greeting
    yield running
    running.credit.close()
    running.chat.close()
    processes = running.processes()
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)
    assert launcher.returncode == 0
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []


def _until_ready(launcher: "subprocess.Popen[str]") -> str:
    assert launcher.stdout is not None
    assert launcher.stderr is not None
    greeting = ""
    # The launcher ends by itself when something does not get ready, so this ends too.
    for line in launcher.stdout:
        if line == "ready\n":
            return greeting
        greeting += line
    raise AssertionError(f"the system did not start:\n{launcher.stderr.read()}")
