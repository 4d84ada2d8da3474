"""Makes the time-ordered keys of the billing tables."""

import os
import re
import time
from uuid import UUID

__all__ = ["is_our_key", "uuid7"]

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KINDS = "setup|details|tax-id|hold|invoice|lines|finalize|pay|void|write-off"
_KINDS += "|refund|balance"
_OUR_KEY = re.compile(rf"(?:{_KINDS})-{_UUID}(?:-details-[0-9])?(?:-[A-Za-z0-9_-]{{1,80}})?")


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
