"""The end of an attempt: the coins are charged or released, then the job is finished.

Every step may run twice, because a worker may die after any of them: the reservation is the key of
its charge and its release, and a later payment's request id is made of the job's id and the number of
the try. Of a charge and a release of one reservation credit_service does one, so that two attempts that
disagree end up with the same truth.

Where what succeeded is paid for by itself, chat_service fixes the amount when settling begins and answers it
from then on: every try of every attempt charges the same.
"""

from uuid import UUID, uuid5

from insight_worker.clients import Clients
from insight_worker.errors import PAYMENT_REFUSED, RELEASED_ALREADY, ReservationAlreadyCharged
from insight_worker.failures import Failure, Tally, job_error
from insight_worker.lease import Lease
from insight_worker.patience import Patience
from insight_worker.structs import from_struct
from protos.credit.v1 import credit_pb2
from protos.insight.v1 import insight_pb2
from servicekit.errors import ServiceError
from servicekit.logs import business_event

#: Why a payment was dropped.
_SUBJECT_GONE = "SUBJECT_DELETED"


class Settlement:
    """Settles one attempt of one job. The methods answer the job's outcome in lower case.

    They raise StaleLease, AttemptAbandoned, and what the services answer that is not a way to settle.
    """

    def __init__(
        self,
        job: insight_pb2.Job,
        clients: Clients,
        lease: Lease,
        patience: Patience,
        tally: Tally,
    ) -> None:
        """Take the job as it was claimed."""
        self._job = job
        self._jobs = clients.jobs
        self._credits = clients.credits
        self._lease = lease
        self._patience = patience
        self._tally = tally
        #: What is charged; None: the whole price.
        self._amount: int | None = job.charge_amount if job.HasField("charge_amount") else None

    def complete(self) -> str:
        """All was made: charge and show it, unless somebody cancelled it in the last moment."""
        if self._begin():
            return self._release_and_cancel()
        if self._amount == 0:
            return self._release_and_fail(self._tally.first() or _NOTHING_MADE)
        return self._charge_and_finish(self._job.reservation_id)

    def fail(self, failure: Failure) -> str:
        """Something could not be made: release all, unless somebody cancelled it before.

        Where what succeeded is paid for by itself and something did, that is charged all the same.
        """
        if self._begin():
            return self._release_and_cancel()
        if self._amount:
            return self._charge_and_finish(self._job.reservation_id)
        return self._release_and_fail(failure)

    def _begin(self) -> bool:
        """Begin to settle, and answer whether the job was cancelled before that."""
        answer = self._patience.call(self._lease.begin_settling)
        if answer.HasField("charge_amount"):
            self._amount = answer.charge_amount
        return answer.cancelled

    def _release_and_fail(self, failure: Failure) -> str:
        transaction_id = self._release(self._job.reservation_id, failure.error.reason)
        if transaction_id:
            return self._finish_completed(transaction_id)
        return self._finish(
            insight_pb2.JOB_STATE_FAILED, error=failure.error, failed_count=self._tally.failed(failure)
        )

    def cancel(self) -> str:
        """Somebody cancelled it: release all."""
        return self._release_and_cancel()

    def pay_again(self, payment_attempt: int) -> str:
        """The work is done and was not paid: reserve the price anew and charge it.

        In between the attempt asks whether it is still wanted. Closes the race with the erasure of its user,
        whose id may stand for a new account by the time an attempt that was held up reserves: that one hears
        then that it is over, and charges nothing. A reservation that was made before is the old account's.
        """
        try:
            reservation = self._patience.call(lambda: self._reserve(payment_attempt))
        except PAYMENT_REFUSED as error:
            return self._payment_failed(error)
        if self._patience.call(self._lease.confirm):
            return self._drop(reservation)
        return self._charge_and_finish(reservation.reservation_id)

    def drop_payment(self, payment_attempt: int) -> str:
        """The work was not paid, and its subject was deleted: see to it that it is not paid any more.

        An attempt that died may have reserved or even charged in this try. Reserving finds its reservation,
        or makes the one that it would still make, and of releasing and charging one only is done.
        """
        try:
            reservation = self._patience.call(lambda: self._reserve(payment_attempt))
        except PAYMENT_REFUSED as error:
            return self._payment_failed(error)
        return self._drop(reservation)

    def _drop(self, reservation: credit_pb2.Reservation) -> str:
        transaction_id = self._release(reservation.reservation_id, _SUBJECT_GONE)
        if transaction_id:
            return self._finish_completed(transaction_id)
        gone = job_error(_SUBJECT_GONE, "what was made is deleted, so nobody pays for it", {})
        return self._finish(insight_pb2.JOB_STATE_PAYMENT_FAILED, error=gone)

    def _reserve(self, payment_attempt: int) -> credit_pb2.Reservation:
        """Reserve what is charged for this try, or find the reservation that an earlier attempt made for it.

        credit_service compares the fields with those of the first request under this id, so none of them may
        come from a setting or ever change with a version: the job would never be paid. The ttl is absent for
        that reason; what credit_service takes then is long enough for one charge.
        """
        job = self._job
        return self._credits.reserve(
            credit_pb2.ReserveRequest(
                user_id=job.user_id,
                amount=self._price(),
                reference_type="job",
                reference_id=job.job_id,
                description=_description(job),
                request_id=str(uuid5(UUID(job.job_id), f"payment-{payment_attempt}")),
            )
        )

    def _charge_and_finish(self, reservation_id: str) -> str:
        try:
            transaction_id = self._patience.call(lambda: self._charge(reservation_id))
        except PAYMENT_REFUSED as error:
            return self._payment_failed(error)
        business_event(
            "job_charged",
            job_id=self._job.job_id,
            user_id=self._job.user_id,
            amount=self._price(),
            reservation_id=reservation_id,
            transaction_id=transaction_id,
        )
        return self._finish_completed(transaction_id)

    def _price(self) -> int:
        return self._job.price if self._amount is None else self._amount

    def _charge(self, reservation_id: str) -> str:
        metadata = {"job_id": self._job.job_id, "kind": self._job.kind, "subject_id": self._job.subject_id}
        try:
            charged = self._credits.charge(reservation_id, _description(self._job), metadata, self._amount)
        except ReservationAlreadyCharged as error:
            return error.metadata.get("transaction_id", "")
        return charged.transaction.transaction_id

    def _release_and_cancel(self) -> str:
        transaction_id = self._release(self._job.reservation_id, "cancelled")
        if transaction_id:
            return self._finish_completed(transaction_id)
        return self._finish(insight_pb2.JOB_STATE_CANCELLED)

    def _release(self, reservation_id: str, reason: str) -> str:
        """Give the coins back. Answers a transaction when they were charged: by an attempt that had made
        all and died before it could say so; then the job is completed after all.
        """
        try:
            self._patience.call(lambda: self._credits.release(reservation_id, reason))
        except RELEASED_ALREADY:
            pass
        except ReservationAlreadyCharged as error:
            return error.metadata.get("transaction_id", "")
        business_event(
            "job_released",
            job_id=self._job.job_id,
            user_id=self._job.user_id,
            amount=self._job.price,
            reservation_id=reservation_id,
            reason=reason,
        )
        return ""

    def _payment_failed(self, refusal: ServiceError) -> str:
        error = job_error(refusal.reason, refusal.message, refusal.metadata)
        outcome = self._finish(insight_pb2.JOB_STATE_PAYMENT_FAILED, error=error)
        business_event(
            "job_payment_failed",
            job_id=self._job.job_id,
            user_id=self._job.user_id,
            amount=self._price(),
            reason=refusal.reason,
        )
        return outcome

    def _finish_completed(self, transaction_id: str) -> str:
        return self._finish(insight_pb2.JOB_STATE_COMPLETED, transaction_id=transaction_id)

    def _finish(
        self,
        outcome: insight_pb2.JobState.ValueType,
        *,
        transaction_id: str | None = None,
        error: insight_pb2.JobError | None = None,
        failed_count: int = 0,
    ) -> str:
        request = insight_pb2.FinishJobRequest(
            job_id=self._lease.job_id,
            attempt=self._lease.attempt,
            outcome=outcome,
            transaction_id=transaction_id,
            error=error,
            failed_count=failed_count,
            failures=self._tally.messages(),
        )
        self._patience.call(lambda: self._jobs.finish(request))
        return insight_pb2.JobState.Name(outcome).removeprefix("JOB_STATE_").lower()


#: An earlier attempt gave the job up before it could say why.
_NOTHING_MADE = Failure(job_error("INTERNAL", "no insight could be made", {}))


def _description(job: insight_pb2.Job) -> str:
    """Answer what stands in the user's list of transactions."""
    category = from_struct(job.params).get("category_id")
    return f"Insights: {category or job.kind}"
