"""When a payment that failed is tried again. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PaymentRetries:
    """When a payment that failed is tried again."""

    first_delay: timedelta
    factor: float
    #: Tries after the first payment; after the last one nobody tries again.
    max_tries: int
    #: No pause is longer.
    max_delay: timedelta = timedelta(days=7)

    def next_time(self, now: datetime, failures: int) -> datetime | None:
        """Answer when to try after that many failed payments (1 or more), or None after the last."""
        if failures > self.max_tries:
            return None
        # The power is bounded before it can overflow: 2^64 first delays are longer than any maximum.
        delay_s = self.first_delay.total_seconds() * self.factor ** min(failures - 1, 64)
        return now + min(timedelta(seconds=min(delay_s, self.max_delay.total_seconds())), self.max_delay)
