"""The gateway as a process: commands, settings, start, stop."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import ValidationError

from gateway.__main__ import main
from gateway.settings import DEVELOPMENT_SECRET, GatewaySettings
from tests.eventually import eventually
from tests.gateway.house import unused_port

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 60.0


def environment(port: int, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, "HOLDFAST_GATEWAY_PORT": str(port), **given}


def run(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        check=False,
        cwd=_ROOT,
        env=environment(unused_port(), **given),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )


@contextmanager
def serving(port: int, log: Path, **given: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `serve`, and kill it when the test did not stop it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"],
            cwd=_ROOT,
            env=environment(port, **given),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_TIMEOUT_S)


def test_it_says_when_it_serves_and_stops_on_sigterm(tmp_path: Path) -> None:
    # given a gateway that was told where to say that it is ready
    port, ready = unused_port(), tmp_path / "ready"
    with serving(port, tmp_path / "log", HOLDFAST_READY_FILE=str(ready)) as process:
        eventually(ready.exists, _TIMEOUT_S)
        # then it answers by then
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        # and SIGTERM ends it in order
        process.send_signal(signal.SIGTERM)
        assert process.wait(_TIMEOUT_S) == 0
    log = (tmp_path / "log").read_text()
    assert '"event": "serving"' in log
    assert '"event": "stopped"' in log
    assert "Traceback" not in log


def test_a_port_in_use_is_a_clear_message(tmp_path: Path) -> None:
    # given a gateway on a port
    port, ready = unused_port(), tmp_path / "ready"
    with serving(port, tmp_path / "log", HOLDFAST_READY_FILE=str(ready)):
        eventually(ready.exists, _TIMEOUT_S)
        # when another one is started there
        second = run("serve", HOLDFAST_GATEWAY_PORT=str(port))
    # then it says which setting moves it
    assert second.returncode == 1
    assert second.stderr.strip() == f"gateway: port {port} is in use: set HOLDFAST_GATEWAY_PORT"


def test_token_prints_a_token_for_a_day() -> None:
    printed = run("token", "alice").stdout.strip()
    claims = jwt.decode(printed, DEVELOPMENT_SECRET, algorithms=["HS256"], audience="holdfast")
    assert (claims["sub"], claims["iss"], claims["exp"] - claims["iat"]) == ("alice", "holdfast", 86_400)


def test_help_says_how_it_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.startswith("usage: python -m gateway ")


@pytest.mark.parametrize("arguments", [("token", ""), ("token", "x" * 129)])
def test_a_user_id_that_is_none_gets_no_token(arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_production_prints_no_development_tokens() -> None:
    given = {
        "HOLDFAST_ENVIRONMENT": "production",
        "HOLDFAST_JWT_SECRET": "s" * 32,
        "HOLDFAST_PAGE_TOKEN_SECRET": "p" * 32,
    }
    refused = run("token", "alice", **given)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_welcome_has_urls_a_token_and_three_commands() -> None:
    text = run("welcome", HOLDFAST_GATEWAY_PORT="8123", HOLDFAST_CREDIT_PORT="50777").stdout
    assert "http://127.0.0.1:8123/docs" in text
    assert "curl -X POST http://127.0.0.1:8123/api/users/store -H 'Authorization: Bearer ey" in text
    assert "grpcurl -plaintext" in text
    assert "127.0.0.1:50777 credit.v1.CreditService/GetAccount" in text


def settings(**given: Any) -> GatewaySettings:
    return GatewaySettings.model_validate(given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"environment": "production"}, "must be set in production"),
        ({"environment": "production", "jwt_secret": DEVELOPMENT_SECRET}, "must be set in production"),
        ({"jwt_secret": "short"}, "at least 32 bytes"),
        ({"jwt_algorithms": "none"}, "none cannot be used"),
        ({"jwt_algorithms": "HS256,RS256"}, "RS256 cannot be used with a secret"),
        ({"jwt_algorithms": "RS256,HS256", "jwt_jwks_url": "https://x/keys"}, "HS256 cannot be used"),
        ({"jwt_jwks_url": "https://x/keys", "jwt_jwks_file": "keys.json"}, "not both"),
    ],
)
def test_settings_that_would_let_somebody_in_are_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(page_token_secret="p" * 32, **given)


def test_wrong_settings_end_the_process_with_a_message() -> None:
    refused = run("serve", HOLDFAST_JWT_ALGORITHMS="none")
    assert refused.returncode == 2
    problem = "HOLDFAST_JWT_ALGORITHMS: none cannot be used with a secret"
    assert refused.stderr == f"gateway: the settings are wrong:\n{problem}\n"


@pytest.mark.parametrize("command", ["serve", "token alice", "welcome"])
@pytest.mark.parametrize(
    "name", ["JWT_SECRET", "JWT_ALGORITHMS", "GATEWAY_RATE_USER", "GATEWAY_TRUSTED_PROXIES", "ENVIRONMENT"]
)
def test_a_wrong_setting_is_named_and_no_secret_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    monkeypatch.setenv("HOLDFAST_REDIS_URL", "redis://:S3CRET@r/0")
    monkeypatch.setenv(f"HOLDFAST_{name}", "S3CRET")
    assert main(command.split()) == 2
    heading, problem = capsys.readouterr().err.splitlines()
    assert heading == "gateway: the settings are wrong:"
    assert problem.startswith(f"HOLDFAST_{name}")
    assert "S3CRET" not in problem


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_JWT_ALGORITHMS", "HS256, HS512")
    monkeypatch.setenv("HOLDFAST_GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example,")
    given = GatewaySettings()
    assert given.jwt_algorithms == ("HS256", "HS512")
    assert given.gateway_cors_origins == ("https://a.example", "https://b.example")


def test_the_secret_is_not_shown() -> None:
    assert "s" * 32 not in repr(settings(jwt_secret="s" * 32))
