"""The settings of jobs as the code uses them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from chat_service.jobs.retries import PaymentRetries
from chat_service.settings import ChatSettings
from servicekit.language_model import model_configured


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """How long things last and how often they are tried."""

    #: What a claim or a renewal gives.
    lease: timedelta
    #: After it a message that no worker took counts as lost.
    redispatch: timedelta
    #: After it a reservation without an answer is asked for again.
    reserve_retry: timedelta
    reservation_ttl_s: int
    max_attempts: int
    credit_timeout_s: float
    retries: PaymentRetries
    #: Whether there is a language model, so that what it makes is on sale.
    with_model: bool

    @classmethod
    def of(cls, settings: ChatSettings) -> Self:
        """Read it from the settings."""
        return cls(
            lease=timedelta(seconds=settings.job_lease_s),
            redispatch=timedelta(seconds=settings.job_redispatch_s),
            reserve_retry=timedelta(seconds=settings.job_reserve_retry_s),
            reservation_ttl_s=settings.job_reservation_ttl_s,
            max_attempts=settings.job_max_attempts,
            credit_timeout_s=settings.job_credit_timeout_s,
            retries=PaymentRetries(
                first_delay=timedelta(seconds=settings.payment_retry_first_s),
                factor=settings.payment_retry_factor,
                max_tries=settings.payment_retry_max_tries,
            ),
            with_model=model_configured(settings),
        )
