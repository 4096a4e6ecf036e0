"""The steps of an erasure, in their order. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Step(StrEnum):
    """What is to be done next. Each step may be done twice, by several copies at once."""

    #: Close the credit account, which gives back what is reserved, and take the user's id off the books.
    CLOSE_ACCOUNT = "CLOSE_ACCOUNT"
    #: Mark what belongs to the hidden chats as deleted.
    DELETE_BELONGINGS = "DELETE_BELONGINGS"
    #: See to it that no job is left that somebody may still work on.
    END_JOBS = "END_JOBS"
    #: The retention time is over: take the account's events out of the published stream.
    FORGET_EVENTS = "FORGET_EVENTS"
    #: Remove every row that names the user, and the user's name from the erasure itself.
    PURGE = "PURGE"
    DONE = "DONE"


NEXT: Mapping[Step, Step] = dict(zip(list(Step)[:-1], list(Step)[1:], strict=True))
