"""Users, chats, messages, and the catalogue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_LOCAL_TIME = sa.DateTime(timezone=False)
_NOW = sa.text("now()")


def upgrade() -> None:
    """Make the tables."""
    _users()
    _chats()
    _messages()
    _catalogue()


def downgrade() -> None:
    """Take them away, with everything in them."""
    for table in ("category_insight_types", "insight_types", "categories", "messages", "chats", "users"):
        op.drop_table(table)


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("display_name", sa.String(256), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("create_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("update_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("signup_bonus_time", _INSTANT),
        sa.CheckConstraint("user_id <> ''", name=op.f("ck_users_user_id_not_empty")),
    )


def _chats() -> None:
    op.create_table(
        "chats",
        sa.Column("user_id", sa.String(128), sa.ForeignKey("users.user_id"), primary_key=True),
        sa.Column("chat_id", sa.Uuid, primary_key=True),
        sa.Column("display_name", sa.String(256), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("format", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("message_count", sa.BigInteger, nullable=False),
        sa.Column("participants", postgresql.JSONB, nullable=False),
        sa.Column("participant_count", sa.Integer, nullable=False),
        sa.Column("first_message_local_time", _LOCAL_TIME, nullable=False),
        sa.Column("last_message_local_time", _LOCAL_TIME, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("import_header", postgresql.JSONB, nullable=False),
        sa.Column("file_sha256", sa.LargeBinary, nullable=False),
        sa.Column("create_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("update_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("delete_time", _INSTANT),
        sa.Column("purge_time", _INSTANT),
        sa.UniqueConstraint("user_id", "request_id"),
        sa.CheckConstraint(
            "(delete_time IS NULL) = (purge_time IS NULL)", name=op.f("ck_chats_deleted_with_purge_time")
        ),
        sa.CheckConstraint("message_count > 0", name=op.f("ck_chats_not_empty")),
    )
    op.create_index(
        "ix_chats_newest_first",
        "chats",
        ["user_id", sa.text("create_time DESC"), sa.text("chat_id DESC")],
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index(
        "ix_chats_to_purge", "chats", ["purge_time"], postgresql_where=sa.text("purge_time IS NOT NULL")
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("chat_id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("author", sa.Text),
        sa.Column("sent_local_time", _LOCAL_TIME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("attachment_name", sa.Text, nullable=False),
    )


def _catalogue() -> None:
    op.create_table(
        "categories",
        sa.Column("category_id", sa.String(64), primary_key=True),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.CheckConstraint("price >= 1", name=op.f("ck_categories_price_positive")),
    )
    op.create_table(
        "insight_types",
        sa.Column("insight_type_id", sa.String(64), primary_key=True),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("chart", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        "category_insight_types",
        sa.Column("category_id", sa.String(64), sa.ForeignKey("categories.category_id"), primary_key=True),
        sa.Column(
            "insight_type_id", sa.String(64), sa.ForeignKey("insight_types.insight_type_id"), primary_key=True
        ),
        sa.Column("position", sa.Integer, nullable=False),
    )
