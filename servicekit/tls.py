"""Optional TLS and mutual TLS for gRPC, from files named by the settings."""

from pathlib import Path

import grpc

from servicekit.settings import KitSettings


def server_credentials(settings: KitSettings) -> grpc.ServerCredentials | None:
    """Answer the server's credentials, or None for plaintext. With a CA, clients must show a certificate."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    ca = _read(settings.tls_ca_file)
    return grpc.ssl_server_credentials(
        [(settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())],
        root_certificates=ca,
        require_client_auth=ca is not None,
    )


def channel_credentials(settings: KitSettings) -> grpc.ChannelCredentials | None:
    """Answer a client's credentials, or None for plaintext (no CA configured)."""
    if settings.tls_ca_file is None:
        return None
    return grpc.ssl_channel_credentials(
        _read(settings.tls_ca_file), _read(settings.tls_key_file), _read(settings.tls_cert_file)
    )


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path else None
