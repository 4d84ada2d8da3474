"""The page of the audit log: who of the staff did what, when, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from flask import render_template, request, url_for
from sqlalchemy import ColumnElement, select

from flask_billing.models import AuditEntry
from flask_billing.web import amounts
from flask_billing.web.staff import keyset, words
from flask_billing.web.staff.filters import typed
from flask_billing.web.staff.keyset import Order
from flask_billing.web.times import distance, moment

__all__ = ["ROUTES"]


@dataclass(frozen=True)
class AuditFilters:
    """What is looked for; an empty text means any.

    :ivar invoice: An invoice's id.
    :ivar project: A project's key.
    """

    invoice: str = ""
    project: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> AuditFilters:
        """Return what a query says."""
        return cls(typed(args.get("invoice", "")), typed(args.get("project", "")))

    def to_args(self) -> dict[str, str]:
        """Return the query that says this, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value}

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what an entry has to fulfil."""
        wanted: list[ColumnElement[bool]] = []
        if self.invoice:
            wanted += [AuditEntry.object_type == "invoice", AuditEntry.object_id == self._id()]
        if self.project:
            wanted.append(AuditEntry.project_key == self.project)
        return wanted

    def _id(self) -> str:
        """Return the id as the log has it, however it was typed."""
        try:
            return str(UUID(self.invoice))
        except ValueError:
            return self.invoice


@dataclass(frozen=True)
class AuditRow:
    """What somebody did, as the page shows it."""

    entry: AuditEntry
    action: str
    tone: str
    outcome: str
    way: str
    amount: str
    address: str | None


def show_audit() -> str:
    """Show what was done, the latest first."""
    filters = AuditFilters.from_args(request.args)
    page = keyset.page_of(
        select(AuditEntry).where(*filters.conditions()),
        Order(AuditEntry.id, AuditEntry.made_at),
        newer=request.args.get("newer", ""),
        older=request.args.get("older", ""),
    )
    return render_template(
        "billing/staff/audit.html",
        filters=filters,
        rows=[_row(entry) for entry in page.rows],
        page=page,
        moment=moment,
        distance=distance,
    )


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (("/audit", "staff_audit", show_audit, ["GET"]),)


def _row(entry: AuditEntry) -> AuditRow:
    tone, outcome = words.of_deed(entry.outcome)
    has_amount = entry.amount is not None and entry.currency is not None
    return AuditRow(
        entry=entry,
        action=words.of_action(entry.action),
        tone=tone,
        outcome=outcome,
        way=words.of_way(entry.way),
        amount=amounts.money(entry.amount or 0, entry.currency or "") if has_amount else "",
        address=_address(entry),
    )


def _address(entry: AuditEntry) -> str | None:
    if entry.object_type == "invoice":
        return url_for("billing.staff_invoice", invoice_id=UUID(entry.object_id))
    # Not of several events, which an entry only counts.
    if entry.object_type == "event" and entry.object_id.startswith("evt_"):
        return url_for("billing.staff_event", event_id=entry.object_id)
    return None
