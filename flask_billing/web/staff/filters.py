"""Which events staff look for, as the query of the page's address says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_

from flask_billing.models import BillingEvent
from flask_billing.web.i18n import N_
from flask_billing.web.staff.situations import conditions

__all__ = ["AGES", "STATES", "Filters", "typed"]

#: What the page calls the states that can be looked for.
STATES = {
    "failed": N_("Failed"),
    "overdue": N_("Overdue"),
    "retrying": N_("Tried in vain"),
    "pending": N_("Waiting"),
    "processed": N_("Processed"),
    "ignored": N_("Ignored"),
}
AGES = {
    "1h": N_("in the last hour"),
    "1d": N_("in the last 24 hours"),
    "7d": N_("in the last 7 days"),
    "30d": N_("in the last 30 days"),
}
_SPANS = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


@dataclass(frozen=True)
class Filters:
    """What is looked for; an empty text means any.

    :ivar state: A key of `STATES`.
    :ivar type: An event type, or a family such as ``"customer.*"``.
    :ivar id: Of the event, of the object that changed, or of its customer.
    :ivar age: A key of `AGES`: how long ago the event may have arrived.
    """

    state: str = ""
    type: str = ""
    id: str = ""
    age: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> Filters:
        """Return what a query says; states and ages that don't exist are left out."""
        state, age = args.get("state", ""), args.get("age", "")
        return cls(
            state=state if state in STATES else "",
            type=typed(args.get("type", "")),
            id=typed(args.get("id", "")),
            age=age if age in AGES else "",
        )

    def to_args(self) -> dict[str, str]:
        """Return the query that says this, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    def conditions(self, now: datetime) -> list[ColumnElement[bool]]:
        """Return what an event has to fulfil."""
        wanted = []
        if self.state:
            wanted.append(conditions(now)[self.state])
        if self.type:
            wanted.append(self._type_condition())
        if self.id:
            wanted.append(self._id_condition())
        if self.age:
            wanted.append(BillingEvent.received_at >= now - _SPANS[self.age])
        return wanted

    def _type_condition(self) -> ColumnElement[bool]:
        if self.type.endswith(".*"):
            return BillingEvent.type.startswith(self.type[:-1], autoescape=True)
        return BillingEvent.type == self.type

    def _id_condition(self) -> ColumnElement[bool]:
        if self.id.startswith("evt_"):
            return BillingEvent.stripe_id == self.id
        return or_(BillingEvent.object_id == self.id, BillingEvent.customer_id == self.id)


def typed(value: str) -> str:
    """Return what somebody typed, as far as it can be seen: databases refuse what can't."""
    return "".join(filter(str.isprintable, value)).strip()[:255]
