"""The search index of chats, conversations and their turns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from servicekit.migrations import create_extension

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_LOCAL_TIME = sa.DateTime(timezone=False)
_NOW = sa.text("now()")


def upgrade() -> None:
    """Make the tables; raises `MissingExtension` where the server has no pgvector."""
    create_extension(
        op.get_bind(), "vector", "pgvector 0.7 or newer, such as the image pgvector/pgvector:pg18"
    )
    create_extension(op.get_bind(), "unaccent", "PostgreSQL's contrib modules")
    # Words as they are, in any language, without accents: "Café" is found as "cafe".
    op.execute("CREATE TEXT SEARCH CONFIGURATION chat_words (COPY = pg_catalog.simple)")
    op.execute(
        "ALTER TEXT SEARCH CONFIGURATION chat_words "
        "ALTER MAPPING FOR hword, hword_part, word WITH unaccent, simple"
    )
    _indexes()
    _chunks()
    _vectors()
    _conversations()
    _turns()


def downgrade() -> None:
    """Take them away, with everything in them; the extensions stay."""
    for table in (
        "conversation_turns",
        "conversations",
        "chat_signs",
        "chat_vectors",
        "chat_chunks",
        "chat_indexes",
    ):
        op.drop_table(table)
    op.execute("DROP TEXT SEARCH CONFIGURATION chat_words")


def _indexes() -> None:
    op.create_table(
        "chat_indexes",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("chat_id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("dimension", sa.Integer),
        sa.Column("next_position", sa.Integer, nullable=False),
        sa.Column("chunk_count", sa.Integer, nullable=False),
        sa.Column("vector_count", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lease_id", sa.Uuid),
        sa.Column("due_time", _INSTANT),
        sa.Column("error_message", sa.Text, nullable=False),
        sa.Column("create_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("update_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.ForeignKeyConstraint(
            ["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('PENDING', 'BUILDING', 'READY', 'FAILED')", name=op.f("ck_chat_indexes_state_known")
        ),
        sa.CheckConstraint(
            "(due_time IS NULL) = (state IN ('READY', 'FAILED'))", name=op.f("ck_chat_indexes_due_until_made")
        ),
    )
    op.create_index(
        "ix_chat_indexes_due", "chat_indexes", ["due_time"], postgresql_where=sa.text("due_time IS NOT NULL")
    )


def _chunks() -> None:
    op.create_table(
        "chat_chunks",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("chat_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_position", sa.Integer, nullable=False),
        sa.Column("last_position", sa.Integer, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("first_local_time", _LOCAL_TIME, nullable=False),
        sa.Column("last_local_time", _LOCAL_TIME, nullable=False),
        sa.Column("authors", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("words", postgresql.TSVECTOR, nullable=False),
    )


def _vectors() -> None:
    # Any dimension: which one it is depends on the model of the chat's index.
    op.execute(
        "CREATE TABLE chat_vectors ("
        "user_id varchar(128) NOT NULL, chat_id uuid NOT NULL, number integer NOT NULL, "
        "embedding halfvec NOT NULL, PRIMARY KEY (user_id, chat_id, number))"
    )
    # In the row and not beside it: each one that is read is read whole.
    op.execute("ALTER TABLE chat_vectors ALTER COLUMN embedding SET STORAGE PLAIN")
    op.create_table(
        "chat_signs",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("chat_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("chunk_number", sa.Integer, nullable=False),
        sa.Column("signs", postgresql.BIT(varying=True), nullable=False),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("conversation_id", sa.Uuid, primary_key=True),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("turn_count", sa.Integer, nullable=False),
        sa.Column("create_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("update_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("delete_time", _INSTANT),
        sa.ForeignKeyConstraint(
            ["user_id", "chat_id"], ["chats.user_id", "chats.chat_id"], ondelete="CASCADE"
        ),
    )
    op.create_index(
        "ix_conversations_newest_first",
        "conversations",
        ["user_id", sa.text("create_time DESC"), sa.text("conversation_id DESC")],
        postgresql_where=sa.text("delete_time IS NULL"),
    )
    op.create_index("ix_conversations_chat", "conversations", ["user_id", "chat_id"])


def _turns() -> None:
    op.create_table(
        "conversation_turns",
        sa.Column("user_id", sa.String(128), primary_key=True),
        sa.Column("turn_id", sa.Uuid, primary_key=True),
        sa.Column("conversation_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("request_id", sa.Uuid, nullable=False),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease_expire_time", _INSTANT, nullable=False),
        sa.Column("found", postgresql.JSONB),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reservation_id", sa.Uuid),
        sa.Column("charge_amount", sa.BigInteger, nullable=False),
        sa.Column("transaction_id", sa.Uuid),
        sa.Column("settle_time", _INSTANT),
        sa.Column("error_reason", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("error_metadata", postgresql.JSONB),
        sa.Column("create_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.Column("update_time", _INSTANT, nullable=False, server_default=_NOW),
        sa.UniqueConstraint("user_id", "request_id"),
        sa.ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversations.user_id", "conversations.conversation_id"],
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "state IN ('ASKED', 'ANSWERED', 'COMPLETED', 'FAILED')",
            name=op.f("ck_conversation_turns_state_known"),
        ),
        sa.CheckConstraint(
            "(settle_time IS NOT NULL) = (state = 'ANSWERED')",
            name=op.f("ck_conversation_turns_settled_when_answered"),
        ),
        sa.CheckConstraint(
            "state <> 'ANSWERED' OR reservation_id IS NOT NULL",
            name=op.f("ck_conversation_turns_answered_is_reserved"),
        ),
        sa.CheckConstraint(
            "charge_amount >= 0", name=op.f("ck_conversation_turns_charge_amount_not_negative")
        ),
    )
    op.create_index(
        "ix_conversation_turns_in_order", "conversation_turns", ["user_id", "conversation_id", "turn_id"]
    )
    op.create_index(
        "ix_conversation_turns_to_settle",
        "conversation_turns",
        ["settle_time"],
        postgresql_where=sa.text("settle_time IS NOT NULL"),
    )
