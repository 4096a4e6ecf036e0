"""The table of users."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String, func
from sqlalchemy.orm import Mapped, mapped_column

from chat_service.base import Base


class User(Base):
    """A person who uses an app; the id comes from the identity provider."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("user_id <> ''", name="user_id_not_empty"),)

    user_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(256), default="")
    email: Mapped[str] = mapped_column(String(320), default="")
    create_time: Mapped[datetime] = mapped_column(server_default=func.now())
    update_time: Mapped[datetime] = mapped_column(server_default=func.now())
    #: When credit_service had granted the sign-up bonus, or it was found that there is none for this user;
    #: None until then, so that the next login asks again.
    signup_bonus_time: Mapped[datetime | None] = mapped_column(default=None)
    #: When the user was deleted. The row stays, empty, for what is kept until its purge, and a later login
    #: makes it anew: with another create_time, by which an upload of before is told apart.
    delete_time: Mapped[datetime | None] = mapped_column(default=None)
