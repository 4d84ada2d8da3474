"""Gives back what an invoice was paid with, or takes it off what is still to be paid."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from flask_billing import signing
from flask_billing.errors import RefundRefused
from flask_billing.gateways import RemoteInvoice
from flask_billing.models import Dispute, InvoiceCollection, InvoiceRefund, PaymentAttempt
from flask_billing.money import to_major_units
from flask_billing.refunding.rows import begin, load
from flask_billing.refunding.sending import send
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["Offer", "offer", "refund"]

#: What a dispute is called where the bank only asks, or has asked in vain.
_MONEY_IS_HERE = ("won", "warning_closed", "warning_needs_response", "warning_under_review")


class Offer(NamedTuple):
    """What can be given back of an invoice.

    :ivar kind: ``"refund"`` (it goes back to where it came from) or ``"credit"`` (so much less is
        to be paid).
    :ivar amount: With tax, in minor units.
    """

    kind: str
    amount: int
    currency: str


def refund(
    invoice_id: UUID, amount: int | None = None, *, reason: str, made_by: str | None = None
) -> InvoiceRefund:
    """Give an invoice's money back, whole or in part, with its share of tax; commits the session.

    Of a paid invoice the money goes back to where it came from; of an open one so much less is to
    be paid. Either way a credit note corrects the invoice. What can be given back is read at the
    processor, whoever gave back what before. Where several payments paid it, what is given back at
    once comes from one of them.

    :param amount: With tax, in minor units; `None` for all that can be given back at once.
    :param reason: One word, such as ``"goodwill"``; ``"duplicate"``, ``"fraudulent"``,
        ``"order_change"`` and ``"product_unsatisfactory"`` are printed on the credit note.
    :param made_by: The host's id of who does it.
    :returns: The row: `succeeded`; `pending` while the bank has it; `sending` where the processor
        did not answer, and the sweeper finds out.
    :raises RefundRefused: So much can't be given back now; the message says why.
    :raises LookupError: There is no such invoice.
    :raises ValueError: `amount`, `reason` or `made_by` can't be meant.
    :raises GatewayError: The processor refused or did not answer before anything was asked of it.
    """
    signing.check(reason, made_by)
    wanted = offer(invoice_id, amount)
    refund_id = begin(invoice_id, **wanted._asdict(), reason=reason, made_by=made_by)
    session = current().db.session
    send(load(refund_id))
    row = session.get_one(InvoiceRefund, refund_id, populate_existing=True)
    if row.state == "refused":
        code = row.code or "no code"
        raise RefundRefused(f"The processor refused to give this back ({code}); nothing was done.")
    return row


def offer(invoice_id: UUID, amount: int | None = None) -> Offer:
    """Return what :func:`refund` would do now, and do nothing; commits the session.

    It raises what :func:`refund` raises.
    """
    if amount is not None and (isinstance(amount, bool) or amount <= 0):
        raise ValueError("An amount is given in minor units, such as 1250, and is above zero.")
    require_clean()
    stripe_id = _issued(invoice_id)
    remote = current().gateway.invoice(stripe_id)
    if remote is None:
        raise RefundRefused(f"The key that is set may not see the invoice {invoice_id}.")
    return _wanted(invoice_id, remote, amount)


def _issued(invoice_id: UUID) -> str:
    """Return the id at the gateway of an invoice that was issued; commits the session."""
    state = current()
    found = state.db.session.get(InvoiceCollection, invoice_id, populate_existing=True)
    state.db.session.commit()
    if found is None or found.stripe_id is None:
        raise LookupError(f"There is no invoice {invoice_id} that was issued.")
    if found.livemode != state.settings.livemode:
        raise RefundRefused(
            f"The invoice {invoice_id} is of the other mode than the key that is set."
        )
    return found.stripe_id


def _wanted(invoice_id: UUID, remote: RemoteInvoice, amount: int | None) -> Offer:
    if remote.state == "paid":
        kind, most = "refund", _refundable(invoice_id, remote)
    elif remote.state == "open":
        kind, most = "credit", _creditable(invoice_id, remote)
    else:
        raise RefundRefused(
            f"The invoice {invoice_id} is {remote.state} at the processor: only a paid or an open "
            "one can be credited."
        )
    if not 0 < (most if amount is None else amount) <= most:
        left = f"{to_major_units(most, remote.currency)} {remote.currency.upper()}"
        raise RefundRefused(f"At most {left} of the invoice {invoice_id} can be given back now.")
    return Offer(kind, most if amount is None else amount, remote.currency)


def _refundable(invoice_id: UUID, remote: RemoteInvoice) -> int:
    """Return what can be given back of a paid invoice, as the processor has it now."""
    if remote.overpaid > 0 and not _is_overpayment_settled(invoice_id):
        raise RefundRefused(
            f"The invoice {invoice_id} was paid too much: that is given back first. Try again once "
            "it is, or give it back at the processor."
        )
    paid = [p for p in remote.payments if p.state == "paid" and p.intent_id is not None]
    held = _held(invoice_id, {p.charge_id for p in paid if p.disputed})
    returnable = [p.amount - p.refunded for p in paid if p.charge_id not in held]
    if paid and not returnable:
        raise RefundRefused(
            f"The bank asks for the money of the invoice {invoice_id}, or has taken it back: end "
            "the dispute at the processor first."
        )
    # A credit note gives back one payment, or a part of it.
    return max(0, min(remote.total - remote.credited, max(returnable, default=0)))


def _held(invoice_id: UUID, disputed: set[str | None]) -> set[str | None]:
    """Return those of the disputed charges whose money the bank wants, or has taken.

    A charge is called disputed for good at the processor, whatever came of it.
    """
    if not disputed:
        return disputed
    session = current().db.session
    query = select(Dispute.charge_id, Dispute.state).where(
        Dispute.invoice_id == invoice_id, Dispute.kind == "dispute"
    )
    found = session.execute(query).all()
    session.commit()
    wanted = {charge_id for charge_id, state in found if state not in _MONEY_IS_HERE}
    return disputed - {charge_id for charge_id, _ in found} | disputed & wanted


def _is_overpayment_settled(invoice_id: UUID) -> bool:
    session = current().db.session
    settled = select(InvoiceRefund.id).where(
        InvoiceRefund.invoice_id == invoice_id,
        InvoiceRefund.overpayment_marker == 1,
        InvoiceRefund.in_flight_marker.is_(None),
    )
    found = session.scalar(settled) is not None
    session.commit()
    return found


def _creditable(invoice_id: UUID, remote: RemoteInvoice) -> int:
    """Return what can be taken off an open invoice, which no payment is under way for."""
    session = current().db.session
    under_way = session.scalar(
        select(PaymentAttempt.id).where(
            PaymentAttempt.invoice_id == invoice_id, PaymentAttempt.in_flight_marker == 1
        )
    )
    session.commit()
    if under_way is not None:
        raise RefundRefused(
            f"A payment of the invoice {invoice_id} is under way: wait for its outcome, and give "
            "back what came of it."
        )
    return remote.remaining
