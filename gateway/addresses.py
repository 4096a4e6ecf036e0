"""Whose request it is, by address: the connection's, or what a trusted proxy says of it."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from starlette.types import Scope

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: One customer of a provider has a whole network of this size.
_IPV6_PREFIX = 64
_MAX_HOPS = 32


class ClientAddresses:
    """Finds the client behind proxies."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Take the proxies as addresses or networks; raises ValueError for what is neither."""
        networks = [ipaddress.ip_network(one, strict=False) for one in trusted]
        self._behind_proxies = bool(networks)

        @lru_cache(maxsize=4_096)
        def is_trusted(address: _Address) -> bool:
            return any(address in network for network in networks)

        self._is_trusted = is_trusted

    def of(self, scope: Scope) -> str:
        """Answer the client's address, of IPv6 its network.

        From the last hop backwards every proxy that is trusted is believed about the one before it; what the
        client itself wrote into X-Forwarded-For stands before that and is not looked at.
        """
        client = scope.get("client")
        connected = client[0] if client else ""
        if not self._behind_proxies:
            return _key(connected)
        current = _parse(connected)
        for hop in reversed(_hops(scope)):
            if current is None or not self._is_trusted(current):
                break
            before = _parse(hop)
            if before is None:
                break
            current = before
        return _key(str(current)) if current else connected


def _hops(scope: Scope) -> list[str]:
    given = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return b",".join(given).decode("latin-1").split(",")[-_MAX_HOPS:] if given else []


def _parse(text: str) -> _Address | None:
    """Answer an address, also one with a port behind it; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4_096)
def _key(text: str) -> str:
    address = _parse(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address) if address else text
