"""Issues an invoice at the processor: found or made, filled, compared, and only then finalised.

The customer's invoices are listed first: idempotency keys live for a day, and after our rows were
restored from a backup their ids are new. What is found there of our project and period is it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import Connection, select, update

from flask_billing import sync
from flask_billing.collecting import lines
from flask_billing.collecting.asking import ask
from flask_billing.collecting.claiming import Heir, transaction
from flask_billing.collecting.ending import KEPT_ANSWERS, park
from flask_billing.collecting.loading import LEAVING, Work
from flask_billing.collecting.paying import is_under_way
from flask_billing.collecting.planning import need_address
from flask_billing.collecting.releasing import write_claimed
from flask_billing.collecting.writing import Answer, lock_payer
from flask_billing.errors import GatewayRefusal
from flask_billing.gateways import InvoiceRequest, LineRequest, RemoteInvoice
from flask_billing.models import Invoice, InvoiceCollection, table_of
from flask_billing.state import current

__all__ = ["differs", "issue", "leave_behind"]

_NO_ADDRESS = "customer_tax_location_invalid"


def issue(work: Work, heir: Heir | None = None) -> Answer | str:
    """Return the invoice as the processor has issued it, or how the look ended before that.

    May be repeated from wherever it broke off.

    :param heir: Who pays it from now on, instead of who does.
    :raises GatewayError: The processor refused or did not answer.
    """
    if work.stripe_id is not None and work.remote_state == "draft":
        known = ask(work)
        if known.remote.state != "draft":
            return known
        if heir is None and known.remote.customer_id == work.customer_id:
            return _fill(work, None)
        # Nobody can pay a draft, so that it is gone as soon as it is given up.
        _mark(work, "deleted", heir)
    elif heir is not None:
        _mark(work, work.remote_state, heir)
    if work.stripe_id is not None and (over := _void_former(work)) is not None:
        return over
    found = _find(work)
    if found is None:
        return _fill(work, _create(work))
    if found.state != "draft" and differs(work, found):
        return park(work, "issued_differently")
    if found.local_id != str(work.invoice_id):
        current().gateway.claim_invoice(found.stripe_id, local_id=work.invoice_id)
    with transaction() as connection:
        _write_id(connection, work, found)
    return _fill(work, None) if found.state == "draft" else ask(work)


def differs(work: Work, remote: RemoteInvoice) -> bool:
    """Return whether the processor has another amount before tax, or another currency."""
    return remote.subtotal != work.due or remote.currency != work.currency


def leave_behind(work: Work, answer: Answer, heir: Heir | None) -> Answer | str:
    """Issue to whoever pays now what was issued to another one, who pays nothing any more.

    What is left behind can be paid until it is void, so it is not gone before: nobody closes its
    month once more meanwhile.

    :returns: As :func:`issue`.
    """
    if answer.remote.paid or answer.remote.credited:
        return park(work, "payer_changed", answer)
    _mark(work, LEAVING, heir)
    return issue(work)


def _mark(work: Work, remote_state: str | None, heir: Heir | None = None) -> None:
    with transaction() as connection:
        if heir is None:
            write_claimed(connection, work, remote_state=remote_state)
        else:
            lock_payer(connection, heir.info_id)
            info_id = heir.info_id
            write_claimed(connection, work, remote_state=remote_state, billing_info_id=info_id)
            work.info_id, work.customer_id = heir
    work.remote_state = remote_state


def _void_former(work: Work) -> Answer | str | None:
    """See that nobody can pay what was given up; returns how the look ends where somebody has."""
    stamp, gateway = sync.take_stamp(), current().gateway
    former = gateway.invoice(work.stripe_id or "")
    if former is None and work.remote_state == LEAVING:
        return park(work, "missing_at_processor")
    if former is not None and former.state == "paid":
        return Answer(former, stamp)
    if former is not None and former.state == "draft":
        gateway.delete_draft(former.stripe_id)
    elif former is not None and former.state != "void":
        try:
            gateway.void_invoice(former.stripe_id, key=f"void-{work.invoice_id}-{stamp}")
        except GatewayRefusal as error:
            return _keep(work, error)
    if work.remote_state == LEAVING:
        _mark(work, "deleted")
    return None


def _keep(work: Work, error: GatewayRefusal) -> Answer | str:
    """Go on with an invoice that the processor does not let go, such as one being paid."""
    _mark(work, "open")
    answer = ask(work)
    if answer.remote.state != "open" or is_under_way(answer.remote):
        return answer
    return park(work, "payer_changed", answer, error_code=error.code)


def _find(work: Work) -> RemoteInvoice | None:
    """Return the customer's invoice of our project and period: an issued one before a draft."""
    period, best = _period(work), None
    for remote in current().gateway.invoices_of(work.customer_id or ""):
        if (remote.project_key, remote.period) != (work.project_key, period):
            continue
        if remote.state == "void" or remote.stripe_id == work.stripe_id:
            continue
        if best is None or (best.state == "draft" and remote.state != "draft"):
            best = remote
    return best


def _create(work: Work) -> RemoteInvoice:
    # The key of one that was deleted, or left behind, would give just that one back.
    former = f"-{work.stripe_id}" if work.stripe_id is not None else ""
    request = InvoiceRequest(
        local_id=work.invoice_id,
        customer_id=work.customer_id or "",
        project_key=work.project_key,
        period=_period(work),
        currency=work.currency,
        automatic_tax=current().settings.automatic_tax,
        terms_days=work.terms_days,
    )
    key = f"invoice-{work.invoice_id}{former}{_salt(work)}"
    return current().gateway.create_invoice(request, key=key)


def _period(work: Work) -> str:
    return work.period_start.astimezone(UTC).isoformat()


def _salt(work: Work) -> str:
    """Make another key where the processor gives the same useless answer under the last one."""
    return f"-{work.failures}" if work.error_code in KEPT_ANSWERS else ""


def _write_id(connection: Connection, work: Work, remote: RemoteInvoice) -> None:
    if remote.local_id != str(work.invoice_id):
        # Taken over: our own invoice of before, which is void by now, may still have it.
        row, invoice = table_of(InvoiceCollection), table_of(Invoice)
        void = select(invoice.c.id).where(
            invoice.c.id == row.c.invoice_id, invoice.c.live_marker.is_(None)
        )
        connection.execute(
            update(row)
            .where(row.c.stripe_id == remote.stripe_id, void.exists())
            .values(stripe_id=None)
        )
    write_claimed(connection, work, stripe_id=remote.stripe_id, remote_state=remote.state)
    work.stripe_id, work.remote_state = remote.stripe_id, remote.state


def _fill(work: Work, draft: RemoteInvoice | None) -> Answer | str:
    """Bring the draft to our lines, compare it, and finalise it.

    :param draft: One that was made just now, and holds nothing; `None` where that is not known.
    """
    with transaction(one_write=True) as connection:
        if draft is not None:
            _write_id(connection, work, draft)
        wanted = lines.of_draft(connection, work)
    try:
        if draft is None:
            draft = _put_right(work, wanted)
        else:
            draft = lines.add(work, wanted, salt=_salt(work)) or draft
    except GatewayRefusal as error:
        # Such as of an amount that is too large: it would be refused again and again.
        answer = ask(work)
        if answer.remote.state != "draft":
            return answer
        return park(work, "refused", answer, error_code=error.code)
    if differs(work, draft):
        return park(work, "amount_differs")
    return _finalize(work, draft)


def _put_right(work: Work, wanted: Sequence[LineRequest]) -> RemoteInvoice:
    """Bring a draft that may hold lines already to our lines, and return it as it is then."""
    lines.put_right(work, wanted, salt=_salt(work))
    answer = ask(work)
    if differs(work, answer.remote):
        # What was taken off since it was added comes back under another key alone.
        lines.put_right(work, wanted, salt=f"-{answer.stamp}")
        answer = ask(work)
    return answer.remote


def _finalize(work: Work, draft: RemoteInvoice) -> Answer | str:
    # What is finalised can't be finalised twice, so each time may have a key of its own: an answer
    # that was kept of the last time, such as an address that was missing then, must not come back.
    stamp = sync.take_stamp()
    try:
        issued = current().gateway.finalize_invoice(
            work.stripe_id or "", key=f"finalize-{work.invoice_id}-{stamp}"
        )
    except GatewayRefusal as error:
        if error.code == _NO_ADDRESS:
            return need_address(work, Answer(draft, stamp))
        answer = ask(work)
        if answer.remote.state == "draft":
            return park(work, "refused", answer, error_code=error.code)
        return answer
    return Answer(issued, stamp)
