"""docker-compose.yml and the Dockerfile cannot be run everywhere; this keeps them from drifting away."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import redis
import yaml

from chat_service.settings import ChatSettings
from credit_service.settings import CreditSettings
from gateway.settings import GatewaySettings
from insight_worker.settings import WorkerSettings
from servicekit.embedded.wheels import redis_binary
from tests.eventually import eventually

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
    assert "@redis:" in environment["HOLDFAST_REDIS_URL"]


def test_redis_lets_nobody_in_without_the_password_that_the_services_have(open_dir: Path) -> None:
    # given the server as it is configured there, with a password
    compose = _compose()
    redis_service = compose["services"]["redis"]
    [mounted] = redis_service["configs"]
    assert redis_service["command"] == ["valkey-server", mounted["target"]]
    config, path = open_dir / "valkey.conf", open_dir / "redis.sock"
    config.write_text(_filled_in(compose["configs"][mounted["source"]]["content"]))
    here = ("--port", "0", "--unixsocket", str(path), "--dir", str(open_dir))
    url = _filled_in(compose["services"]["credit_service"]["environment"]["HOLDFAST_REDIS_URL"])
    password = redis.ConnectionPool.from_url(url).connection_kwargs["password"]
    with subprocess.Popen([redis_binary(), config, *here], stdout=subprocess.DEVNULL) as server:
        try:
            # then a client without the password is refused, and one with the services' own is not
            assert eventually(lambda: _said_to_a_ping(path, None)) == "refused"
            assert _said_to_a_ping(path, password) == "pong"
        finally:
            server.terminate()
    # and no part of the system has an address without it, nor the password in its command line
    urls = {
        service["environment"]["HOLDFAST_REDIS_URL"]
        for service in compose["services"].values()
        if "HOLDFAST_REDIS_URL" in service.get("environment", {})
    }
    assert {_filled_in(one) for one in urls} == {url}
    assert "REDIS_PASSWORD" not in str([service.get("command") for service in compose["services"].values()])


def _said_to_a_ping(path: Path, password: str | None) -> str:
    """Return what the server says; empty while it does not listen."""
    with redis.Redis(unix_socket_path=str(path), password=password) as client:
        try:
            return "pong" if client.ping() else "?"
        except redis.AuthenticationError:
            return "refused"
        except redis.ConnectionError:
            return ""


def _filled_in(text: str) -> str:
    """Return the text with every variable set to one password, as compose does."""
    return re.sub(r"\$\{[^}]*\}", "0f3a9c", text)


def test_prometheus_reaches_the_gateway_and_nobody_does_from_outside() -> None:
    gateway = _compose()["services"]["gateway"]
    port = gateway["environment"]["HOLDFAST_GATEWAY_OPERATIONS_PORT"]
    assert port in gateway["expose"]
    assert not any(published.endswith(f":{port}") for published in gateway["ports"])


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
