"""What collecting came to, for whoever started it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

__all__ = ["CollectReport"]


@dataclass(frozen=True)
class CollectReport:
    """How many invoices were issued, and what their looks came to.

    :ivar issued: At the processor; each is counted once more under what became of it then.
    :ivar failed: No method could be charged; the plan tries again, or they are past due now.
    :ivar waiting: For a bank, a transfer, or an outcome that nobody knows yet.
    :ivar needs_owner: Only their owner can move them on.
    :ivar parked: Somebody has to look at them.
    :ivar busy: Somebody else was faster.
    :ivar errors: The processor or the database failed; they are tried again.
    """

    issued: int = 0
    paid: int = 0
    failed: int = 0
    waiting: int = 0
    needs_owner: int = 0
    parked: int = 0
    busy: int = 0
    errors: int = 0

    def __add__(self, other: CollectReport) -> CollectReport:
        return CollectReport(*map(sum, zip(astuple(self), astuple(other), strict=True)))
