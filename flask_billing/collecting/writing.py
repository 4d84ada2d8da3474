"""Writes what the processor says of an invoice: by stamp, and never back from a last state.

A stamp is taken before the processor is asked, and an answer is written only where the row has no
newer one. One worker writes several answers under one stamp: nobody else has the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Update,
    and_,
    bindparam,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.functions import func

from flask_billing import clock, projects
from flask_billing.collecting.known import Known
from flask_billing.collecting.telling import note
from flask_billing.gateways import RemoteInvoice, RemotePayment
from flask_billing.ids import uuid7
from flask_billing.models import (
    BillingInfo,
    Invoice,
    InvoiceCollection,
    InvoicePayment,
    PaymentAttempt,
    table_of,
)

__all__ = [
    "Answer",
    "Before",
    "Ended",
    "before",
    "done",
    "end_attempt",
    "is_in_flight",
    "is_newest",
    "lock_parents",
    "lock_payer",
    "mirrored",
    "of_answer",
    "turn",
    "write_payments",
]

_DONE: dict[str, Any] = {"needs": None, "retry_at": None, "next_try_at": None}
_DONE |= {"owner_until": None, "failures": 0, "error_code": None}

#: From which states an invoice comes to each of these at the processor; other ones are open.
_BEFORE = {
    "draft": ("draft",),
    "deleted": ("draft", "deleted"),
    "uncollectible": ("draft", "open", "uncollectible"),
    "paid": ("draft", "open", "uncollectible", "leaving", "deleted", "paid"),
    "void": ("draft", "open", "uncollectible", "void"),
}
#: What only its worker brings on, or nobody.
_LAST = ("paid", "void", "uncollectible", "leaving", "deleted")
_MIRRORED = (
    "tax",
    "total",
    "paid",
    "remaining",
    "credited",
    "overpaid",
    "tax_state",
    "issued_at",
    "due_at",
    "paid_at",
)


#: Those states; `None` for all but the last ones.
Before = tuple[str, ...] | None


class Answer(NamedTuple):
    """An invoice as the processor has it, and the stamp that was taken before it was asked."""

    remote: RemoteInvoice
    stamp: int


class Ended(NamedTuple):
    """What became of an attempt."""

    attempt_id: UUID
    state: str
    intent_id: str | None = None
    charge_id: str | None = None
    code: str | None = None
    decline_code: str | None = None
    never_again: bool = False


def done(now: Any) -> dict[str, Any]:
    """Return what a row holds in whose invoice nothing is left to do.

    Where somebody has to see to what was paid too much, it stays parked for that.

    :param now: A moment, or an expression for it.
    """
    row = table_of(InvoiceCollection).c
    is_overpaid = and_(row.state == "parked", row.reason == "overpaid")
    # MariaDB compares with what it has just written: whichever it is, the other one follows.
    reason = case((is_overpaid, row.reason), else_=None)
    since = case((is_overpaid, row.state_since), else_=now)
    state = case((is_overpaid, row.state), else_="done")
    return _DONE | {"reason": reason, "state": state, "state_since": since}


def mirrored(answer: Answer) -> dict[str, Any]:
    """Return what an answer says, as values of the invoice's row."""
    remote = answer.remote
    own = {"stripe_id": remote.stripe_id, "remote_state": remote.state[:40], "stamp": answer.stamp}
    return own | {name: getattr(remote, name) for name in _MIRRORED}


def before(answer: Answer) -> Before:
    """Return the states at the processor from which an invoice comes to the answer's."""
    return _BEFORE.get(answer.remote.state)


@cache
def is_newest(before: Before) -> ColumnElement[bool]:
    """Return the condition that an invoice's row knows nothing newer than an answer.

    :param before: From which states an invoice comes to what is answered.
    """
    row = table_of(InvoiceCollection).c
    answered_id = bindparam("answered_id", type_=String())
    reachable = row.remote_state.in_(before) if before else row.remote_state.not_in(_LAST)
    is_same = or_(row.stripe_id.is_(None), row.stripe_id == answered_id)
    # One that was deleted, or left behind with its customer, gives way to another. Nothing else
    # does: news of the former one may come late.
    is_another = and_(row.remote_state == "deleted", row.stripe_id != answered_id)
    is_later = row.stamp <= bindparam("answered_stamp", type_=row.stamp.type)
    is_next = or_(row.remote_state.is_(None), reachable)
    return and_(is_later, or_(and_(is_same, is_next), is_another))


def of_answer(answer: Answer) -> dict[str, Any]:
    """Return the terms of :func:`is_newest`."""
    return {"answered_id": answer.remote.stripe_id, "answered_stamp": answer.stamp}


def turn(connection: Connection, known: Known, answer: Answer, *, is_open: bool) -> list[str]:
    """Bring our invoice to the state that the processor has, and note the receipt.

    :param is_open: Whether it is known to be issued already.
    :returns: The signals of what this very call has turned.
    """
    remote, turns = answer.remote, []
    if remote.state in {"draft", "deleted"}:
        return []
    if not is_open and _move(connection, known.invoice_id, "open", "closed"):
        turns.append("invoice_issued")
    if remote.state == "uncollectible":
        _move(connection, known.invoice_id, "uncollectible", "open")
    if remote.state == "paid" and _move(
        connection, known.invoice_id, "paid", "open", "uncollectible"
    ):
        turns.append("invoice_paid")
        if (received := _received(remote)) > 0:
            note(connection, "receipt", known, amount=received)
    return turns


def _received(remote: RemoteInvoice) -> int:
    """Return what an invoice was paid with, credit included, but not what a credit note took off.

    What was credited once it was paid had been paid first.
    """
    return min(remote.total, max(remote.paid, remote.total - remote.credited))


def _move(connection: Connection, invoice_id: UUID, state: str, *before: str) -> bool:
    terms = {"of_invoice": invoice_id, "before": before, "state": state}
    return bool(connection.execute(_moving(), terms).rowcount)


@cache
def _moving() -> Update:
    invoice = table_of(Invoice)
    is_before = invoice.c.state.in_(bindparam("before", expanding=True))
    return update(invoice).where(invoice.c.id == bindparam("of_invoice"), is_before)


def end_attempt(connection: Connection, ended: Ended) -> bool:
    """Write what became of an attempt in flight.

    :returns: Whether this very call wrote it; somebody else may have settled it.
    """
    values: dict[str, Any] = ended._asdict()
    del values["attempt_id"]
    values |= {name: text[:100] for name in ("code", "decline_code") if (text := values[name])}
    for name in ("intent_id", "charge_id"):
        if values[name] is None:
            del values[name]
    if ended.state != "processing":
        values |= {"in_flight_marker": None, "ended_at": clock.now()}
    written = connection.execute(_ending(), {"of_attempt": ended.attempt_id} | values)
    return bool(written.rowcount)


@cache
def _ending() -> Update:
    attempt = table_of(PaymentAttempt)
    is_it = attempt.c.id == bindparam("of_attempt")
    return update(attempt).where(is_it, attempt.c.in_flight_marker == 1)


def is_in_flight(connection: Connection, invoice_id: UUID) -> bool:
    """Return whether the outcome of an attempt is open."""
    attempt = table_of(PaymentAttempt).c
    query = select(attempt.id).where(attempt.invoice_id == invoice_id)
    return connection.scalar(query.where(attempt.in_flight_marker == 1)) is not None


def lock_parents(connection: Connection, known: Known, *, may_stop: bool = False) -> bool:
    """Lock what an invoice belongs to before its own row, in the order in which all do.

    Its project, where whether that is past due may change with it. On MariaDB its project and who
    pays it anyway: a notification that names them would lock them last.

    :param may_stop: Whether the project may become past due, or come to be no longer.
    :returns: Whether that may be written.
    """
    may_stop = may_stop or known.state == "past_due"
    is_mariadb = connection.dialect.name in {"mysql", "mariadb"}
    if may_stop or is_mariadb:
        projects.lock(connection, [known.project_key])
    if is_mariadb:
        info = table_of(BillingInfo)
        connection.execute(
            update(info).where(info.c.id == known.info_id).values(stamp=info.c.stamp)
        )
    return may_stop


def lock_payer(connection: Connection, info_id: UUID | None) -> bool:
    """Lock who pays; returns whether there is somebody."""
    if info_id is None:
        return False
    return bool(connection.execute(_locking(), {"of_info": info_id}).rowcount)


@cache
def _locking() -> Update:
    info = table_of(BillingInfo)
    is_there = info.c.id == bindparam("of_info"), info.c.removed_at.is_(None)
    return update(info).where(*is_there).values(stamp=info.c.stamp)


def write_payments(connection: Connection, known: Known, answer: Answer) -> None:
    """Write the payments that an answer tells of, where no newer answer told of them."""
    rows = [_payment(known, answer, each) for each in answer.remote.payments]
    if not rows:
        return
    # One alone is written by a statement that need not be made anew.
    connection.execute(_paying(connection.dialect.name), rows[0] if len(rows) == 1 else rows)


@cache
def _paying(dialect: str) -> Any:
    """Return the statement that writes a payment, unless a newer answer told of it."""
    payment = table_of(InvoicePayment)
    kept_anyway = {"id", "invoice_id", "stripe_id"}
    changing = [column.name for column in payment.c if column.name not in kept_anyway]
    # The stamp comes last: MariaDB compares with what it has just written.
    changing.sort(key=lambda name: name == "stamp")
    if dialect in {"postgresql", "sqlite"}:
        new: Any = (postgresql if dialect == "postgresql" else sqlite).insert(payment)
        return new.on_conflict_do_update(
            index_elements=["stripe_id"],
            set_={name: new.excluded[name] for name in changing},
            where=payment.c.stamp <= new.excluded.stamp,
        )
    written = mysql.insert(payment)
    is_newer = payment.c.stamp <= written.inserted.stamp
    kept = [
        (name, func.if_(is_newer, written.inserted[name], payment.c[name])) for name in changing
    ]
    return written.on_duplicate_key_update(kept)


def _payment(known: Known, answer: Answer, payment: RemotePayment) -> dict[str, Any]:
    is_under_way = payment.state == "open" and payment.intent_state == "processing"
    return {
        "id": uuid7(),
        "invoice_id": known.invoice_id,
        "stripe_id": payment.stripe_id,
        "intent_id": payment.intent_id,
        "charge_id": payment.charge_id,
        "method_stripe_id": payment.method_id,
        "state": "processing" if is_under_way else payment.state[:40],
        "amount": payment.amount,
        "refunded": payment.refunded,
        "currency": known.currency,
        "disputed": payment.disputed,
        "paid_at": payment.paid_at,
        "stamp": answer.stamp,
    }
