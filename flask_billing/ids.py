"""Makes the time-ordered keys of the billing tables."""

import os
import re
import time
from uuid import UUID

__all__ = ["is_our_key", "uuid7"]

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KINDS = (
    rf"(?:setup|details|tax-id|hold|pay|refund)-{_UUID}(?:-details-[0-9])?",
    rf"(?:finalize|void|write-off|balance)-{_UUID}(?:-[0-9]{{1,19}})?",
    rf"invoice-{_UUID}(?:-in_[A-Za-z0-9]{{1,80}})?(?:-[0-9]{{1,5}})?",
    rf"lines-{_UUID}-[0-9a-f]{{16}}(?:-[0-9]{{1,5}})?",
)
_OUR_KEY = re.compile("|".join(_KINDS))


def uuid7() -> UUID:
    """Return a new UUIDv7: 48 bits of milliseconds, then random bits (RFC 9562, section 5.7).

    Keys made in the same millisecond are not ordered among themselves.
    """
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


def is_our_key(key: str) -> bool:
    """Return whether an idempotency key is made as ours are: of a row's id, and nothing else."""
    return _OUR_KEY.fullmatch(key) is not None
