"""Gathers what a notification says, and finds out whether it is still true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from flask_billing import clock, projects
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import (
    Invoice,
    InvoiceCollection,
    Notification,
    PaymentMethod,
    SpendingAlert,
    table_of,
)
from flask_billing.notifying.claiming import Claimed
from flask_billing.periods import Span, month_of
from flask_billing.state import current

__all__ = ["Facts", "gather"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a notification says, for whoever puts it into words. Amounts are in minor units.

    :ivar role: `members` or `billing`.
    :ivar project_key: The project whose pages it links to.
    :ivar project_label: What the host calls the project; empty where it does not say.
    :ivar period: What the invoice is for, or the month whose usage reached an alert.
    :ivar needs: What only the owner can give: `payment_method`, `confirmation` or `address`.
    :ivar retry_at: When the payment is tried again; `None` where that is over.
    :ivar until: When the last planned try is: from then on it is past due; `None` where it is.
    :ivar due_at: Until when it was to be paid by transfer.
    :ivar stops: Whether nothing new can be created then, or now.
    :ivar limit: The amount of the alert that was reached.
    :ivar method: The payment method that runs out, as the processor has it.
    """

    notification_id: UUID
    kind: str
    role: str
    project_key: str | None = None
    project_label: str = field(default="", repr=False)
    invoice_id: UUID | None = None
    period: Span | None = None
    amount: int | None = None
    currency: str | None = None
    needs: str | None = None
    retry_at: datetime | None = None
    until: datetime | None = None
    due_at: datetime | None = None
    stops: bool = False
    limit: int | None = None
    method: PaymentMethodDetails | None = field(default=None, repr=False)


def gather(claimed: Claimed) -> Facts | None:
    """Return what a notification says, or `None` where it is not true any more; commits.

    :raises flask_billing.GatewayError: The processor was needed, and refused or did not answer.
    """
    facts = Facts(
        notification_id=claimed.id,
        kind=claimed.kind,
        role=claimed.role,
        project_key=claimed.project_key,
        invoice_id=claimed.invoice_id,
        amount=claimed.amount,
        currency=claimed.currency,
    )
    if claimed.invoice_id is not None:
        return _of_invoice(claimed, facts)
    if claimed.kind == "spending_alert":
        return _of_alert(claimed, facts)
    return _of_method(claimed, facts)


def _of_invoice(claimed: Claimed, facts: Facts) -> Facts | None:
    connection = projects.connection()
    invoice, collection = table_of(Invoice), table_of(InvoiceCollection)
    found: Any = connection.execute(
        select(
            invoice.c.state.label("invoice_state"),
            invoice.c.period_start,
            invoice.c.period_end,
            invoice.c.due,
            invoice.c.currency,
            collection.c.state,
            collection.c.total,
            collection.c.paid,
            collection.c.remaining,
            collection.c.needs,
            collection.c.retry_at,
            collection.c.first_failed_at,
            collection.c.due_at,
        )
        .outerjoin_from(invoice, collection, collection.c.invoice_id == invoice.c.id)
        .where(invoice.c.id == claimed.invoice_id)
    ).one()
    is_overtaken = connection.scalar(select(_newer(claimed)))
    current().db.session.commit()
    if is_overtaken or not _STILL_TRUE[claimed.kind](found):
        return None
    return replace(
        facts,
        period=Span(found.period_start, found.period_end),
        amount=_amount(claimed, found),
        currency=claimed.currency or found.currency,
        needs=found.needs,
        retry_at=_to_come(found.retry_at),
        until=_to_come(_last_try(found.first_failed_at)),
        due_at=found.due_at,
        stops=current().settings.past_due_stops,
    )


def _newer(claimed: Claimed) -> Any:
    """Return the condition that a later one tells the same people the same of the invoice."""
    other = table_of(Notification).c
    return exists().where(
        other.invoice_id == claimed.invoice_id,
        other.kind == claimed.kind,
        other.role == claimed.role,
        other.created_at > claimed.created_at,
    )


def _is_open(found: Any) -> bool:
    return found.invoice_state in {"closed", "open"}


#: By kind, whether what happened to an invoice still holds.
_STILL_TRUE: dict[str, Callable[[Any], bool]] = {
    "receipt": lambda found: found.invoice_state == "paid",
    "payment_failed": lambda found: _is_open(found) and found.state == "waiting",
    "action_required": lambda found: (
        _is_open(found) and found.needs is not None and found.state in {"waiting", "past_due"}
    ),
    "past_due": lambda found: _is_open(found) and found.state == "past_due",
}


def _amount(claimed: Claimed, found: Any) -> int:
    if claimed.amount is not None:
        return claimed.amount
    told = found.paid if claimed.kind == "receipt" else found.remaining
    known = (amount for amount in (told, found.total) if amount is not None)
    return int(next(known, found.due))


def _last_try(first_failed_at: datetime | None) -> datetime | None:
    days = current().settings.retry_days
    if first_failed_at is None or not days:
        return None
    return first_failed_at + timedelta(days=days[-1])


def _to_come(at: datetime | None) -> datetime | None:
    """Return a moment that somebody can still act before: a letter may come late."""
    return at if at is not None and at > clock.now() else None


def _of_alert(claimed: Claimed, facts: Facts) -> Facts | None:
    alert = table_of(SpendingAlert).c
    found = (
        projects.connection()
        .execute(
            select(alert.amount, alert.raised_for, alert.stops_creation).where(
                alert.id == claimed.alert_id
            )
        )
        .one_or_none()
    )
    current().db.session.commit()
    if found is None or found.raised_for is None:
        return None
    month = month_of(found.raised_for)
    return replace(
        facts,
        period=month,
        limit=found.amount,
        # What it stopped goes on when the month is over.
        stops=found.stops_creation and clock.now() < month.end,
    )


def _of_method(claimed: Claimed, facts: Facts) -> Facts | None:
    method = table_of(PaymentMethod).c
    stripe_id = projects.connection().scalar(
        select(method.stripe_id).where(
            method.id == claimed.payment_method_id,
            method.leaving_at.is_(None),
            method.removed_at.is_(None),
        )
    )
    current().db.session.commit()
    if stripe_id is None:
        return None
    details = current().gateway.payment_method(stripe_id)
    # The processor renews cards by itself.
    if details is None or details.customer_id is None:
        return None
    if not details.is_expired(month_of(clock.now()).end):
        return None
    return replace(facts, method=details)
