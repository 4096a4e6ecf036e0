"""The worker's settings: what they refuse, and what they read from the environment."""

import pytest
from pydantic import ValidationError

from insight_worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"rpc_timeout_s": 600}, "HOLDFAST_RPC_TIMEOUT_S"),
        ({"worker_patience_s": 600}, "HOLDFAST_WORKER_PATIENCE_S"),
        ({"worker_stream_timeout_s": 601}, "HOLDFAST_WORKER_STREAM_TIMEOUT_S"),
        ({"worker_shutdown_s": 600}, "HOLDFAST_WORKER_JOB_LIMIT_S"),
    ],
)
def test_a_budget_that_does_not_fit_into_the_next_is_refused_by_name(
    given: dict[str, float], named: str
) -> None:
    # When a limit is as long as the limit around it, then both are named
    with pytest.raises(ValidationError, match=named):
        WorkerSettings.model_validate(given)


def test_pipelines_are_modules_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a variable as a person writes it
    monkeypatch.setenv("HOLDFAST_WORKER_PIPELINES", "a.b, c ,")
    # Then each module stands alone
    assert WorkerSettings().worker_pipelines == ("a.b", "c")


def test_a_worker_without_pipelines_is_refused() -> None:
    with pytest.raises(ValidationError, match="worker_pipelines"):
        WorkerSettings.model_validate({"worker_pipelines": ","})


def test_the_services_are_on_this_machine_unless_a_target_is_set() -> None:
    # Given one target and one port
    settings = WorkerSettings(chat_target="chat:1", credit_port=2)
    # Then the target stands, and the other service is here at its port
    assert (settings.chat_target, settings.credit_target) == ("chat:1", "127.0.0.1:2")
