"""What waits for somebody, as the page names it: groups of what is stuck in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

__all__ = ["Item", "MoneyGroup"]


class Item(NamedTuple):
    """One thing that is stuck.

    :ivar address: The page that tells of it.
    :ivar invoice_id: Of the invoice that it is about; empty where it is about a project.
    :ivar why: In words; empty where its group says all.
    :ivar since: `None` where nobody knows.
    :ivar command: What to type for this one; empty where the group's command is for all.
    """

    address: str
    project_key: str
    invoice_id: str = ""
    why: str = ""
    since: datetime | None = None
    command: str = ""


@dataclass(frozen=True)
class MoneyGroup:
    """What is stuck in the same way.

    :ivar number: How many, as a reader writes it; empty where that says nothing.
    :ivar address: Where all of them are; `None` where there is no such list.
    :ivar command: What shows or does the same on the command line; empty where each of the items
        has its own.
    :ivar items: Those that are named one by one, the oldest first.
    :ivar more: How many besides those, in words; empty where all are named.
    """

    kind: str
    tone: str
    name: str
    number: str
    since: datetime | None
    advice: str
    command: str
    address: str | None = None
    items: tuple[Item, ...] = ()
    more: str = ""
