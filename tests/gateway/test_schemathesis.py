"""The API does what its OpenAPI document says, whatever schemathesis thinks of: all its checks, and links."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc

from tests.gateway.house import Api, RunningGateway
from tests.gateway.test_main_job import grant

_ROOT = Path(__file__).parents[2]
#: Random requests an operation, besides those that schemathesis makes of the document itself.
_EXAMPLES = 2
_TIMEOUT_S = 110.0


def test_schemathesis_finds_nothing(
    start: Callable[..., RunningGateway],
    connect: Callable[..., Api],
    credit_target: str,
    chat_target: str,
    credit_channel: grpc.Channel,
    tmp_path: Path,
) -> None:
    # given a user with coins, streams that end soon, and nobody who does the work that is waited for
    gateway = start(
        credit_target=credit_target,
        chat_target=chat_target,
        gateway_stream_max_s=0.2,
        gateway_generate_timeout_s=0.2,
    )
    user = connect(gateway, "schemathesis")
    user.store()
    grant(credit_channel, user.user_id, 1_000_000)
    # when every operation is tried, alone and after the operations that give it its ids
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
            *("run", f"{gateway.url}/openapi.json", "--header", f"Authorization: Bearer {user.bearer}"),
            # It would take the user away from all the others.
            *("--exclude-operation-id", "delete_account"),
            *("--checks", "all", "--max-examples", str(_EXAMPLES), "--seed", "1", "--no-color"),
        ],
        # It writes what it remembers of a run where it stands.
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.gateway.schemathesis_hooks",
            "PYTHONPATH": str(_ROOT),
        },
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    # then nothing is found that the document does not say
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
