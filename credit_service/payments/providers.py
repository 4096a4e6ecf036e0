"""What every provider can do, and which of them are offered here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from credit_service.payments.errors import provider_not_offered
from credit_service.payments.facts import Notice
from credit_service.payments.rules import Order
from credit_service.payments.states import ProviderName


@dataclass(frozen=True, slots=True)
class Opened:
    """What a provider made of an order: its own id, and what opens the checkout."""

    provider_order_id: str
    checkout: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as far as it can be read: its id, its type in the provider's words, and what it says."""

    event_id: str
    kind: str
    notice: Notice


class Provider(Protocol):
    """A company that takes the money. Blocking SDKs are behind `VendorCalls`."""

    @property
    def name(self) -> ProviderName:
        """Which one it is."""

    async def open(self, order: Order, *, again: bool) -> Opened:
        """Have an order opened; the same order `again` answers what was opened the first time.

        Raises `ProviderUnavailable` and `OrderRefused`.
        """

    async def ask(self, order: Order) -> Sequence[Notice]:
        """Ask what became of an order that was opened; raises `ProviderUnavailable`."""

    def verdict(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Answer why a webhook is not the provider's; empty when it is. Header names are lower case."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Read a webhook whose signature is good; raises `Unreadable`."""


class Providers:
    """Those that are offered."""

    def __init__(self, offered: Iterable[Provider]) -> None:
        """Take them in the order in which they are listed."""
        self._offered = {provider.name: provider for provider in offered}

    @property
    def names(self) -> Sequence[ProviderName]:
        """The names of all."""
        return list(self._offered)

    def find(self, name: str) -> Provider | None:
        """Answer one by its name; None when it is not offered."""
        return self._offered.get(ProviderName(name))

    def offered(self, name: str) -> Provider:
        """Answer one by its name; raises `InvalidField` when it is not offered."""
        provider = self.find(name)
        if provider is None:
            raise provider_not_offered(name, self._offered)
        return provider
