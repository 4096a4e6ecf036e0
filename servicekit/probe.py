"""Asks a server whether it serves, for container healthchecks: exit code 0 or 1.

``python -m servicekit.probe 127.0.0.1:50051`` asks gRPC health, an ``http://`` address is fetched.
"""

import sys
import urllib.error
import urllib.request

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servicekit.settings import KitSettings
from servicekit.tls import channel_credentials

_TIMEOUT_S = 3.0


def serves(target: str) -> bool:
    """Answer whether the server at a gRPC target or HTTP address serves."""
    return _http(target) if target.startswith("http://") else _grpc(target)


def _http(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # only http:// gets here
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _grpc(target: str) -> bool:
    credentials = channel_credentials(KitSettings.load())
    channel = (
        grpc.insecure_channel(target) if credentials is None else grpc.secure_channel(target, credentials)
    )
    with channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m servicekit.probe HOST:PORT | http://HOST:PORT/path")
    sys.exit(0 if serves(sys.argv[1]) else 1)
