"""Tells the story of one invoice from "closed" to "paid", from our rows alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flask_billing import clock
from flask_billing.models import (
    AuditEntry,
    BillingEvent,
    Dispute,
    Invoice,
    InvoiceCollection,
    InvoicePayment,
    InvoiceRefund,
    Notification,
    PaymentAttempt,
    PaymentMethod,
)
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext, ngettext
from flask_billing.web.staff import words

__all__ = ["Happening", "story_of"]

#: More than staff can have done to one invoice.
_DEEDS = 500
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Happening:
    """Something that happened to an invoice, or will.

    :ivar at: Null where it has no time of its own.
    :ivar codes: Ids and words of the tables.
    :ivar disputed_method_id: A payment method that is not charged before staff accept it.
    """

    at: datetime | None
    tone: str
    words: str
    codes: tuple[str, ...] = ()
    made_by: str | None = None
    disputed_method_id: UUID | None = None


def story_of(invoice: Invoice) -> list[Happening]:
    """Return what happened to an invoice, the first first, and in the end what comes next."""
    on_its_way = list(_on_its_way(invoice))
    past = [
        *_beginning(invoice),
        *_deeds(invoice.id),
        *_tries(invoice.id),
        *_tries_at_stripe(invoice),
        *_payments(invoice.id),
        *(each for each in on_its_way if each.at is not None),
        *_end(invoice),
        *_refunds(invoice.id),
        *_disputes(invoice.id),
        *_notifications(invoice.id),
    ]
    # Stripe's times are whole seconds: what happened in the same one stays in the order of causes.
    past.sort(key=lambda each: (each.at or invoice.closed_at).replace(microsecond=0))
    return [*past, *(each for each in on_its_way if each.at is None), *_next(invoice)]


def _beginning(invoice: Invoice) -> Iterator[Happening]:
    due = amounts.money(invoice.due, invoice.currency)
    said = gettext("It was closed; %(amount)s is due before tax.", amount=due)
    if not invoice.due:
        said = gettext("It was closed; nothing is due.")
    yield Happening(invoice.closed_at, "document", said)
    row = invoice.collection
    if row is None or row.issued_at is None:
        return
    total = amounts.money(row.total or 0, invoice.currency)
    issued = gettext("It was issued at Stripe over %(amount)s.", amount=total)
    yield Happening(row.issued_at, "document", issued, _codes(row.stripe_id))


def _tries(invoice_id: UUID) -> Iterator[Happening]:
    for attempt in _rows(PaymentAttempt, invoice_id):
        tone, outcome = words.of_try(attempt.state)
        said = gettext(
            "%(origin)s over %(amount)s: %(outcome)s.",
            origin=words.of_origin(attempt.origin),
            amount=amounts.money(attempt.amount, attempt.currency),
            outcome=outcome,
        )
        sends = gettext("sent %(n)s times", n=attempt.sends) if attempt.sends > 1 else None
        never_again = gettext("never again, says the bank") if attempt.never_again else None
        method = gettext("payment method %(id)s", id=attempt.payment_method_id)
        codes = _codes(method, attempt.code, attempt.decline_code, never_again, sends)
        codes += _codes(attempt.charge_id or attempt.intent_id)
        yield Happening(attempt.created_at, tone, said, codes, attempt.made_by)


def _tries_at_stripe(invoice: Invoice) -> Iterator[Happening]:
    """Yield the failed tries that were none of ours, as far as events tell of them.

    Events are looked for among those that arrived while the invoice was open: a query without
    bounds would read all that ever arrived.
    """
    row = invoice.collection
    if row is None or row.issued_at is None:
        return
    attempts = _rows(PaymentAttempt, invoice.id)
    intents = {each.intent_id for each in (*attempts, *_rows(InvoicePayment, invoice.id))}
    event, until = BillingEvent, row.paid_at or invoice.voided_at or clock.now()
    query = select(event.created_at, event.stripe_id).where(
        event.received_at.between(row.issued_at - _DAY, until + _DAY),
        event.livemode == row.livemode,
        event.type == "payment_intent.payment_failed",
        event.object_id.in_(intents - {None}),
        event.idempotency_key.is_(None),
    )
    for at, event_id in current().db.session.execute(query.order_by(event.created_at)):
        if not any(_is_of(attempt, at) for attempt in attempts):
            said = gettext("A try to pay on Stripe's own page failed.")
            yield Happening(at, "bad", said, _codes(event_id))


def _is_of(attempt: PaymentAttempt, at: datetime) -> bool:
    """Return whether a try of ours was under way at a moment, which has whole seconds alone."""
    ended_at = attempt.ended_at or attempt.sent_at
    if attempt.in_flight_marker is not None:
        ended_at = max(ended_at, clock.now())
    return attempt.created_at.replace(microsecond=0) <= at <= ended_at


def _payments(invoice_id: UUID) -> Iterator[Happening]:
    for payment in _payments_in(invoice_id, "paid"):
        amount = amounts.money(payment.amount, payment.currency)
        said = gettext("%(amount)s reached Stripe.", amount=amount)
        tone = "note" if payment.disputed else "good"
        yield Happening(payment.paid_at, tone, said, _payment_codes(payment))


def _on_its_way(invoice: Invoice) -> Iterator[Happening]:
    """Yield the payments that a bank has; since when is only known while all waits for it.

    Of others there is nothing to say: Stripe keeps one open on an invoice however often a try to
    charge it was declined.
    """
    row = invoice.collection
    since = row.state_since if row is not None and row.state == "processing" else None
    for payment in _payments_in(invoice.id, "processing"):
        amount = amounts.money(payment.amount, payment.currency)
        said = gettext("A payment of %(amount)s is under way at a bank.", amount=amount)
        yield Happening(since, "wait", said, _payment_codes(payment))


def _payments_in(invoice_id: UUID, state: str) -> list[InvoicePayment]:
    return [payment for payment in _rows(InvoicePayment, invoice_id) if payment.state == state]


def _payment_codes(payment: InvoicePayment) -> tuple[str, ...]:
    disputed = gettext("disputed") if payment.disputed else None
    return _codes(disputed, payment.stripe_id, payment.charge_id or payment.intent_id)


def _refunds(invoice_id: UUID) -> Iterator[Happening]:
    for refund in _rows(InvoiceRefund, invoice_id):
        tone, outcome = words.of_refund(refund.state)
        said = gettext(
            "%(kind)s of %(amount)s: %(outcome)s.",
            kind=words.of_refund_kind(refund.kind),
            amount=amounts.money(refund.amount, refund.currency),
            outcome=outcome,
        )
        codes = _codes(refund.reason, refund.code, refund.credit_note_id, refund.stripe_id)
        yield Happening(refund.created_at, tone, said, codes, refund.made_by)


def _disputes(invoice_id: UUID) -> Iterator[Happening]:
    for dispute in _rows(Dispute, invoice_id):
        if dispute.kind == "dispute":
            said = gettext("A bank asks for the money back.")
        else:
            said = gettext("A bank warned of fraud.")
        codes = _codes(dispute.stripe_id, dispute.state, dispute.reason, dispute.charge_id)
        disputed = _still_disputed(dispute.payment_method_id)
        yield Happening(dispute.created_at, "bad", said, codes, None, disputed)


def _still_disputed(method_id: UUID | None) -> UUID | None:
    session = current().db.session
    method = session.get(PaymentMethod, method_id) if method_id is not None else None
    return method_id if method is not None and method.refusal == "disputed" else None


def _notifications(invoice_id: UUID) -> Iterator[Happening]:
    for note in _rows(Notification, invoice_id):
        tone, outcome = words.of_notification(note.state, note.role)
        said = gettext(
            "Notification %(kind)s, %(whom)s: %(outcome)s.",
            kind=words.of_notification_kind(note.kind),
            whom=words.of_whom(note.role),
            outcome=outcome,
        )
        yield Happening(note.ended_at or note.created_at, tone, said, _codes(note.error_class))


def _deeds(invoice_id: UUID) -> Iterator[Happening]:
    entry = AuditEntry
    query = (
        select(entry)
        .where(entry.object_type == "invoice", entry.object_id == str(invoice_id))
        .order_by(entry.made_at.desc())
        .limit(_DEEDS)
    )
    for deed in current().db.session.scalars(query):
        tone, outcome = words.of_deed(deed.outcome)
        said = gettext(
            "Staff: %(action)s: %(outcome)s.",
            action=words.of_action(deed.action),
            outcome=outcome,
        )
        codes = _codes(deed.reason, words.of_way(deed.way))
        yield Happening(deed.made_at, tone, said, codes, deed.made_by)


def _end(invoice: Invoice) -> Iterator[Happening]:
    row = invoice.collection
    if row is not None and row.paid_at is not None:
        yield Happening(row.paid_at, "good", gettext("It is paid."))
    if row is not None and row.state == "parked":
        why = words.of_parking(row.reason)
        said = gettext("It was parked. %(why)s", why=why) if why else gettext("It was parked.")
        codes = _codes(None if why else row.reason, row.error_code)
        yield Happening(row.state_since, "bad", said, codes)
    yield from _past_due(invoice)
    if row is not None and invoice.state == "uncollectible":
        yield Happening(row.state_since, "plain", gettext("It was written off."))
    if invoice.voided_at is not None:
        said = gettext("It was made void.")
        yield Happening(
            invoice.voided_at, "plain", said, _codes(invoice.void_reason), invoice.voided_by
        )


def _past_due(invoice: Invoice) -> Iterator[Happening]:
    """Yield when it became past due; of what is over by now, the first notification knows it."""
    row = invoice.collection
    if row is not None and row.state == "past_due":
        said = gettext("It is past due.")
        yield Happening(row.state_since, "bad", said, _codes(row.error_code))
        return
    told = [each for each in _rows(Notification, invoice.id) if each.kind == "past_due"]
    if told:
        said = gettext("It became past due.")
        yield Happening(min(each.created_at for each in told), "bad", said)


def _next(invoice: Invoice) -> Iterator[Happening]:
    """Yield what it waits for, and when somebody looks at it next."""
    row = invoice.collection
    if row is None or row.state in {"done", "parked"} or invoice.state == "void":
        return
    if row.needs is not None:
        yield Happening(None, "note", words.of_needs(row.needs))
    if row.owner_until is not None:
        said = gettext("Its owner may be at the bank's page; until then nobody else charges it.")
        yield Happening(row.owner_until, "wait", said)
    if row.next_try_at is not None:
        yield _next_look(row)


def _next_look(row: InvoiceCollection) -> Happening:
    said = gettext("A worker looks at it next.")
    if row.retry_at is not None and row.retry_at == row.next_try_at:
        said = gettext("It is tried again.")
    failures = None
    if row.failures:
        failures = ngettext("%(num)s failure in a row", "%(num)s failures in a row", row.failures)
    return Happening(row.next_try_at, "wait", said, _codes(row.error_code, failures))


def _codes(*found: str | None) -> tuple[str, ...]:
    return tuple(code for code in found if code)


def _rows(model: Any, invoice_id: UUID) -> list[Any]:
    query = select(model).where(model.invoice_id == invoice_id).order_by(model.id)
    return list(current().db.session.scalars(query, execution_options={"populate_existing": True}))
