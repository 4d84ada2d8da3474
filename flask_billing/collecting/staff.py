"""What the staff does with an invoice by hand: tries again, writes off, makes void, sets going."""

from __future__ import annotations

from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from flask_billing import clock, invoicing, signing, sync
from flask_billing.collecting.asking import Missing, ask
from flask_billing.collecting.claiming import (
    ACTIVE,
    claim_one,
    has_flight,
    transaction,
)
from flask_billing.collecting.ending import finish, give_back
from flask_billing.collecting.loading import Work
from flask_billing.collecting.releasing import renew, write_claimed
from flask_billing.collecting.trying import Wish
from flask_billing.collecting.working import work_on
from flask_billing.collecting.writing import Answer
from flask_billing.errors import CollectingRefused, GatewayRefusal
from flask_billing.models import BilledProjectRow, Invoice, InvoiceCollection, table_of
from flask_billing.state import current
from flask_billing.transactions import begin_for, require_clean

__all__ = ["LONGEST_TERMS", "retry", "set_terms", "unpark", "void", "write_off"]

#: In days.
LONGEST_TERMS = 365


def retry(invoice_id: UUID, *, made_by: str | None = None) -> InvoiceCollection:
    """Begin another round now: every usable method is tried in its order; commits the session.

    :param made_by: The host's id of who does it.
    :returns: How the money of the invoice comes in by now.
    :raises CollectingRefused: Somebody is at it, or there is nothing to be tried.
    :raises LookupError: There is no such invoice, or nothing is due on it.
    """
    signing.check("retry", made_by)
    work = _claim(invoice_id, by_hand=False)
    work.round += 1
    work.retry_at = None
    work_on(work, Wish("staff", made_by))
    return _row(invoice_id)


def write_off(invoice_id: UUID, *, reason: str, made_by: str | None = None) -> Invoice:
    """Give an invoice up: it is not charged any more, and may be paid all the same.

    Commits the session.

    :param reason: One word, such as ``"insolvent"``.
    :raises CollectingRefused: It is paid, not issued yet, or somebody is at it.
    :raises GatewayError: The processor refused or did not answer.
    :raises LookupError: There is no such invoice, or nothing is due on it.
    """
    signing.check(reason, made_by)
    work = _claim(invoice_id, parked_too=True)
    try:
        answer = _issued(work)
        if answer.remote.state == "open":
            stamp = sync.take_stamp()
            key = f"write-off-{invoice_id}-{stamp}"
            written = current().gateway.write_off_invoice(answer.remote.stripe_id, key=key)
            answer = Answer(written, stamp)
        finish(work, answer)
    except BaseException:
        _leave(work)
        raise
    return _invoice(invoice_id)


def void(
    invoice_id: UUID, *, reason: str, made_by: str | None = None, reissue: bool = True
) -> Invoice:
    """Make an invoice void, at the processor too; commits the session.

    Repeat it as it was where the processor did not answer: what is wanted is kept, and whoever
    finds the invoice void at the processor carries it out.

    :param reason: One word, such as ``"wrong_resource"``.
    :param reissue: Whether its period is to be closed once more; else later months go on.
    :raises CollectingRefused: It is paid, somebody is at it, or another key issued it.
    :raises CorrectionRefused: What came of it is used already.
    :raises GatewayError: The processor refused or did not answer.
    :raises LookupError: There is no such invoice.
    """
    signing.check(reason, made_by)
    found = _find(invoice_id)
    if found is None:
        # Nothing is due on it, so nobody collects it.
        return invoicing.void(invoice_id, reason=reason, made_by=made_by, reissue=reissue)
    wanted = {"void_reason": reason, "void_by": made_by, "void_reissue": reissue}
    if _is_carried_out(found, wanted):
        return _invoice(invoice_id)
    work = _claim(invoice_id, parked_too=True, written_off_too=True)
    try:
        _void_at_processor(work, wanted)
        return invoicing.void(invoice_id, reason=reason, made_by=made_by, reissue=reissue)
    except BaseException:
        _leave(work)
        raise


def unpark(invoice_id: UUID, *, made_by: str | None = None) -> InvoiceCollection:
    """Have a parked invoice collected once more: somebody has looked at it; commits the session.

    :param made_by: The host's id of who does it.
    :raises CollectingRefused: It is not parked.
    :raises LookupError: There is no such invoice, or nothing is due on it.
    """
    signing.check("unpark", made_by)
    require_clean()
    found = _find(invoice_id)
    if found is None:
        raise LookupError(f"There is no invoice {invoice_id}, or nothing is due on it.")
    row = table_of(InvoiceCollection)
    now = clock.now()
    fresh = {"state": "waiting", "state_since": now, "next_try_at": now, "reason": None}
    with transaction() as connection:
        set_going = connection.execute(
            update(row)
            .where(row.c.invoice_id == invoice_id, row.c.state == "parked")
            .values(fresh | {"failures": 0, "error_code": None})
        )
    if not set_going.rowcount:
        raise CollectingRefused(f"The invoice {invoice_id} is not parked.")
    return _row(invoice_id)


def set_terms(project_key: str, days: int | None) -> None:
    """Have a project pay its next invoices by transfer; commits the session.

    :param days: Within how many days, 1 to 365; `None` charges its payment methods again.
    :raises UnknownProject: There is no such project.
    :raises ValueError: So many days can't be meant.
    """
    if days is not None and not 1 <= days <= LONGEST_TERMS:
        raise ValueError(f"Terms are 1 to {LONGEST_TERMS} days.")
    connection = begin_for(project_key)
    row = table_of(BilledProjectRow)
    connection.execute(update(row).where(row.c.project_key == project_key).values(terms_days=days))
    current().db.session.commit()


def _claim(
    invoice_id: UUID,
    *,
    by_hand: bool = True,
    parked_too: bool = False,
    written_off_too: bool = False,
) -> Work:
    """Claim an invoice for somebody of the staff.

    :raises CollectingRefused: It is over, of the other mode, its owner is at the bank, or somebody
        is at work on it.
    """
    require_clean()
    found = _find(invoice_id)
    if found is None:
        raise LookupError(f"There is no invoice {invoice_id}, or nothing is due on it.")
    states = [*ACTIVE, *(["parked"] if parked_too else []), *(["done"] if written_off_too else [])]
    row = table_of(InvoiceCollection).c
    away = or_(row.owner_until.is_(None), row.owner_until <= clock.now())
    invoice = table_of(Invoice).c
    over = select(invoice.id).where(
        invoice.id == row.invoice_id, invoice.state.in_(["paid", "void"])
    )
    is_of_mode = row.livemode == current().settings.livemode
    conditions: tuple[ColumnElement[bool], ...] = (row.state.in_(states), away, is_of_mode)
    work = claim_one(invoice_id, *conditions, ~has_flight(), ~over.exists(), by_hand=by_hand)
    if work is None:
        _refuse(invoice_id, states)
    return work


def _refuse(invoice_id: UUID, states: list[str]) -> NoReturn:
    invoice, row = _invoice(invoice_id), _row(invoice_id)
    if invoice.state == "paid":
        raise CollectingRefused(
            f"The invoice {invoice_id} is paid. Refund it instead.", reason="paid"
        )
    if invoice.state == "void" or row.state not in states:
        kind = "void" if invoice.state == "void" else row.state
        hint = " Set it going first." if kind == "parked" else ""
        raise CollectingRefused(f"The invoice {invoice_id} is {kind}.{hint}")
    if row.livemode != current().settings.livemode:
        mode = "live" if row.livemode else "test"
        raise CollectingRefused(f"The invoice {invoice_id} needs the key of the {mode} mode.")
    raise CollectingRefused(
        f"A try to pay the invoice {invoice_id} is under way, or its owner is at the bank's page. "
        "Wait for what comes of it.",
        reason="busy",
    )


def _issued(work: Work) -> Answer:
    answer = _asked(work) if work.is_issued else None
    if answer is None:
        raise CollectingRefused(
            f"The invoice {work.invoice_id} is not issued yet. Make it void instead."
        )
    return answer


def _asked(work: Work) -> Answer | None:
    """Return an invoice as the processor has it; `None` where it was deleted before it was issued.

    What it has issued it never deletes: who doesn't find it has another key, and under the right
    one it can still be paid.

    :raises CollectingRefused: It is not known by this key.
    """
    try:
        return ask(work)
    except Missing:
        if work.remote_state in {"draft", "deleted"}:
            return None
    except GatewayRefusal as error:
        if error.code != "resource_missing":
            raise
    raise CollectingRefused(
        f"The processor does not know the invoice {work.invoice_id} by this key. Set the key of "
        "the account that issued it, and repeat this."
    )


def _is_carried_out(row: InvoiceCollection, wanted: dict[str, Any]) -> bool:
    """Return whether the invoice is void just as it is wanted: a worker found it so."""
    is_same = all(getattr(row, name) == value for name, value in wanted.items())
    return is_same and _invoice(row.invoice_id).state == "void"


def _void_at_processor(work: Work, wanted: dict[str, Any]) -> None:
    """See to it that nobody can pay the invoice at the processor any more, and write that.

    :param wanted: What is kept in case that the answer is lost.
    """
    if work.stripe_id is None or work.remote_state == "void":
        return
    answer = _asked(work)
    if answer is not None and answer.remote.state == "paid":
        finish(work, answer)
        raise CollectingRefused(
            f"The invoice {work.invoice_id} was paid meanwhile. Refund it instead.", reason="paid"
        )
    state = "deleted"
    if answer is not None and answer.remote.state == "draft":
        current().gateway.delete_draft(work.stripe_id)
    elif answer is not None:
        state = _void_issued(work, answer, wanted)
    with transaction() as connection:
        write_claimed(connection, work, remote_state=state)


def _void_issued(work: Work, answer: Answer, wanted: dict[str, Any]) -> str:
    if answer.remote.state == "void":
        return "void"
    with transaction() as connection:
        # Whoever dies here is followed by a worker, not by the plan.
        renew(connection, work, **wanted | _set_going(work))
    key = f"void-{work.invoice_id}-{answer.stamp}"
    try:
        return current().gateway.void_invoice(answer.remote.stripe_id, key=key).state
    except GatewayRefusal:
        with transaction() as connection:
            before = dict.fromkeys(wanted) | {"state": work.state}
            write_claimed(connection, work, next_try_at=work.next_try_at, **before)
        raise


def _set_going(work: Work) -> dict[str, str]:
    """Return what has a worker look at one that was written off; none else is over."""
    return {"state": "waiting"} if work.state == "done" else {}


def _leave(work: Work) -> None:
    """Give the claim back after something failed; whoever collects looks at the invoice soon."""
    current().db.session.rollback()
    give_back(work)


def _find(invoice_id: UUID) -> InvoiceCollection | None:
    session = current().db.session
    found: InvoiceCollection | None = session.get(
        InvoiceCollection, invoice_id, populate_existing=True
    )
    session.commit()
    return found


def _row(invoice_id: UUID) -> InvoiceCollection:
    row: InvoiceCollection = current().db.session.get_one(
        InvoiceCollection, invoice_id, populate_existing=True
    )
    return row


def _invoice(invoice_id: UUID) -> Invoice:
    found: Invoice = current().db.session.get_one(Invoice, invoice_id, populate_existing=True)
    return found
