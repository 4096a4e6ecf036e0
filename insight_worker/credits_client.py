"""The coins of credit_service as a worker sees them: one method an RPC, typed errors."""

from collections.abc import Mapping

import grpc
from google.protobuf.duration_pb2 import Duration

from protos.credit.v1 import credit_pb2, credit_pb2_grpc
from servicekit.grpc_clients import Caller


class CreditsClient:
    """credit.v1.CreditService. Safe for threads. Every method raises `ServiceError`."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        """Take the process's channel."""
        self._stub = credit_pb2_grpc.CreditServiceStub(channel)
        self._caller = caller

    def reserve(self, request: credit_pb2.ReserveRequest) -> credit_pb2.Reservation:
        """Set coins aside. Raises InsufficientCredits, AccountClosed, AccountNotFound."""
        return self._caller.call_sync(self._stub.Reserve, request).reservation

    def charge(
        self, reservation_id: str, description: str, metadata: Mapping[str, str], amount: int | None = None
    ) -> credit_pb2.ChargeResponse:
        """Take so many coins of the reservation, which is its own key, or all; the rest returns.

        Raises one of PAYMENT_REFUSED.
        """
        request = credit_pb2.ChargeRequest(
            reservation_id=reservation_id, description=description, metadata=dict(metadata), amount=amount
        )
        return self._caller.call_sync(self._stub.Charge, request)

    def release(self, reservation_id: str, reason: str) -> credit_pb2.Reservation:
        """Give the coins back. Raises one of RELEASED_ALREADY, or ReservationAlreadyCharged."""
        request = credit_pb2.ReleaseRequest(reservation_id=reservation_id, reason=reason)
        return self._caller.call_sync(self._stub.Release, request).reservation

    def extend(
        self, reservation_id: str, ttl_s: int, request_id: str, timeout_s: float
    ) -> credit_pb2.Reservation:
        """Hold the coins for `ttl_s` from now on, never for less than before."""
        request = credit_pb2.ExtendRequest(
            reservation_id=reservation_id, ttl=Duration(seconds=ttl_s), request_id=request_id
        )
        return self._caller.call_sync(self._stub.Extend, request, timeout_s=timeout_s).reservation

    def reservation(self, reservation_id: str) -> credit_pb2.Reservation:
        """Answer the reservation as of now."""
        request = credit_pb2.GetReservationRequest(reservation_id=reservation_id)
        return self._caller.call_sync(self._stub.GetReservation, request).reservation
