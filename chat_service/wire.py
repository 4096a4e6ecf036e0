"""Values of rows as the wire has them."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(moment: datetime) -> Timestamp:
    """Answer an instant; raises ValueError for a time without a zone, which protobuf would take as UTC."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    converted = Timestamp()
    converted.FromDatetime(moment)
    return converted


def optional_timestamp(moment: datetime | None) -> Timestamp | None:
    """Answer an instant, or None, which leaves the field absent."""
    return None if moment is None else timestamp(moment)


def local_time(moment: datetime) -> str:
    """Answer a time without a zone as "YYYY-MM-DDTHH:MM:SS"."""
    return moment.isoformat(timespec="seconds")
