"""Turns a stream of messages around without holding all of them in memory."""

import pickle
import tempfile
from collections.abc import Iterator

from chat_service.parsers.model import ParsedMessage

# Up to here nothing is written to disk: more than the 10,000 messages that Meta writes into a file.
_MEMORY_BYTES = 4 * 1024 * 1024


def newest_last(batches: Iterator[list[ParsedMessage]]) -> Iterator[list[ParsedMessage]]:
    """Yields the same messages from the last to the first, in batches of the same sizes."""
    with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as spool:
        starts = []
        for batch in batches:
            starts.append(spool.tell())
            pickle.dump(batch, spool, pickle.HIGHEST_PROTOCOL)
        for start in reversed(starts):
            spool.seek(start)
            # Bytes that were written a moment ago, into a file that nobody else can open.
            batch = pickle.load(spool)  # noqa: S301
            batch.reverse()
            yield batch
