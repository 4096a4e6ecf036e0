"""Which error a reservation's state stands for."""

from credit_service.ledger.refusals import (
    AlreadyCharged,
    AlreadyReleased,
    Refusal,
    ReservationExpired,
    ReservationRefused,
)
from credit_service.ledger.rows import Reservation, ReservationState


def settled(reservation: Reservation) -> Refusal | None:
    """Answer why a contradicting call is refused; None while the reservation is RESERVED."""
    match reservation.state:
        case ReservationState.RESERVED:
            return None
        case ReservationState.CHARGED:
            return _charged(reservation)
        case ReservationState.RELEASED:
            return _released(reservation)
        case ReservationState.EXPIRED:
            return ReservationExpired(reservation.reservation_id, reservation.expire_time)
        case ReservationState.REFUSED:
            return ReservationRefused(reservation.reservation_id)


def _charged(reservation: Reservation) -> AlreadyCharged:
    assert reservation.settle_time is not None
    return AlreadyCharged(
        reservation.reservation_id,
        reservation.charged_amount,
        reservation.transaction_id,
        reservation.settle_time,
    )


def _released(reservation: Reservation) -> AlreadyReleased:
    assert reservation.settle_time is not None
    return AlreadyReleased(reservation.reservation_id, reservation.settle_time, reservation.release_reason)
