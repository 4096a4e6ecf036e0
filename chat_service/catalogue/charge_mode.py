"""What is charged when not all insights of a job can be made."""

from enum import StrEnum


class ChargeMode(StrEnum):
    """A setting of the category, kept with each job; named as in insight.v1."""

    #: Nothing: the job fails.
    ALL_OR_NOTHING = "ALL_OR_NOTHING"
    #: The part of the price for those that were made.
    WHAT_SUCCEEDED = "WHAT_SUCCEEDED"
