"""Fixtures of servicekit's own tests."""

import io
import logging
from collections.abc import Iterator

import pytest

from servicekit import logs
from servicekit.settings import KitSettings


@pytest.fixture
def log_stream() -> Iterator[io.StringIO]:
    """What is logged during the test, as JSON lines."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure(KitSettings(log_format="json"), "tests", stream)
    yield stream
    root.handlers[:], root.level = before
