"""Writes what became of an invoice at the processor, whoever did it: an event told of it."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from flask_billing import clock, projects, sync
from flask_billing.collecting.claiming import ACTIVE, transaction
from flask_billing.collecting.telling import tell
from flask_billing.collecting.writing import (
    Answer,
    before,
    done,
    is_in_flight,
    is_newest,
    lock_parents,
    mirrored,
    of_answer,
    turn,
    write_payments,
)
from flask_billing.gateways import RemoteInvoice
from flask_billing.models import Invoice, InvoiceCollection, table_of
from flask_billing.state import current

__all__ = ["observe"]


class _Seen(NamedTuple):
    """An invoice of ours, as it was before the processor was asked."""

    invoice_id: UUID
    project_key: str
    currency: str
    info_id: UUID | None
    state: str
    invoice_state: str
    stripe_id: str | None
    remote_state: str | None


def observe(stripe_id: str) -> bool:
    """Bring an invoice up to what the processor says; commits the session.

    What has to be decided then (another try, a void period) is left to whoever collects.

    :param stripe_id: The invoice's id at the processor.
    :returns: Whether it is ours: a row knows it, or its metadata names a project of ours.
    :raises GatewayError: The processor refused or did not answer.
    """
    row = table_of(InvoiceCollection).c
    stamp = sync.take_stamp()
    seen = _find(row.stripe_id == stripe_id)
    remote = current().gateway.invoice(stripe_id)
    if seen is None:
        return remote is not None and _recognise(remote)
    if remote is None:
        if seen.remote_state == "draft":
            _look_now(seen)
    else:
        _write(seen, Answer(remote, stamp))
    return True


def _recognise(remote: RemoteInvoice) -> bool:
    """Deal with an invoice that no row knows by its id."""
    if remote.project_key is None:
        return False
    try:
        invoice_id = UUID(remote.local_id or "")
    except ValueError:
        return True
    seen = _find(table_of(InvoiceCollection).c.invoice_id == invoice_id)
    if seen is None:
        # Of a time that our rows were restored to before: found again when its period is closed.
        return True
    if seen.stripe_id is None:
        # Its draft was made, and its id is not written down yet.
        _look_now(seen)
    elif remote.state in {"open", "paid"} and seen.remote_state != "deleted":
        _park_twice(seen)
    return True


def _write(seen: _Seen, answer: Answer) -> None:
    remote = answer.remote
    is_over = remote.state in {"paid", "uncollectible"} and _is_unfinished(seen)
    with transaction() as connection:
        # It may have become past due since it was seen.
        lock_parents(connection, seen, may_stop=is_over)
        row = table_of(InvoiceCollection)
        newer = update(row).where(row.c.invoice_id == seen.invoice_id, is_newest(before(answer)))
        written = connection.execute(newer, mirrored(answer) | of_answer(answer))
        if not written.rowcount:
            return
        turns = turn(connection, seen, answer, is_open=seen.invoice_state != "closed")
        write_payments(connection, seen, answer)
        is_in_doubt = is_over and is_in_flight(connection, seen.invoice_id)
        if is_over and not is_in_doubt:
            connection.execute(
                update(row).where(row.c.invoice_id == seen.invoice_id).values(done(clock.now()))
            )
            projects.clear_past_due(connection, seen.project_key)
        elif is_in_doubt or _wants_look(seen, remote):
            _look_now(seen, within=connection)
    for name in turns:
        tell(name, seen.invoice_id)


def _is_unfinished(seen: _Seen) -> bool:
    # One that is paid and parked is so for another reason, such as a second payment.
    return seen.state in ACTIVE or (seen.state == "parked" and seen.invoice_state != "paid")


def _wants_look(seen: _Seen, remote: RemoteInvoice) -> bool:
    """Return whether whoever collects has something to do."""
    is_void = remote.state == "void" and seen.invoice_state != "void"
    return is_void or seen.state == "processing"


def _look_now(seen: _Seen, within: Any = None) -> None:
    if within is None:
        with transaction() as connection:
            _look_now(seen, within=connection)
        return
    row = table_of(InvoiceCollection)
    turned = {} if seen.state in ACTIVE else {"state": "waiting", "state_since": clock.now()}
    within.execute(
        update(row)
        .where(row.c.invoice_id == seen.invoice_id, row.c.state == seen.state)
        .values(turned | {"next_try_at": clock.now()})
    )


def _park_twice(seen: _Seen) -> None:
    """Park an invoice that somebody could pay a second time under another number."""
    row = table_of(InvoiceCollection)
    values = {"state": "parked", "reason": "issued_twice", "state_since": clock.now()}
    with transaction() as connection:
        parked = connection.execute(
            update(row)
            .where(row.c.invoice_id == seen.invoice_id, row.c.state != "parked")
            .values(values | {"next_try_at": None})
        )
    if parked.rowcount:
        tell("invoice_parked", seen.invoice_id, reason="issued_twice")


def _find(condition: ColumnElement[bool]) -> _Seen | None:
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    query = (
        select(
            row.c.invoice_id,
            invoice.c.project_key,
            invoice.c.currency,
            row.c.billing_info_id,
            row.c.state,
            invoice.c.state,
            row.c.stripe_id,
            row.c.remote_state,
        )
        .join(invoice, invoice.c.id == row.c.invoice_id)
        .where(condition)
    )
    found = projects.connection().execute(query).one_or_none()
    current().db.session.commit()
    return None if found is None else _Seen(*found)
