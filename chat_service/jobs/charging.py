"""What a job is charged. Pure."""

from chat_service.catalogue.charge_mode import ChargeMode
from chat_service.catalogue.prices import share
from chat_service.jobs.facts import JobFacts


def amount_to_charge(job: JobFacts) -> int | None:
    """Answer the coins for what was made, 0 where nothing was; None: all or nothing.

    Asked once in the life of a job, when settling begins, and kept in its row: a charge that is repeated
    after a crash has to be of the same amount, whatever else has been made meanwhile.
    """
    if job.charge_mode is ChargeMode.ALL_OR_NOTHING:
        return None
    made = sum(job.weights[name] for name in job.completed_ids)
    return share(job.price, made, sum(job.weights.values()))
