"""Erasure of users: what is theirs is marked, hidden, and in the end removed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_NOT_ERASED = sa.text("erasure_id IS NULL")
_ERASED = sa.text("erasure_id IS NOT NULL")

# A terminal row is frozen but for the mark of an erasure, which is set once.
_GUARD = """
CREATE OR REPLACE FUNCTION guard_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unmarked jobs := NEW;
BEGIN
    unmarked.erasure_id := OLD.erasure_id;
    IF OLD.state IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REJECTED') AND unmarked IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'job % is % and never changes', OLD.job_id, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_terminal_is_final';
    END IF;
    IF OLD.erasure_id IS NOT NULL AND NEW.erasure_id IS DISTINCT FROM OLD.erasure_id THEN
        RAISE EXCEPTION 'job % is erased and stays so', OLD.job_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_erased_for_good';
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
"""


def upgrade() -> None:
    """Make the tables of erasures, and the marks."""
    op.add_column("users", sa.Column("delete_time", _INSTANT))
    for table in ("chats", "jobs"):
        _mark(table)
    op.execute(_GUARD)
    _erasures()
    op.create_table(
        "signup_bonus_claims",
        sa.Column("claim_hash", sa.LargeBinary, primary_key=True),
        sa.Column("expire_time", _INSTANT, nullable=False),
    )


def _mark(table: str) -> None:
    """Let the new user of an erased one's id use the old request ids."""
    op.add_column(table, sa.Column("erasure_id", sa.Uuid))
    name = f"uq_{table}_user_id_request_id"
    op.drop_constraint(name, table)
    op.create_index(name, table, ["user_id", "request_id"], unique=True, postgresql_where=_NOT_ERASED)
    op.create_index(f"ix_{table}_erasure_id", table, ["erasure_id"], postgresql_where=_ERASED)


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.String(128)),
        sa.Column("request_id", sa.Uuid),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("forfeited_coins", sa.BigInteger),
        sa.Column("due_time", _INSTANT),
        sa.Column("create_time", _INSTANT, nullable=False),
        sa.Column("purge_time", _INSTANT, nullable=False),
        sa.Column("finish_time", _INSTANT),
        sa.CheckConstraint(
            "step IN ('CLOSE_ACCOUNT', 'DELETE_BELONGINGS', 'END_JOBS', 'FORGET_EVENTS', 'PURGE', 'DONE')",
            name=op.f("ck_erasures_step_known"),
        ),
        sa.CheckConstraint(
            "(step = 'DONE') = (user_id IS NULL) AND (step = 'DONE') = (request_id IS NULL)",
            name=op.f("ck_erasures_named_until_done"),
        ),
        sa.CheckConstraint(
            "(step = 'DONE') = (finish_time IS NOT NULL) AND (step = 'DONE') = (due_time IS NULL)",
            name=op.f("ck_erasures_due_until_done"),
        ),
        sa.CheckConstraint("forfeited_coins >= 0", name=op.f("ck_erasures_forfeited_coins_counted")),
    )
    op.create_index("uq_erasures_user_id_request_id", "erasures", ["user_id", "request_id"], unique=True)
    op.create_index(
        "ix_erasures_due", "erasures", ["due_time"], postgresql_where=sa.text("due_time IS NOT NULL")
    )
