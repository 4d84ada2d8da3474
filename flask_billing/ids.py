"""Makes the time-ordered keys of the billing tables."""

import os
import time
from uuid import UUID

__all__ = ["uuid7"]


def uuid7() -> UUID:
    """Return a new UUIDv7: 48 bits of milliseconds, then random bits (RFC 9562, section 5.7).

    Keys made in the same millisecond are not ordered among themselves.
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)
