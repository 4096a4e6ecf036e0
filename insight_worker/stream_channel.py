"""The channel for server streams: like servicekit's, without gRPC's own retries."""

from typing import Any

import grpc

from insight_worker.settings import WorkerSettings
from servicekit.tls import channel_credentials


def stream_channel(target: str, settings: WorkerSettings) -> grpc.Channel:
    """Answer a channel for streams; make it after the last fork, one a process.

    With a retry policy, a sync stream whose server dies before it sends its headers never ends, not even at
    its deadline (grpcio 1.85; unary calls and aio are not concerned). `StageContext.messages` opens a
    stream that broke off again by itself, after the last message, which no retry policy could do.
    """
    options: list[tuple[str, Any]] = [
        ("grpc.enable_retries", 0),
        ("grpc.max_receive_message_length", settings.rpc_max_message_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    credentials = channel_credentials(settings)
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, credentials, options=options)
