"""Soft delete: a row with a delete_time is gone from every ORM select, update and delete.

The filter also reaches aliases, joins, subqueries and relationship loads. It does not reach Core
statements on ``Model.__table__``, `text()`, nor an object that the session already holds
(``session.get`` answers it from the identity map). Children of a deleted parent have to be
deleted with it or read through a join. ``execution_options(include_deleted=True)`` shows all.

Source: SQLAlchemy's example extending_query/filter_public.py.
"""

from datetime import datetime

from sqlalchemy import DateTime, event
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria

#: The execution option that shows deleted rows.
INCLUDE_DELETED = {"include_deleted": True}


class SoftDeleteMixin:
    """Gives a model the column `delete_time`; None means live."""

    delete_time: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), default=None)


_LIVE = with_loader_criteria(SoftDeleteMixin, lambda model: model.delete_time.is_(None), include_aliases=True)


class SoftDeleteSession(Session):
    """A session whose statements see live rows only."""


@event.listens_for(SoftDeleteSession, "do_orm_execute")
def _hide_deleted(state: ORMExecuteState) -> None:
    # Column and relationship loads inherit the options of the query that brought the object.
    if state.is_column_load or state.is_relationship_load:
        return
    if not (state.is_select or state.is_update or state.is_delete):
        return
    if not state.execution_options.get("include_deleted", False):
        state.statement = state.statement.options(_LIVE)
