"""Which invoices staff look for, as the query of the page's address says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import ColumnElement

from flask_billing.models import Invoice, InvoiceCollection
from flask_billing.periods import month_named
from flask_billing.web.staff.filters import typed
from flask_billing.web.staff.standings import STANDINGS, conditions, of_this_mode

__all__ = ["InvoiceFilters"]

_CURRENCY = re.compile(r"[a-z]{3}")


@dataclass(frozen=True)
class InvoiceFilters:
    """What is looked for; an empty text means any.

    :ivar state: A key of `STANDINGS`.
    :ivar project: A project's key.
    :ivar period: The month in which the invoice's period begins, such as ``"2026-10"``.
    :ivar currency: Such as ``"usd"``.
    :ivar id: Of the invoice, here or at the processor.
    """

    state: str = ""
    project: str = ""
    period: str = ""
    currency: str = ""
    id: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> InvoiceFilters:
        """Return what a query says; what there can't be is left out."""
        state, currency = args.get("state", ""), typed(args.get("currency", "")).lower()
        return cls(
            state=state if state in STANDINGS else "",
            project=typed(args.get("project", "")),
            period=_month(typed(args.get("period", ""))),
            currency=currency if _CURRENCY.fullmatch(currency) else "",
            id=typed(args.get("id", "")),
        )

    def to_args(self) -> dict[str, str]:
        """Return the query that says this, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what an invoice, joined with its collection, has to fulfil."""
        wanted = [of_this_mode()]
        if self.state:
            wanted.append(conditions()[self.state])
        if self.project:
            wanted.append(Invoice.project_key == self.project)
        if self.period:
            month = month_named(self.period)
            wanted += [Invoice.period_start >= month.start, Invoice.period_start < month.end]
        if self.currency:
            wanted.append(Invoice.currency == self.currency)
        if self.id:
            wanted.append(self._id_condition())
        return wanted

    def _id_condition(self) -> ColumnElement[bool]:
        with suppress(ValueError):
            return Invoice.id == UUID(self.id)
        return InvoiceCollection.stripe_id == self.id


def _month(text: str) -> str:
    try:
        month_named(text)
    except ValueError:
        return ""
    return text
