"""Tells what was tried to pay an invoice, in its owner's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from flask_billing.models import InvoicePayment, PaymentAttempt
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.presenters.methods import label_of, name_of
from flask_billing.web.times import moment

if TYPE_CHECKING:
    from flask_billing.customers import LiveDetails

__all__ = ["Try", "attempts_of", "declined_since_changed", "payments_of", "tries_shown"]

_OUTCOMES = {
    "sending": ("wait", N_("is being checked")),
    "succeeded": ("good", N_("paid")),
    "processing": ("wait", N_("on its way")),
    "needs_action": ("note", N_("your bank wanted you to confirm it")),
    "not_executed": ("plain", N_("nothing was charged")),
}
#: What may be told of a decline. Of everything else, stolen cards among it, nothing is
#: (https://docs.stripe.com/declines/codes).
_DECLINES = {
    "card_velocity_exceeded": N_("declined: its limit is reached"),
    "currency_not_supported": N_("declined: it can't pay in this currency"),
    "expired_card": N_("declined: it has expired"),
    "insufficient_funds": N_("declined: there was not enough money"),
    "issuer_not_available": N_("declined: the bank could not be reached"),
    "processing_error": N_("declined: the bank could not be reached"),
    "withdrawal_count_limit_exceeded": N_("declined: its limit is reached"),
}
_DECLINED = N_("your bank declined it")


@dataclass(frozen=True)
class Try:
    """One try to pay, or a payment that came another way.

    :ivar tone: `good`, `plain`, `wait`, `note` or `bad`.
    :ivar notes: What became of the money since.
    """

    at: str
    method: str = field(repr=False)
    tone: str
    words: str
    notes: tuple[str, ...]


def attempts_of(invoice_id: UUID) -> list[PaymentAttempt]:
    """Return the tries to pay an invoice, the latest first."""
    query = (
        select(PaymentAttempt)
        .where(PaymentAttempt.invoice_id == invoice_id)
        .order_by(PaymentAttempt.id.desc())
        .options(joinedload(PaymentAttempt.payment_method))
        .execution_options(populate_existing=True)
    )
    return list(current().db.session.scalars(query))


def payments_of(invoice_id: UUID) -> list[InvoicePayment]:
    """Return the money that reached the processor for an invoice, the latest first."""
    query = (
        select(InvoicePayment)
        .where(InvoicePayment.invoice_id == invoice_id, InvoicePayment.state == "paid")
        .order_by(InvoicePayment.id.desc())
        .execution_options(populate_existing=True)
    )
    return list(current().db.session.scalars(query))


def tries_shown(
    attempts: Sequence[PaymentAttempt], payments: Sequence[InvoicePayment], live: LiveDetails
) -> list[Try]:
    """Return tries and payments in words, the latest first.

    :param live: What the processor says of the payment methods that this project may see.
    """
    by_attempt = {attempt.id: _payment_of(attempt, payments) for attempt in attempts}
    ours = {payment.id for payment in by_attempt.values() if payment is not None}
    rows = [(a.created_at, _attempt_shown(a, by_attempt[a.id], live)) for a in attempts]
    rows += [(_paid_at(p), _payment_shown(p, live)) for p in payments if p.id not in ours]
    return [row for _, row in sorted(rows, key=lambda row: row[0], reverse=True)]


def declined_since_changed(attempts: Iterable[PaymentAttempt]) -> set[UUID]:
    """Return the payment methods that were declined, and that their owner has not changed since."""
    return {
        attempt.payment_method_id
        for attempt in attempts
        if attempt.state == "declined"
        and (
            attempt.payment_method.changed_at is None
            or attempt.created_at >= attempt.payment_method.changed_at
        )
    }


def _payment_of(
    attempt: PaymentAttempt, payments: Sequence[InvoicePayment]
) -> InvoicePayment | None:
    """Return the money that came of a try: by its charge, as all tries share one intent."""
    if attempt.state != "succeeded":
        return None
    if attempt.charge_id is None:
        return next((p for p in payments if p.intent_id == attempt.intent_id), None)
    return next((p for p in payments if p.charge_id == attempt.charge_id), None)


def _attempt_shown(
    attempt: PaymentAttempt, payment: InvoicePayment | None, live: LiveDetails
) -> Try:
    tone, words = _OUTCOMES.get(attempt.state) or ("bad", _declined(attempt))
    return Try(
        at=moment(attempt.created_at),
        method=label_of(attempt.payment_method.stripe_id, live),
        tone=tone,
        words=gettext(words),
        notes=_notes(payment) if payment is not None else (),
    )


def _payment_shown(payment: InvoicePayment, live: LiveDetails) -> Try:
    if payment.intent_id is None:
        method = gettext("Another way, such as a transfer")
    elif (details := live.methods.get(payment.method_stripe_id or "")) is not None:
        method = name_of(details)
    else:
        method = gettext("On Stripe's page")
    at = moment(payment.paid_at) if payment.paid_at is not None else ""
    return Try(at, method, "good", gettext("paid"), _notes(payment))


def _paid_at(payment: InvoicePayment) -> datetime:
    return payment.paid_at or datetime.max.replace(tzinfo=UTC)


def _declined(attempt: PaymentAttempt) -> str:
    return _DECLINES.get(attempt.decline_code or attempt.code or "", _DECLINED)


def _notes(payment: InvoicePayment) -> tuple[str, ...]:
    notes = []
    if payment.refunded:
        amount = amounts.money(payment.refunded, payment.currency)
        notes.append(gettext("%(amount)s of it was given back", amount=amount))
    if payment.disputed:
        notes.append(gettext("your bank was asked to take it back"))
    return tuple(notes)
