"""What staff can do with an invoice: what each deed means, how it is done, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flask_billing import collecting, refunding
from flask_billing.models import Invoice, InvoiceRefund, PaymentAttempt
from flask_billing.periods import Span, name_of
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.staff import words
from flask_billing.web.staff.deed_forms import DeedForm, ReasonForm, RefundForm, VoidForm
from flask_billing.web.staff.standings import STANDINGS, standing_of

__all__ = ["DEEDS", "NO_ANSWER", "Deed", "Said", "deeds_for"]

NO_ANSWER = N_(
    "Stripe did not answer, and nobody knows yet whether it acted. A worker finds out: look at the "
    "invoice in some minutes before you try again."
)

#: What came of a deed in words, and how important that is.
Said = tuple[str, str]


@dataclass(frozen=True)
class Deed:
    """Something that staff can do with an invoice.

    :ivar name: In the page's address; `action` in the audit log.
    :ivar consequences: What it will do, in sentences.
    :ivar command: The same on the command line, but for the invoice's id.
    :ivar fits: Whether it makes sense with an invoice as it is now.
    :ivar do: Does it: ``(invoice_id, form, made_by)`` → what came of it.
    """

    name: str
    action: str
    title: str
    button: str
    consequences: tuple[str, ...]
    command: str
    fits: Callable[[Invoice], bool]
    do: Callable[[UUID, Any, str | None], Said]
    form: type[DeedForm] = DeedForm
    is_dangerous: bool = False

    def command_for(self, invoice_id: UUID) -> str:
        """Return the same on the command line."""
        return f"flask billing {self.command.format(id=invoice_id)}"


def deeds_for(invoice: Invoice) -> Iterator[Deed]:
    """Yield what can be done with an invoice as it is now."""
    return (deed for deed in DEEDS.values() if deed.fits(invoice))


def _can_retry(invoice: Invoice) -> bool:
    row = invoice.collection
    is_open = invoice.state in {"closed", "open"}
    return is_open and row is not None and row.state in {"waiting", "past_due", "transfer"}


def _can_unpark(invoice: Invoice) -> bool:
    row = invoice.collection
    return invoice.state != "void" and row is not None and row.state == "parked"


def _can_write_off(invoice: Invoice) -> bool:
    return invoice.state == "open" and invoice.collection is not None


def _can_void(invoice: Invoice) -> bool:
    return invoice.state not in {"paid", "void"}


def _can_refund(invoice: Invoice) -> bool:
    row = invoice.collection
    return invoice.state == "paid" and row is not None and bool(row.stripe_id and row.paid)


def _can_lower(invoice: Invoice) -> bool:
    row = invoice.collection
    is_issued = invoice.state == "open" and row is not None and row.stripe_id is not None
    return is_issued and row is not None and row.remaining != 0


def _retry(invoice_id: UUID, _form: DeedForm, made_by: str | None) -> Said:
    known = {attempt.id for attempt in _attempts(invoice_id)}
    row = collecting.retry(invoice_id, made_by=made_by)
    if row.failures:
        return gettext(NO_ANSWER), "warning"
    standing = _standing(invoice_id)
    if standing == "paid":
        return gettext("It was tried, and it is paid."), "success"
    tried = [each.state for each in _attempts(invoice_id) if each.id not in known]
    word = gettext(STANDINGS[standing][2])
    if not tried:
        said = gettext(
            "No payment method could be tried. The invoice is now: %(standing)s.", standing=word
        )
        return said, "warning"
    said = gettext(
        "It was tried: %(outcomes)s. The invoice is now: %(standing)s.",
        outcomes=", ".join(words.of_try(state)[1] for state in tried),
        standing=word,
    )
    return said, "warning"


def _attempts(invoice_id: UUID) -> Sequence[PaymentAttempt]:
    query = select(PaymentAttempt).filter_by(invoice_id=invoice_id).order_by(PaymentAttempt.id)
    return list(current().db.session.scalars(query, execution_options={"populate_existing": True}))


def _unpark(invoice_id: UUID, _form: DeedForm, made_by: str | None) -> Said:
    collecting.unpark(invoice_id, made_by=made_by)
    return gettext("It is set going. A worker looks at it next."), "success"


def _write_off(invoice_id: UUID, form: DeedForm, made_by: str | None) -> Said:
    collecting.write_off(invoice_id, reason=form.word or "", made_by=made_by)
    if _standing(invoice_id) == "paid":
        return gettext("It was paid meanwhile, so there was nothing to write off."), "warning"
    return gettext("It is written off, and not charged any more."), "success"


def _void(invoice_id: UUID, form: VoidForm, made_by: str | None) -> Said:
    reissue = form.reissue
    collecting.void(invoice_id, reason=form.word or "", made_by=made_by, reissue=reissue)
    if not reissue:
        return gettext("It is void for good."), "success"
    found = current().db.session.get_one(Invoice, invoice_id)
    said = gettext(
        "It is void. To issue it anew: flask billing close --period %(month)s --project "
        "%(project)s. Its later months wait until then.",
        month=name_of(Span(found.period_start, found.period_end)),
        project=found.project_key,
    )
    return said, "success"


def _refund(invoice_id: UUID, form: DeedForm, made_by: str | None) -> Said:
    given = refunding.refund(invoice_id, form.minor_units, reason=form.word or "", made_by=made_by)
    return _said_of(given)


def _said_of(given: InvoiceRefund) -> Said:
    amount = amounts.money(given.amount, given.currency)
    if given.state == "succeeded":
        if given.kind == "credit":
            return gettext("%(amount)s less are to be paid now.", amount=amount), "success"
        return gettext("%(amount)s went back.", amount=amount), "success"
    if given.state == "pending":
        return gettext("%(amount)s are on their way back.", amount=amount), "success"
    if given.state == "sending":
        said = gettext(
            "Stripe did not answer. A worker finds out whether %(amount)s went back, and gives "
            "them back once. Do not repeat this.",
            amount=amount,
        )
        return said, "warning"
    return gettext("%(amount)s did not go back; the timeline says why.", amount=amount), "error"


def _standing(invoice_id: UUID) -> str:
    found = current().db.session.get_one(Invoice, invoice_id, populate_existing=True)
    return standing_of(found)


#: By their names.
DEEDS = {
    deed.name: deed
    for deed in (
        Deed(
            name="retry",
            action="retry",
            title=N_("Try this invoice again?"),
            button=N_("Try again"),
            consequences=(
                N_("Every usable payment method is tried now, in its order, until one pays."),
                N_("If none does, the retry plan goes on from there."),
            ),
            command="retry {id}",
            fits=_can_retry,
            do=_retry,
        ),
        Deed(
            name="unpark",
            action="unpark",
            title=N_("Unpark this invoice?"),
            button=N_("Unpark"),
            consequences=(
                N_("It is collected as if nothing had been wrong, so mend that first."),
                N_("If it is still wrong, it is parked once more."),
            ),
            command="unpark {id}",
            fits=_can_unpark,
            do=_unpark,
        ),
        Deed(
            name="refund",
            action="refund",
            title=N_("Give money of this invoice back?"),
            button=N_("Give money back"),
            consequences=(
                N_("The money goes back to where it was paid from."),
                N_("A credit note corrects the invoice and its tax."),
                N_("What can be given back is read at Stripe first: never more than is left."),
            ),
            command="refund {id} --amount AMOUNT --reason WORD",
            fits=_can_refund,
            do=_refund,
            form=RefundForm,
            is_dangerous=True,
        ),
        Deed(
            name="lower",
            action="refund",
            title=N_("Lower what is to be paid of this invoice?"),
            button=N_("Lower what is to be paid"),
            consequences=(
                N_("So much less is to be paid, and nothing goes back."),
                N_("A credit note corrects the invoice and its tax."),
                N_("What is left is read at Stripe first: never more than that."),
            ),
            command="refund {id} --amount AMOUNT --reason WORD",
            fits=_can_lower,
            do=_refund,
            form=RefundForm,
            is_dangerous=True,
        ),
        Deed(
            name="write-off",
            action="write_off",
            title=N_("Write this invoice off?"),
            button=N_("Write off"),
            consequences=(
                N_("It is not charged any more, and its owner is not asked for it."),
                N_("It does not keep its project from creating resources any more."),
                N_("Its owner may pay it all the same, on Stripe's page."),
            ),
            command="write-off {id} --reason WORD",
            fits=_can_write_off,
            do=_write_off,
            form=ReasonForm,
            is_dangerous=True,
        ),
        Deed(
            name="void",
            action="void",
            title=N_("Make this invoice void?"),
            button=N_("Make void"),
            consequences=(
                N_("It is made void at Stripe too, so nobody can pay it any more."),
                N_("What it took is given back: credit, adjustments and what was carried over."),
                N_("This can't be undone."),
            ),
            command="invoices void {id} --reason WORD",
            fits=_can_void,
            do=_void,
            form=VoidForm,
            is_dangerous=True,
        ),
    )
}
