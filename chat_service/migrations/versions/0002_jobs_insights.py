"""Jobs, their steps, and insights."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)

_ACTIVE = (
    "state IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING') "
    "OR (state = 'PAYMENT_FAILED' AND payment_retry_time IS NOT NULL)"
)

_CHECKS = {
    "state_known": (
        "state IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING', 'COMPLETED', 'FAILED', 'CANCELLED', "
        "'REJECTED', 'PAYMENT_FAILED')"
    ),
    "price_positive": "price >= 1",
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
        "CASE WHEN state IN ('FAILED', 'REJECTED', 'PAYMENT_FAILED') THEN error_reason IS NOT NULL "
        "ELSE error_reason IS NULL OR state = 'CANCELLED' END"
    ),
    "error_whole": (
        "(error_reason IS NULL) = (error_message IS NULL) "
        "AND (error_reason IS NULL) = (error_metadata IS NULL)"
    ),
    "payment_retried_when_failed": "state = 'PAYMENT_FAILED' OR payment_retry_time IS NULL",
    "payment_counted": "state <> 'PAYMENT_FAILED' OR payment_attempt >= 1",
    "ended_with_time": (
        "(finish_time IS NOT NULL) = (state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED'))"
    ),
    "nothing_due_after_the_end": (
        "due_time IS NULL OR state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED')"
    ),
    "due_while_it_lives": (
        "due_time IS NOT NULL OR state NOT IN ('RESERVING', 'QUEUED', 'RUNNING', 'SETTLING')"
    ),
    "finish_whole": "(finish_attempt IS NULL) = (finish_outcome IS NULL)",
}

# The ways of chat_service/jobs/states.py. A terminal row is frozen as a whole, what was ordered always.
_GUARD = """
CREATE FUNCTION guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED') AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'job % is % and never changes', OLD.job_id, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_terminal_is_final';
    END IF;
    IF NEW.state <> OLD.state AND NOT (CASE OLD.state
        WHEN 'RESERVING' THEN NEW.state IN ('QUEUED', 'REJECTED', 'SETTLING')
        WHEN 'QUEUED' THEN NEW.state IN ('RUNNING', 'SETTLING')
        WHEN 'RUNNING' THEN NEW.state IN ('SETTLING', 'FAILED', 'CANCELLED')
        WHEN 'SETTLING' THEN NEW.state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'PAYMENT_FAILED')
        WHEN 'PAYMENT_FAILED' THEN NEW.state IN ('COMPLETED', 'CANCELLED')
        ELSE false
    END) THEN
        RAISE EXCEPTION 'job % cannot go from % to %', OLD.job_id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_way_exists';
    END IF;
    IF NEW.attempt < OLD.attempt THEN
        RAISE EXCEPTION 'the attempt of job % cannot go back to %', OLD.job_id, NEW.attempt
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_attempt_grows';
    END IF;
    IF (NEW.user_id, NEW.job_id, NEW.request_id, NEW.kind, NEW.subject_id, NEW.category_id, NEW.price)
        IS DISTINCT FROM
        (OLD.user_id, OLD.job_id, OLD.request_id, OLD.kind, OLD.subject_id, OLD.category_id, OLD.price) THEN
        RAISE EXCEPTION 'what job % was ordered as never changes', OLD.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_order_is_fixed';
    END IF;
    IF OLD.reservation_id IS NOT NULL AND NEW.reservation_id IS DISTINCT FROM OLD.reservation_id THEN
        RAISE EXCEPTION 'the reservation of job % never changes', OLD.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_reservation_is_fixed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_job BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION guard_job();
"""


def upgrade() -> None:
    """Make the tables and the guard."""
    _jobs()
    _job_indexes()
    op.execute(_GUARD)
    _job_steps()
    _insights()


def downgrade() -> None:
    """Take them away, with everything in them."""
    for table in ("insights", "job_steps", "jobs"):
        op.drop_table(table)
    op.execute("DROP FUNCTION guard_job()")


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("user_id", sa.String(128), sa.ForeignKey("users.user_id"), primary_key=True),
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(128), nullable=False),
        sa.Column("category_id", sa.String(64), nullable=False),
        sa.Column("params", postgresql.JSONB, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("stage_index", sa.Integer, nullable=False),
        sa.Column("stage_count", sa.Integer, nullable=False),
        sa.Column("stage_name", sa.String(128), nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
        sa.Column("requested_count", sa.Integer, nullable=False),
        sa.Column("completed_ids", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("failed_count", sa.Integer, nullable=False),
        sa.Column("step_count", sa.Integer, nullable=False),
        sa.Column("step_bytes", sa.Integer, nullable=False),
        sa.Column("reservation_id", sa.Uuid),
        sa.Column("transaction_id", sa.Uuid),
        sa.Column("reservation_ttl_s", sa.Integer, nullable=False),
        sa.Column("error_reason", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("error_metadata", postgresql.JSONB),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker_id", sa.String(128), nullable=False),
        sa.Column("lease_expire_time", _INSTANT),
        sa.Column("settling_attempt", sa.Integer),
        sa.Column("forgiven_attempts", sa.Integer, nullable=False),
        sa.Column("finish_attempt", sa.Integer),
        sa.Column("finish_outcome", sa.String(16)),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("abandoned", sa.Boolean, nullable=False),
        sa.Column("payment_attempt", sa.Integer, nullable=False),
        sa.Column("payment_retry_time", _INSTANT),
        sa.Column("due_time", _INSTANT),
        sa.Column("create_time", _INSTANT, nullable=False),
        sa.Column("update_time", _INSTANT, nullable=False),
        sa.Column("start_time", _INSTANT),
        sa.Column("finish_time", _INSTANT),
        sa.UniqueConstraint("user_id", "request_id"),
        *(sa.CheckConstraint(condition, name=op.f(f"ck_jobs_{name}")) for name, condition in _CHECKS.items()),
    )


def _job_indexes() -> None:
    op.create_index("ix_jobs_job_id", "jobs", ["job_id"])
    op.create_index(
        "uq_jobs_active",
        "jobs",
        ["subject_id", "category_id", "user_id"],
        unique=True,
        postgresql_where=sa.text(_ACTIVE),
    )
    op.create_index("ix_jobs_subject_id", "jobs", ["subject_id"])
    op.create_index(
        "ix_jobs_newest_first", "jobs", ["user_id", sa.text("create_time DESC"), sa.text("job_id DESC")]
    )
    op.create_index("ix_jobs_due", "jobs", ["due_time"], postgresql_where=sa.text("due_time IS NOT NULL"))


def _job_steps() -> None:
    op.create_table(
        "job_steps",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("job_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("save_order", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("result", postgresql.JSONB, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("create_time", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["user_id", "job_id"], ["jobs.user_id", "jobs.job_id"], ondelete="CASCADE"),
    )


def _insights() -> None:
    op.create_table(
        "insights",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("insight_id", sa.Uuid, primary_key=True),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("insight_type_id", sa.String(64), nullable=False),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("data", postgresql.JSONB, nullable=False),
        sa.Column("sentences", postgresql.JSONB, nullable=False),
        sa.Column("unlock_time", _INSTANT),
        sa.Column("delete_time", _INSTANT),
        sa.Column("create_time", _INSTANT, nullable=False),
        sa.Column("update_time", _INSTANT, nullable=False),
        sa.UniqueConstraint("chat_id", "insight_type_id", "user_id"),
        sa.ForeignKeyConstraint(
            ["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id", "job_id"], ["jobs.user_id", "jobs.job_id"]),
    )
