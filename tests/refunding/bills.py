"""Invoices at the processor, for tests that are about what goes back of them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select

from flask_billing import BillingInfo, Invoice, InvoiceCollection, InvoiceRefund, collecting
from flask_billing.gateways import InvoiceRequest, LineRequest
from flask_billing.periods import month_of
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.events.world import World
from tests.host import Project, db

#: When somebody would look at an invoice unless it is woken.
_LATER = datetime(2099, 1, 1, tzinfo=UTC)
VISA, MASTERCARD = "4242424242424242", "5555555555554444"


class Bills:
    """The invoices of a world's projects."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def sandbox(self) -> Sandbox:
        """The processor."""
        return self.world.sandbox

    def issued(self, amount: int = 1200, *, card: str = VISA, month: int = 6) -> UUID:
        """Issue an invoice of a new project with a card, and return its id; nobody paid it yet."""
        project = self.world.project()
        self.world.card(project, card=card)
        return self.issue(project, amount, month=month)

    def issue(self, project: Project, amount: int = 1200, *, month: int = 6) -> UUID:
        """Issue an invoice, as collecting does; nobody paid it yet.

        :param month: Counted from the beginning of 2020.
        """
        info = project.billing_info
        assert info is not None
        period = month_of(datetime(2020 + month // 12, month % 12 + 1, 1, tzinfo=UTC))
        invoice = Invoice(
            project_key=str(project.id),
            period_start=period.start,
            period_end=period.end,
            currency="usd",
            state="closed",
            line_count=1,
            due=amount,
            **_amounts(amount),
        )
        db.session.add(invoice)
        db.session.flush()
        row = InvoiceCollection(invoice_id=invoice.id, billing_info_id=info.id, next_try_at=_LATER)
        db.session.add(row)
        db.session.commit()
        gateway, key = current().gateway, str(invoice.id)
        request = InvoiceRequest(
            local_id=invoice.id,
            customer_id=info.stripe_id,
            project_key=str(project.id),
            period=period.start.isoformat(),
            currency="usd",
        )
        stripe_id = gateway.create_invoice(request, key=f"invoice-{key}").stripe_id
        line = LineRequest(local_id=key, amount=amount, description="Usage")
        gateway.add_invoice_lines(stripe_id, [line], key=f"lines-{key}")
        gateway.finalize_invoice(stripe_id, key=f"finalize-{key}")
        row.stripe_id = stripe_id
        db.session.commit()
        assert collecting.observe(stripe_id)
        return invoice.id

    def paid(self, amount: int = 1200, *, card: str = VISA, month: int = 6) -> UUID:
        """Issue an invoice of a new project and charge it to its card; return its id."""
        invoice_id = self.issued(amount, card=card, month=month)
        self.pay(invoice_id)
        return invoice_id

    def pay(self, invoice_id: UUID) -> None:
        """Charge an invoice to the first card of who pays it."""
        row = self.collection(invoice_id)
        stripe_id = str(row.stripe_id)
        project = db.session.get_one(Project, int(row.invoice.project_key))
        method_id = project.payment_methods[0].stripe_id
        db.session.commit()
        current().gateway.pay_invoice(stripe_id, method_id, key=f"pay-{invoice_id}")
        assert collecting.observe(stripe_id)

    def paid_twice(self, amount: int = 1200) -> UUID:
        """Have an invoice paid by a card of ours and by a second payment; return its id."""
        invoice_id = self.paid(amount)
        self.pay_again(invoice_id)
        return invoice_id

    def pay_again(self, invoice_id: UUID, amount: int | None = None) -> str:
        """Have another payment of an invoice reach the processor; return its payment intent's id.

        :param amount: In minor units; what the invoice asked for unless given.
        """
        intent_id = self.sandbox.pay_again(self.stripe_id(invoice_id), amount=amount)
        assert collecting.observe(self.stripe_id(invoice_id))
        return intent_id

    # What our rows say

    def collection(self, invoice_id: UUID) -> InvoiceCollection:
        """Return how an invoice stands, as it is now."""
        db.session.commit()
        return db.session.get_one(InvoiceCollection, invoice_id, populate_existing=True)

    def stripe_id(self, invoice_id: UUID) -> str:
        """Return an invoice's id at the processor."""
        found = str(self.collection(invoice_id).stripe_id)
        db.session.commit()
        return found

    def refunds(self, invoice_id: UUID) -> list[InvoiceRefund]:
        """Return what was given back of an invoice, or tried to, as it is now."""
        db.session.commit()
        query = select(InvoiceRefund).where(InvoiceRefund.invoice_id == invoice_id)
        query = query.order_by(InvoiceRefund.created_at, InvoiceRefund.id)
        return list(db.session.scalars(query, execution_options={"populate_existing": True}))

    def states(self, invoice_id: UUID) -> list[str]:
        """Return in which states these are."""
        return [row.state for row in self.refunds(invoice_id)]

    def is_woken(self, invoice_id: UUID) -> bool:
        """Return whether somebody is to look at an invoice now."""
        next_try_at = self.collection(invoice_id).next_try_at
        return next_try_at is not None and next_try_at < _LATER

    # What the processor says

    def sent_back(self) -> list[int]:
        """Return the amounts of all refunds at the processor that did not fail."""
        refunds = self.sandbox.objects("refund")
        return [r["amount"] for r in refunds if r["status"] not in {"failed", "canceled"}]

    def credited(self) -> list[int]:
        """Return the amounts of all credit notes at the processor that are not void."""
        notes = self.sandbox.objects("credit_note")
        return [note["amount"] for note in notes if note["status"] != "void"]

    def balance(self, invoice_id: UUID) -> int:
        """Return what the customer of an invoice owes beside invoices; negative is credit."""
        return current().gateway.balance(self.customer(invoice_id))

    def customer(self, invoice_id: UUID) -> str:
        """Return the processor's id of who pays an invoice."""
        info = db.session.get_one(BillingInfo, self.collection(invoice_id).billing_info_id)
        found = info.stripe_id
        db.session.commit()
        return found

    def charges(self, invoice_id: UUID) -> list[str]:
        """Return the ids of the charges that paid an invoice, the first one first."""
        remote = current().gateway.invoice(self.stripe_id(invoice_id))
        assert remote is not None
        return [str(payment.charge_id) for payment in remote.payments if payment.charge_id]


def _amounts(amount: int) -> dict[str, int]:
    zero = ("carried_in", "adjusted", "credit_used", "credit_granted", "carried_out", "waived")
    return {"gross": amount, "subtotal": amount} | dict.fromkeys(zero, 0)
