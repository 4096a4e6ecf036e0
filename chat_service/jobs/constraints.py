"""What the database holds of a job even against a defect here. The migration has a frozen copy."""

from collections.abc import Mapping

from chat_service.catalogue.models import CHARGE_MODE_KNOWN

#: A job that may still end COMPLETED by itself: there is one of a category for a chat.
ACTIVE = (
    "state IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING') "
    "OR (state = 'PAYMENT_FAILED' AND payment_retry_time IS NOT NULL)"
)

_TERMINAL = "('COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED')"
_ENDED_BADLY = "('FAILED', 'REJECTED', 'PAYMENT_FAILED')"

#: Name and condition of each CHECK of `jobs`.
JOB_CHECKS: Mapping[str, str] = {
    "state_known": (
        "state IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING', 'COMPLETED', 'FAILED', 'CANCELLED', "
        "'REJECTED', 'PAYMENT_FAILED')"
    ),
    "price_positive": "price >= 1",
    "charge_mode_known": CHARGE_MODE_KNOWN,
    "charge_fits": (
        "charge_amount IS NULL OR (charge_amount >= 0 AND charge_amount <= price "
        "AND charge_mode = 'WHAT_SUCCEEDED')"
    ),
    "charge_known_when_settled": (
        "charge_mode = 'ALL_OR_NOTHING' OR charge_amount IS NOT NULL "
        "OR state NOT IN ('SETTLING', 'COMPLETED', 'PAYMENT_FAILED') OR cancel_requested"
    ),
    "something_charged_when_completed": "state <> 'COMPLETED' OR charge_amount IS NULL OR charge_amount >= 1",
    "usage_counts": "input_tokens >= 0 AND output_tokens >= 0 AND cost_micro_usd >= 0",
    "counts_fit": (
        "requested_count >= 0 AND failed_count >= 0 "
        "AND cardinality(completed_ids) + failed_count <= requested_count"
    ),
    "progress_fits": (
        "stage_count >= 0 AND stage_index >= 0 AND stage_index <= stage_count "
        "AND percent >= 0 AND percent <= 100"
    ),
    "attempt_counts": "attempt >= 0 AND payment_attempt >= 0 AND step_count >= 0 AND step_bytes >= 0",
    "forgiven_attempts_were_made": "forgiven_attempts >= 0 AND forgiven_attempts <= attempt",
    "reserved_or_not": "(reservation_id IS NULL) = (state IN ('RESERVING', 'REJECTED'))",
    "not_claimed_yet": "state NOT IN ('RESERVING', 'QUEUED', 'REJECTED') OR attempt = 0",
    "lease_while_held": (
        "CASE WHEN state IN ('RUNNING', 'SETTLING') THEN lease_expire_time IS NOT NULL AND attempt >= 1 "
        "WHEN state = 'PAYMENT_FAILED' THEN true ELSE lease_expire_time IS NULL END"
    ),
    "settling_attempt_known": "state <> 'SETTLING' OR settling_attempt IS NOT NULL",
    "charged_when_completed": "(transaction_id IS NOT NULL) = (state = 'COMPLETED')",
    "error_of_the_unsuccessful": (
        f"CASE WHEN state IN {_ENDED_BADLY} THEN error_reason IS NOT NULL "
        "ELSE error_reason IS NULL OR state = 'CANCELLED' END"
    ),
    "error_whole": (
        "(error_reason IS NULL) = (error_message IS NULL) "
        "AND (error_reason IS NULL) = (error_metadata IS NULL)"
    ),
    "payment_retried_when_failed": "state = 'PAYMENT_FAILED' OR payment_retry_time IS NULL",
    "payment_counted": "state <> 'PAYMENT_FAILED' OR payment_attempt >= 1",
    "ended_with_time": f"(finish_time IS NOT NULL) = (state IN {_TERMINAL})",
    "nothing_due_after_the_end": f"due_time IS NULL OR state NOT IN {_TERMINAL}",
    "due_while_it_lives": (
        "due_time IS NOT NULL OR state NOT IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING')"
    ),
    "finish_whole": "(finish_attempt IS NULL) = (finish_outcome IS NULL)",
}
