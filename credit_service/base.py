"""What every table of the database `credit` is made with."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

# Compared byte by byte: one order for the row locks of every process, whatever the database's locale.
USER_ID = Text(collation="C")


class Base(DeclarativeBase):
    """The tables of the database `credit`."""

    type_annotation_map = {  # noqa: RUF012  # declared by SQLAlchemy as a plain class attribute
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, str]: JSONB,
        dict[str, int]: JSONB,
        dict[str, object]: JSONB,
    }
