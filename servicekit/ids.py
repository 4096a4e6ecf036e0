"""Ids that this project makes."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """Answer a UUID version 7 (RFC 9562): 48 bits of milliseconds, then random bits.

    Rows made one after another get ids one after another, so an index grows at its end.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)
