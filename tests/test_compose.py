"""docker-compose.yml and the Dockerfile cannot be run everywhere; this keeps them from drifting away."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from chat_service.settings import ChatSettings
from credit_service.settings import CreditSettings
from gateway.settings import GatewaySettings
from insight_worker.settings import WorkerSettings

ROOT = Path(__file__).parent.parent
ROOMS = ("credit_service", "chat_service", "insight_worker", "gateway")


def _compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def _procfile() -> list[tuple[str, list[str]]]:
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if line and line[0] != "#"]
    return [(name, shlex.split(command)) for name, _, command in (line.partition(": ") for line in lines)]


def test_every_process_runs_the_command_of_the_procfile() -> None:
    services = _compose()["services"]
    for name, command in _procfile():
        if name != "release":
            assert services[name]["command"] == command


def test_every_release_line_is_a_one_shot_service_that_the_processes_wait_for() -> None:
    services = _compose()["services"]
    releases = [command for name, command in _procfile() if name == "release"]
    one_shots = {name: s for name, s in services.items() if name.startswith("migrate_")}
    assert sorted(s["command"] for s in one_shots.values()) == sorted(releases)
    for name in one_shots:
        waits = services[f"{name.removeprefix('migrate_')}_service"]["depends_on"]
        assert waits[name] == {"condition": "service_completed_successfully"}


def test_every_variable_is_a_setting_of_some_room() -> None:
    known = {
        f"HOLDFAST_{name.upper()}"
        for settings in (CreditSettings, ChatSettings, WorkerSettings, GatewaySettings)
        for name in settings.model_fields
    }
    used = set(re.findall(r"HOLDFAST_[A-Z_]+", (ROOT / "docker-compose.yml").read_text()))
    used |= set(re.findall(r"HOLDFAST_[A-Z_]+", (ROOT / "Dockerfile").read_text()))
    assert used <= known


def test_credit_service_publishes_its_events_to_the_redis_that_is_there() -> None:
    assert CreditSettings.model_fields["redis_url"].default == "", "without the variable it publishes nothing"
    environment = _compose()["services"]["credit_service"]["environment"]
    assert environment["HOLDFAST_REDIS_URL"].startswith("redis://redis:")


def test_the_database_has_the_extension_that_the_search_index_needs() -> None:
    # The official image has contrib, and with it unaccent, but not pgvector.
    assert _compose()["services"]["postgres"]["image"].startswith("pgvector/pgvector:pg18")


def test_every_service_has_a_healthcheck_or_ends_by_itself() -> None:
    for name, service in _compose()["services"].items():
        # A worker listens nowhere: its lease is its sign of life, and the restart policy its doctor.
        assert "healthcheck" in service or name.startswith("migrate_") or name == "insight_worker", name


def test_what_is_to_run_for_ever_is_restarted_when_it_ends() -> None:
    for name, service in _compose()["services"].items():
        assert service["restart"] == ("on-failure:3" if name.startswith("migrate_") else "unless-stopped"), (
            name
        )


def test_healthchecks_ask_the_default_ports() -> None:
    services = _compose()["services"]
    ports = {
        "credit_service": CreditSettings.model_fields["credit_port"].default,
        "chat_service": ChatSettings.model_fields["chat_port"].default,
        "gateway": GatewaySettings.model_fields["gateway_port"].default,
    }
    for name, port in ports.items():
        assert f":{port}" in services[name]["healthcheck"]["test"][-1]


def test_every_dependency_exists_and_has_what_is_waited_for() -> None:
    services = _compose()["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]


def test_the_image_holds_every_room_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for room in ("servicekit", *ROOMS):
        assert f"COPY {room} {room}" in dockerfile
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    assert re.search(r'^CMD \["', dockerfile, re.MULTILINE), "exec form, so that SIGTERM arrives"
