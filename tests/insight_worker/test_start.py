"""A worker that cannot work ends at once, and says why."""

from pathlib import Path

import pytest

from tests.insight_worker.house import Service


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"HOLDFAST_WORKER_PIPELINES": "no_such_module"}, "no_such_module"),
        ({"HOLDFAST_WORKER_JOB_LIMIT_S": "1"}, "HOLDFAST_RPC_TIMEOUT_S"),
        ({"HOLDFAST_REDIS_URL": "unix:///nobody.sock"}, "HOLDFAST_REDIS_URL"),
        # The clients are made after the fork, so this is found in a worker process, not in the master.
        (
            {"HOLDFAST_TLS_CERT_FILE": "none.pem", "HOLDFAST_TLS_CA_FILE": "none.pem"},
            "clients cannot be made",
        ),
    ],
)
def test_a_worker_that_cannot_start_ends_with_an_error_that_names_the_reason(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    # Given a setting that cannot be
    worker = Service("insight_worker", tmp_path, {"HOLDFAST_WORKER_START_TIMEOUT_S": "0.5", **settings})
    # When the worker starts
    worker.child.start()
    # Then it ends by itself
    assert worker.child.wait(20) not in (0, None)
    assert named in worker.log()
    assert not (tmp_path / "ready").exists()
