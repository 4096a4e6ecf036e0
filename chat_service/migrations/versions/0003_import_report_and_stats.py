"""What an import did not understand, and the free statistics of a chat."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_EMPTY = sa.text("'{}'")

# The counts that the import makes since this revision, for the chats that were there before it.
_COUNT_EARLIER_CHATS = """
WITH authored AS (
    SELECT user_id, chat_id, sent_local_time, length(body) AS characters
    FROM messages WHERE author IS NOT NULL
), days AS (
    SELECT user_id, chat_id, sent_local_time::date AS day FROM authored GROUP BY 1, 2, 3
), steps AS (
    SELECT *, day - lag(day) OVER (PARTITION BY user_id, chat_id ORDER BY day) AS step FROM days
), runs AS (
    SELECT *, sum(CASE WHEN step = 1 THEN 0 ELSE 1 END)
        OVER (PARTITION BY user_id, chat_id ORDER BY day) AS run FROM steps
), streaks AS (
    SELECT user_id, chat_id, max(days) AS longest, sum(days) AS active FROM
        (SELECT user_id, chat_id, run, count(*) AS days FROM runs GROUP BY 1, 2, 3) AS lengths GROUP BY 1, 2
), silences AS (
    SELECT user_id, chat_id, max(step) - 1 AS longest FROM steps GROUP BY 1, 2
)
UPDATE chats SET stats = jsonb_build_object(
    'authored_count', (SELECT count(*) FROM authored a
        WHERE (a.user_id, a.chat_id) = (chats.user_id, chats.chat_id)),
    'kind_counts', (SELECT jsonb_object_agg(kind, n) FROM
        (SELECT kind, count(*) AS n FROM messages m
         WHERE (m.user_id, m.chat_id) = (chats.user_id, chats.chat_id) GROUP BY kind) AS kinds),
    'edited_count', (SELECT count(*) FROM messages m
        WHERE (m.user_id, m.chat_id) = (chats.user_id, chats.chat_id) AND edited),
    'character_count', (SELECT coalesce(sum(characters), 0) FROM authored a
        WHERE (a.user_id, a.chat_id) = (chats.user_id, chats.chat_id)),
    'active_day_count', coalesce((SELECT active FROM streaks s
        WHERE (s.user_id, s.chat_id) = (chats.user_id, chats.chat_id)), 0),
    'longest_streak_day_count', coalesce((SELECT longest FROM streaks s
        WHERE (s.user_id, s.chat_id) = (chats.user_id, chats.chat_id)), 0),
    'longest_silence_day_count', coalesce((SELECT longest FROM silences s
        WHERE (s.user_id, s.chat_id) = (chats.user_id, chats.chat_id)), 0),
    'weekday_counts', (SELECT jsonb_agg((SELECT count(*) FROM authored a
        WHERE (a.user_id, a.chat_id) = (chats.user_id, chats.chat_id)
        AND extract(isodow FROM sent_local_time) = weekday) ORDER BY weekday)
        FROM generate_series(1, 7) AS weekday),
    'hour_counts', (SELECT jsonb_agg((SELECT count(*) FROM authored a
        WHERE (a.user_id, a.chat_id) = (chats.user_id, chats.chat_id)
        AND extract(hour FROM sent_local_time) = hour) ORDER BY hour)
        FROM generate_series(0, 23) AS hour)
)
WHERE stats = '{}'
"""


def upgrade() -> None:
    """Add the columns, count the chats that are there, and let a chat be found by its id alone."""
    op.add_column(
        "chats", sa.Column("import_report", postgresql.JSONB, nullable=False, server_default=_EMPTY)
    )
    op.add_column("chats", sa.Column("stats", postgresql.JSONB, nullable=False, server_default=_EMPTY))
    op.create_index("ix_chats_chat_id", "chats", ["chat_id"])
    op.execute(_COUNT_EARLIER_CHATS)


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_chats_chat_id", "chats")
    op.drop_column("chats", "stats")
    op.drop_column("chats", "import_report")
