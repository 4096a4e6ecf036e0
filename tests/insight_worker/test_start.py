"""A worker that cannot work ends at once, and says why."""

from pathlib import Path

import pytest

from insight_worker.__main__ import main
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


def test_a_wrong_setting_is_named_and_no_secret_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given secrets that are right and a setting that is not
    monkeypatch.setenv("HOLDFAST_REDIS_URL", "redis://:S3CRET@r/0")
    monkeypatch.setenv("HOLDFAST_MODEL_API_KEY", "S3CRET")
    monkeypatch.setenv("HOLDFAST_WORKER_THREADS", "0")
    # When the worker starts
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    # Then it says what is wrong, and no more
    problem = "HOLDFAST_WORKER_THREADS: Input should be greater than or equal to 1"
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"insight_worker: the settings are wrong:\n{problem}\n"
