"""How far credit_service's events were followed, and coins that come while a payment is being tried."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the cursor's table and the job's note."""
    op.create_table(
        "credit_event_cursors",
        sa.Column("consumer", sa.String(64), primary_key=True),
        sa.Column("event_id", sa.String(64)),
        sa.Column("holder", sa.Uuid, nullable=False),
        sa.Column("lease_expire_time", _INSTANT, nullable=False),
    )
    op.add_column("jobs", sa.Column("coins_came", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take both away."""
    op.drop_column("jobs", "coins_came")
    op.drop_table("credit_event_cursors")
