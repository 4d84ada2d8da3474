"""Checks what staff sign their acts with: why, in one word, and the host's id of who."""

from __future__ import annotations

import re

__all__ = ["check"]

_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_ID = 100
_ID = re.compile(rf"[^@\s]{{1,{_LONGEST_ID}}}")


def check(reason: str, made_by: str | None) -> None:
    """Refuse a reason that is no code, and a "who" that is no id.

    :raises ValueError: One of them could hold personal data.
    """
    if not _REASON.fullmatch(reason):
        raise ValueError(
            "A reason is one word of small letters, digits and underscores, at most 40 of them, "
            "such as goodwill: it is kept for ever, so it must not tell of people."
        )
    if made_by is not None and (not made_by.isprintable() or not re.fullmatch(_ID, made_by)):
        raise ValueError(
            "Name who did it by an id of yours, such as 42: no name and no e-mail, no spaces, at "
            f"most {_LONGEST_ID} characters."
        )
