"""Insight types with prices, needs and prompts; jobs that are charged in part; what a model took."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CHARGE_MODE_KNOWN = "charge_mode IN ('ALL_OR_NOTHING', 'WHAT_SUCCEEDED')"
_NEW_CHECKS = {
    "charge_mode_known": _CHARGE_MODE_KNOWN,
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
}


_GUARD = """
CREATE FUNCTION guard_job_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what job % is charged never changes', OLD.job_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_jobs_charge_is_fixed';
END $$
"""
_GUARD_TRIGGER = """
CREATE TRIGGER guard_job_charge BEFORE UPDATE ON jobs FOR EACH ROW
WHEN (
    OLD.charge_mode IS DISTINCT FROM NEW.charge_mode
    OR (OLD.charge_amount IS NOT NULL AND OLD.charge_amount IS DISTINCT FROM NEW.charge_amount)
)
EXECUTE FUNCTION guard_job_charge()
"""


def upgrade() -> None:
    """Add the columns; what is there is sold and charged as before."""
    _categories()
    _insight_types()
    _jobs()
    for name in ("input_tokens", "output_tokens", "cost_micro_usd"):
        op.add_column("job_steps", _number(name))
    op.add_column("job_steps", sa.Column("model", sa.String(128), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    for name in ("model", "cost_micro_usd", "output_tokens", "input_tokens"):
        op.drop_column("job_steps", name)
    op.execute("DROP TRIGGER guard_job_charge ON jobs")
    op.execute("DROP FUNCTION guard_job_charge()")
    for name in _NEW_CHECKS:
        op.drop_constraint(op.f(f"ck_jobs_{name}"), "jobs")
    for name in (
        *("cost_micro_usd", "output_tokens", "input_tokens", "failures"),
        *("charge_amount", "weights", "charge_mode"),
    ):
        op.drop_column("jobs", name)
    for name in ("model_made_or_not", "needs_fit", "price_positive"):
        op.drop_constraint(op.f(f"ck_insight_types_{name}"), "insight_types")
    for name in (
        *("drawing", "result_schema", "statistics", "prompt"),
        *("min_messages", "max_people", "min_people", "price"),
    ):
        op.drop_column("insight_types", name)
    op.drop_constraint(op.f("ck_categories_charge_mode_known"), "categories")
    op.drop_column("categories", "charge_mode")


def _number(name: str, default: str = "0") -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def _charge_mode() -> sa.Column[str]:
    return sa.Column("charge_mode", sa.String(16), nullable=False, server_default="ALL_OR_NOTHING")


def _categories() -> None:
    op.add_column("categories", _charge_mode())
    op.create_check_constraint(op.f("ck_categories_charge_mode_known"), "categories", _CHARGE_MODE_KNOWN)


def _insight_types() -> None:
    for column in (
        _number("price", "1"),
        sa.Column("min_people", sa.Integer, nullable=False, server_default="1"),
        sa.Column("max_people", sa.Integer),
        sa.Column("min_messages", sa.Integer, nullable=False, server_default="1"),
        sa.Column("prompt", sa.Text),
        sa.Column("statistics", postgresql.JSONB, nullable=False, server_default="[]"),
        sa.Column("result_schema", sa.Text),
        sa.Column("drawing", postgresql.JSONB),
    ):
        op.add_column("insight_types", column)
    for name, condition in (
        ("price_positive", "price >= 1"),
        (
            "needs_fit",
            "min_people >= 1 AND min_messages >= 1 AND (max_people IS NULL OR max_people >= min_people)",
        ),
        (
            "model_made_or_not",
            "(prompt IS NULL) = (result_schema IS NULL) AND (prompt IS NULL) = (drawing IS NULL)",
        ),
    ):
        op.create_check_constraint(op.f(f"ck_insight_types_{name}"), "insight_types", condition)


def _jobs() -> None:
    for column in (
        _charge_mode(),
        sa.Column("weights", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("charge_amount", sa.BigInteger),
        sa.Column("failures", postgresql.JSONB, nullable=False, server_default="[]"),
        *(_number(name) for name in ("input_tokens", "output_tokens", "cost_micro_usd")),
    ):
        op.add_column("jobs", column)
    for name, condition in _NEW_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_jobs_{name}"), "jobs", condition)
    op.execute(_GUARD)
    op.execute(_GUARD_TRIGGER)
