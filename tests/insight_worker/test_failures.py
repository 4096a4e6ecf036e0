"""What a worker says about a job that did not succeed: chat_service must be able to take it."""

from chat_service.jobs import fields
from insight_worker.failures import Failure, Tally, job_error
from protos.insight.v1 import insight_pb2


def test_no_more_results_fail_than_are_left() -> None:
    # Given a job of five results, of which an earlier attempt saved two
    tally = Tally.of(insight_pb2.Job(requested_count=5, completed_count=2))
    # When this attempt saves another two
    tally.count_saved()
    tally.count_saved()
    # Then one at most has failed, whatever the stage says
    error = job_error("INTERNAL", "", {})
    assert tally.failed(Failure(error, 3)) == 1
    assert tally.failed(Failure(error)) == 1
    # And saving one again, which an earlier attempt saved too, does no harm
    tally.count_saved()
    tally.count_saved()
    assert tally.failed(Failure(error, 3)) == 0


def test_an_error_is_cut_to_what_chat_service_takes() -> None:
    # Given a talkative pipeline
    metadata = {f"{number}{'k' * 100}": "v" * 1_000 for number in range(40)}
    # When its words become a job's error
    error = job_error("R" * 100, "m" * 5_000, metadata)
    # Then all of it fits
    assert (len(error.reason), len(error.message), len(error.metadata)) == (64, 1_024, 32)
    assert all(len(key) == 64 and len(value) == 512 for key, value in error.metadata.items())


def test_an_error_is_cleaned_of_what_chat_service_refuses() -> None:
    # Given a careless pipeline: no reason, NUL, half a character, and a key that is nothing but NUL
    error = job_error("\x00", "bad \x00text \ud83d", {"a\x00": "b\x00", "\x00": "c"})
    # Then what is left can be taken, also over the wire
    assert (error.reason, error.message, dict(error.metadata)) == ("INTERNAL", "bad text ?", {"a": "b"})
    assert insight_pb2.JobError.FromString(error.SerializeToString()) == error
    assert fields.error_field(error).reason == "INTERNAL"
