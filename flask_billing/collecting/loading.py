"""Loads what has to be known of an invoice to collect it: in one statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, exists, select
from sqlalchemy.orm import aliased

from flask_billing.models import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    PaymentAttempt,
    PaymentMethod,
    table_of,
)

__all__ = ["LEAVING", "NOT_ISSUED", "Flight", "Work", "load"]

#: What is given up in favour of another one, while it may not be void yet.
LEAVING = "leaving"
NOT_ISSUED = (None, "draft", LEAVING, "deleted")

_OWN = (
    "invoice_id",
    "stripe_id",
    "remote_state",
    "state",
    "needs",
    "due_at",
    "next_try_at",
    "retry_at",
    "first_failed_at",
    "round",
    "failures",
    "error_code",
)
_OF_INVOICE = ("project_key", "period_start", "currency", "due", "line_count", "credit_used")
_OF_FLIGHT = (
    "id",
    "state",
    "origin",
    "amount",
    "intent_id",
    "charge_id",
    "code",
    "created_at",
    "sent_at",
    "sends",
)


@dataclass(frozen=True, kw_only=True)
class Flight:
    """An attempt whose outcome is unknown or under way."""

    id: UUID
    method_id: UUID
    method_stripe_id: str
    state: str
    origin: str
    amount: int
    intent_id: str | None
    charge_id: str | None
    code: str | None
    created_at: datetime
    sent_at: datetime
    sends: int


@dataclass(kw_only=True)
class Work:
    """An invoice that is ours to work on until the claim runs out.

    :ivar until: When the claim runs out.
    :ivar by_hand: Whether a person wanted it at once, so that the plan stays what it was.
    :ivar flight: The attempt in flight, if there is one.
    """

    invoice_id: UUID
    token: UUID
    until: datetime
    by_hand: bool
    project_key: str
    period_start: datetime
    currency: str
    due: int
    line_count: int
    credit_used: int
    invoice_state: str
    terms_days: int | None
    past_due_since: datetime | None
    info_id: UUID | None
    customer_id: str | None
    stripe_id: str | None
    remote_state: str | None
    state: str
    needs: str | None
    due_at: datetime | None
    next_try_at: datetime | None
    retry_at: datetime | None
    first_failed_at: datetime | None
    round: int
    failures: int
    error_code: str | None
    #: Whether its payer has a method that could be charged.
    can_be_charged: bool
    flight: Flight | None

    #: What this look has come to: the last attempt that was begun and the last that was declined,
    #: whether a bank wants the owner, and whether the processor has issued the invoice just now.
    attempt_id: UUID | None = None
    declined: UUID | None = None
    wants_owner: bool = False
    was_issued: bool = False
    #: The methods that it has tried: not once more, whatever a clock that jumped makes of it.
    tried: set[UUID] = field(default_factory=set)

    @property
    def is_issued(self) -> bool:
        """Whether the processor has issued it, so that it can be paid."""
        return self.stripe_id is not None and self.remote_state not in NOT_ISSUED


def load(
    connection: Connection, invoice_id: UUID, token: UUID, until: datetime, *, by_hand: bool
) -> Work:
    """Return an invoice with who pays it and its attempt in flight.

    :param token: Names the claim.
    """
    found = connection.execute(_work(), {"of_invoice": invoice_id}).one()._asdict()
    flight = {name: found.pop(f"flight_{name}") for name in Flight.__dataclass_fields__}
    return Work(
        token=token,
        until=until,
        by_hand=by_hand,
        flight=Flight(**flight) if flight["id"] is not None else None,
        **found,
    )


@cache
def _work() -> Select[Any]:
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    project, info = table_of(BilledProjectRow), table_of(BillingInfo)
    attempt, method = table_of(PaymentAttempt), table_of(PaymentMethod)
    payers = aliased(PaymentMethod)
    in_flight = (attempt.c.invoice_id == row.c.invoice_id) & (attempt.c.in_flight_marker == 1)
    return (
        select(
            *(row.c[name] for name in _OWN),
            *(invoice.c[name] for name in _OF_INVOICE),
            invoice.c.state.label("invoice_state"),
            project.c.terms_days,
            project.c.past_due_since,
            row.c.billing_info_id.label("info_id"),
            info.c.stripe_id.label("customer_id"),
            exists()
            .where(payers.billing_info_id == row.c.billing_info_id, payers.is_usable)
            .label("can_be_charged"),
            *(attempt.c[name].label(f"flight_{name}") for name in _OF_FLIGHT),
            attempt.c.payment_method_id.label("flight_method_id"),
            method.c.stripe_id.label("flight_method_stripe_id"),
        )
        .join(invoice, invoice.c.id == row.c.invoice_id)
        .join(project, project.c.project_key == invoice.c.project_key)
        .outerjoin(info, info.c.id == row.c.billing_info_id)
        .outerjoin(attempt, in_flight)
        .outerjoin(method, method.c.id == attempt.c.payment_method_id)
        .where(row.c.invoice_id == bindparam("of_invoice"))
    )
