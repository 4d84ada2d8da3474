"""What the owner of an invoice does by hand: pays it now, or on the processor's page."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple, NoReturn
from uuid import UUID

from sqlalchemy import case, literal, or_, select, update

from flask_billing import clock, projects
from flask_billing.collecting.choosing import methods_of
from flask_billing.collecting.claiming import (
    ACTIVE,
    claim_one,
    has_flight,
    is_free,
    transaction,
)
from flask_billing.collecting.ending import give_back
from flask_billing.collecting.loading import NOT_ISSUED, Work
from flask_billing.collecting.trying import Wish
from flask_billing.collecting.working import work_on
from flask_billing.errors import CollectingRefused, GatewayUnavailable
from flask_billing.gateways import InvoiceDocument
from flask_billing.models import Invoice, InvoiceCollection, PaymentAttempt, table_of
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["document", "page_for_owner", "pay_now"]

#: How long a bank gives its customer to confirm a payment.
_AT_THE_BANK = timedelta(minutes=15)


class _Standing(NamedTuple):
    """How an invoice stands before somebody does something with it."""

    invoice_state: str
    state: str
    stripe_id: str | None
    remote_state: str | None


def pay_now(
    invoice_id: UUID, payment_method_id: UUID, *, made_by: str | None = None
) -> PaymentAttempt:
    """Charge an invoice to one payment method at once; commits the session.

    The caller has to know that the invoice and the method are the person's own. The plan stays what
    it was. Where the processor does not answer, the attempt is still ``"sending"``: it is settled
    by whoever collects, and nobody is charged twice.

    :param made_by: The host's id of the person.
    :returns: The attempt; its `state` says what came of it.
    :raises CollectingRefused: It is paid, somebody is at it, or this method can't be charged.
    :raises GatewayError: The processor did not answer before anything was tried.
    :raises LookupError: There is no such invoice, or nothing is due on it.
    """
    require_clean()
    standing = _standing(invoice_id)
    if standing.state not in ACTIVE:
        _refuse(standing)
    row = table_of(InvoiceCollection).c
    work = claim_one(invoice_id, row.state.in_(ACTIVE), ~has_flight())
    if work is None:
        _refuse(_standing(invoice_id), reason="busy")
    _require_method(work, payment_method_id)
    ended = work_on(work, Wish("owner", made_by, payment_method_id))
    attempt = _last_attempt(work, payment_method_id)
    if attempt is None:
        _explain(invoice_id, ended)
    return attempt


def _require_method(work: Work, method_id: UUID) -> None:
    with transaction() as connection:
        methods = methods_of(connection, work.info_id, work.invoice_id, work.round)
    method = next((each for each in methods if each.id == method_id), None)
    if method is None or method.is_worn:
        give_back(work)
    if method is None:
        raise CollectingRefused(
            "This payment method can't be charged. Choose another, or add one.", reason="method"
        )
    if method.is_worn:
        raise CollectingRefused(
            "This payment method was declined too often. Choose another, or add one.",
            reason="limit",
        )


def _last_attempt(work: Work, method_id: UUID) -> PaymentAttempt | None:
    """Return the attempt that was made under a claim, if there was one."""
    session = current().db.session
    query = select(PaymentAttempt).where(
        PaymentAttempt.invoice_id == work.invoice_id,
        PaymentAttempt.payment_method_id == method_id,
        PaymentAttempt.id == work.attempt_id,
    )
    found: PaymentAttempt | None = session.scalars(
        query.execution_options(populate_existing=True)
    ).one_or_none()
    return found


def _explain(invoice_id: UUID, ended: str) -> NoReturn:
    """Say why nothing was tried."""
    if ended == "errors":
        raise GatewayUnavailable("The payment processor did not answer. Nothing was charged.")
    _refuse(_standing(invoice_id), reason="busy" if ended in {"busy", "waiting"} else "state")


def page_for_owner(invoice_id: UUID) -> str:
    """Return the address of the processor's page for paying an invoice; commits the session.

    It gives access to whoever has it: send the person there and forget it. For 15 minutes no job
    charges it, as the person may be confirming the payment to a bank. Asked for again, it does not
    keep the jobs away for longer, nor once more within 15 minutes after that.

    :raises CollectingRefused: It is paid, parked, not issued yet, or a try is under way.
    :raises GatewayError: The processor refused or did not answer.
    :raises LookupError: There is no such invoice, or nothing is due on it.
    """
    require_clean()
    standing = _standing(invoice_id)
    is_payable = standing.invoice_state in {"open", "uncollectible"} and standing.state != "parked"
    # One that is being issued to somebody else has another page soon.
    if not is_payable or standing.stripe_id is None or standing.remote_state in NOT_ISSUED:
        _refuse(standing)
    page_url = current().gateway.invoice_document(standing.stripe_id).page_url
    if page_url is None:
        _refuse(_standing(invoice_id))
    if not _hold(invoice_id):
        _refuse(_standing(invoice_id), reason="busy")
    return page_url


def _hold(invoice_id: UUID) -> bool:
    """Keep the jobs away from an invoice for a while, and have one look after it.

    :returns: Whether the owner may pay it: nobody else is at work on it.
    """
    row, now = table_of(InvoiceCollection), clock.now()
    until = literal(now + _AT_THE_BANK, row.c.owner_until.type)
    # What is due has to get its turn, however often somebody opens the page.
    is_begun = or_(row.c.owner_until.is_(None), row.c.owner_until <= now - _AT_THE_BANK)
    with transaction() as connection:
        held = connection.execute(
            update(row)
            .where(row.c.invoice_id == invoice_id, row.c.state != "parked")
            .where(is_free(now), ~has_flight())
            .values(owner_until=case((is_begun, until), else_=row.c.owner_until))
        )
        # Its page may be the only news of it: look how it went, whatever the plan says.
        connection.execute(
            update(row)
            .where(row.c.invoice_id == invoice_id, row.c.state.in_(ACTIVE))
            .where((row.c.next_try_at > until) | row.c.next_try_at.is_(None))
            .values(next_try_at=until)
        )
    return bool(held.rowcount)


def document(invoice_id: UUID) -> InvoiceDocument | None:
    """Return what a person sees of an invoice at the processor: to be shown and forgotten.

    :returns: `None` where it is not issued.
    :raises GatewayError: The processor refused or did not answer.
    """
    row = table_of(InvoiceCollection).c
    query = select(row.stripe_id, row.remote_state).where(row.invoice_id == invoice_id)
    session = current().db.session
    found = projects.connection(session).execute(query).one_or_none()
    session.commit()
    if found is None or found.stripe_id is None:
        return None
    if found.remote_state in NOT_ISSUED:
        return None
    return current().gateway.invoice_document(found.stripe_id)


def _standing(invoice_id: UUID) -> _Standing:
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    query = (
        select(invoice.c.state, row.c.state, row.c.stripe_id, row.c.remote_state)
        .join(invoice, invoice.c.id == row.c.invoice_id)
        .where(row.c.invoice_id == invoice_id)
    )
    session = current().db.session
    found = projects.connection(session).execute(query).one_or_none()
    session.commit()
    if found is None:
        raise LookupError(f"There is no invoice {invoice_id}, or nothing is due on it.")
    return _Standing(*found)


def _refuse(standing: _Standing, *, reason: str = "state") -> NoReturn:
    if standing.invoice_state == "paid":
        raise CollectingRefused("This invoice is paid already.", reason="paid")
    if standing.invoice_state == "void":
        raise CollectingRefused("This invoice is void. Nothing is to be paid.", reason="state")
    if standing.state != "parked" and (reason == "busy" or standing.state == "processing"):
        raise CollectingRefused(
            "A payment of this invoice is under way. Wait for what comes of it.", reason="busy"
        )
    raise CollectingRefused(
        "This invoice can't be paid now. Ask whoever runs this site to look at it.",
        reason="state",
    )
