"""The tables of erasures and of what is remembered beyond them."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Enum, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base
from chat_service.erasure.steps import Step

_STEPS = ", ".join(f"'{step}'" for step in Step)


class Erasure(Base):
    """The erasure of one user: how far it is. When it is done, nothing in it says who the user was."""

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint(f"step IN ({_STEPS})", name="step_known"),
        CheckConstraint(
            "(step = 'DONE') = (user_id IS NULL) AND (step = 'DONE') = (request_id IS NULL)",
            name="named_until_done",
        ),
        CheckConstraint(
            "(step = 'DONE') = (finish_time IS NOT NULL) AND (step = 'DONE') = (due_time IS NULL)",
            name="due_until_done",
        ),
        CheckConstraint("forfeited_coins >= 0", name="forfeited_coins_counted"),
        # A repeated request finds the erasure of the first one.
        Index("uq_erasures_user_id_request_id", "user_id", "request_id", unique=True),
        Index("ix_erasures_due", "due_time", postgresql_where=text("due_time IS NOT NULL")),
    )

    #: Names the account's pseudonym too; made of nothing about the user.
    erasure_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    user_id: Mapped[str | None] = mapped_column(String(128))
    #: May be made of the user's id, so it goes with it.
    request_id: Mapped[uuid.UUID | None]
    step: Mapped[Step] = mapped_column(Enum(Step, native_enum=False, length=32, create_constraint=False))
    #: Coins left in the account when it was closed; None until then, and for a user who had no account.
    forfeited_coins: Mapped[int | None] = mapped_column(BigInteger, default=None)
    #: When somebody has to look at it next.
    due_time: Mapped[datetime | None]
    create_time: Mapped[datetime]
    #: From this instant on what was hidden is removed.
    purge_time: Mapped[datetime]
    finish_time: Mapped[datetime | None] = mapped_column(default=None)


class SignupBonusClaim(Base):
    """That somebody had a sign-up bonus and was erased: known again only by who shows the same user id."""

    __tablename__ = "signup_bonus_claims"

    #: HMAC-SHA-256 of the user id under a secret that is not in the database.
    claim_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    #: From this instant on the same user id gets a bonus again.
    expire_time: Mapped[datetime]
