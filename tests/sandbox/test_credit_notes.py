"""Credit notes lower an open invoice, and give back what was paid of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.paying import customer_with, event_types

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox

    Issue = Callable[..., stripe.Invoice]

GERMAN = {"address": {"line1": "Main St 1", "city": "Berlin", "country": "DE"}}


@pytest.fixture
def issue(client: stripe.StripeClient) -> Issue:
    """Makes open invoices of lines with these amounts: `issue(1000, 500, tax=True)`."""

    def make(*amounts: int, tax: bool = False) -> stripe.Invoice:
        customer, method = customer_with(client, **GERMAN)
        invoice = client.v1.invoices.create(
            {
                "customer": customer,
                "currency": "eur",
                "automatic_tax": {"enabled": tax},
                "default_payment_method": method,
            }
        )
        for number, amount in enumerate(amounts):
            client.v1.invoice_items.create(
                {
                    "customer": customer,
                    "invoice": invoice.id,
                    "amount": amount,
                    "description": f"Line {number}",
                }
            )
        return client.v1.invoices.finalize_invoice(invoice.id)

    return make


@pytest.fixture
def paid(client: stripe.StripeClient, issue: Issue) -> Issue:
    """Makes paid invoices, as `issue` does."""

    def make(*amounts: int, tax: bool = False) -> stripe.Invoice:
        return client.v1.invoices.pay(issue(*amounts, tax=tax).id)

    return make


def credit(client: stripe.StripeClient, invoice: stripe.Invoice, **more: Any) -> stripe.CreditNote:
    return client.v1.credit_notes.create({"invoice": invoice.id, "email_type": "none", **more})


def fresh(client: stripe.StripeClient, invoice: stripe.Invoice) -> stripe.Invoice:
    return client.v1.invoices.retrieve(invoice.id)


# Open invoices


def test_part_of_an_open_invoice_is_asked_for_no_more(
    client: stripe.StripeClient, issue: Issue
) -> None:
    invoice, other = issue(1000), issue(1000)

    note = credit(client, invoice, amount=300, memo="Sorry", metadata={"ours": "1"})

    lowered = fresh(client, invoice)
    assert (note.type, note.status, note.total) == ("pre_payment", "issued", 300)
    assert (note.pre_payment_amount, note.post_payment_amount) == (300, 0)
    assert (note.memo, note.number) == ("Sorry", f"{invoice.number}-CN-01")
    assert (lowered.amount_due, lowered.amount_remaining, lowered.status) == (700, 700, "open")
    assert lowered.pre_payment_credit_notes_amount == 300
    assert lowered.total == 1000
    assert fresh(client, other).amount_remaining == 1000
    assert client.v1.invoices.pay(invoice.id).amount_paid == 700


def test_open_invoice_that_is_credited_wholly_is_paid(
    client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue(1000)
    credit(client, invoice, amount=400)
    credit(client, invoice, amount=600)

    done = fresh(client, invoice)

    assert (done.status, done.amount_due, done.amount_paid) == ("paid", 0, 0)
    assert client.v1.charges.list({"customer": str(invoice.customer)}).data == []
    assert event_types(client)[-1] == "credit_note.created"
    assert "invoice.paid" in event_types(client, since="credit_note.created")


def test_voided_credit_note_is_asked_for_again(client: stripe.StripeClient, issue: Issue) -> None:
    invoice = issue(1000)
    note = credit(client, invoice, amount=300)

    voided = client.v1.credit_notes.void_credit_note(note.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.credit_notes.void_credit_note(note.id)

    assert voided.status == "void"
    assert voided.voided_at is not None
    assert fresh(client, invoice).amount_remaining == 1000
    assert fresh(client, invoice).pre_payment_credit_notes_amount == 0
    assert credit(client, invoice, amount=1000).number == f"{invoice.number}-CN-02"


def test_open_invoice_takes_no_refund(client: stripe.StripeClient, issue: Issue) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        credit(client, issue(1000), amount=300, refund_amount=300)


# Paid invoices


def test_paid_invoice_is_refunded_through_its_payment(
    client: stripe.StripeClient, paid: Issue
) -> None:
    invoice = paid(1000)

    note = credit(client, invoice, amount=300, refund_amount=300, reason="duplicate")

    refund = client.v1.refunds.retrieve(str(note.refunds[0].refund))
    (charge,) = client.v1.charges.list({"customer": str(invoice.customer)}).data
    assert (note.type, note.post_payment_amount) == ("post_payment", 300)
    assert (note.refunds[0].amount_refunded, refund.amount) == (300, 300)
    assert (refund.charge, refund.reason) == (charge.id, "duplicate")
    assert charge.amount_refunded == 300
    credited = fresh(client, invoice)
    assert credited.post_payment_credit_notes_amount == 300
    assert (credited.status, credited.amount_paid) == ("paid", 1000)
    assert event_types(client)[-4:] == [
        "refund.created",
        "charge.refunded",
        "invoice.updated",
        "credit_note.created",
    ]


def test_credit_goes_to_the_balance_of_the_customer(
    client: stripe.StripeClient, paid: Issue
) -> None:
    invoice = paid(1000)
    customer = str(invoice.customer)

    note = credit(client, invoice, amount=300, credit_amount=300)

    (moved,) = client.v1.customers.balance_transactions.list(customer).data
    assert client.v1.customers.retrieve(customer).balance == -300
    assert note.customer_balance_transaction == moved.id
    assert (moved.type, moved.credit_note) == ("credit_note", note.id)
    assert note.refunds == []


def test_what_was_paid_can_be_given_back_in_several_ways_at_once(
    client: stripe.StripeClient, paid: Issue
) -> None:
    invoice = paid(1000)

    note = credit(
        client, invoice, amount=1000, refund_amount=500, credit_amount=300, out_of_band_amount=200
    )

    assert note.out_of_band_amount == 200
    assert note.refunds[0].amount_refunded == 500
    assert client.v1.customers.retrieve(str(invoice.customer)).balance == -300


@pytest.mark.parametrize(
    "ways", [{}, {"refund_amount": 299}, {"refund_amount": 300, "credit_amount": 1}]
)
def test_ways_of_giving_back_must_add_up(
    client: stripe.StripeClient, paid: Issue, ways: dict[str, int]
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="must equal"):
        credit(client, paid(1000), amount=300, **ways)


def test_refund_that_was_made_before_can_be_linked_once(
    client: stripe.StripeClient, paid: Issue
) -> None:
    invoice, other = paid(1000), paid(1000)
    refunds = []
    for found in (invoice, other):
        (charge,) = client.v1.charges.list({"customer": str(found.customer)}).data
        refunds.append(client.v1.refunds.create({"charge": charge.id, "amount": 400}).id)
    own = [{"refund": refunds[0], "amount_refunded": 400}]

    note = credit(client, invoice, amount=400, refunds=own)
    with pytest.raises(stripe.InvalidRequestError):
        credit(client, invoice, amount=400, refunds=own)
    with pytest.raises(stripe.InvalidRequestError):
        credit(client, invoice, amount=400, refunds=[{"refund": refunds[1]}])
    twice = [{"refund": refunds[1]}, {"refund": refunds[1]}]
    with pytest.raises(stripe.InvalidRequestError):
        credit(client, other, amount=800, refunds=twice)

    assert [entry.refund for entry in note.refunds] == [refunds[0]]
    assert len(client.v1.refunds.list({"charge": str(charge.id)}).data) == 1


def test_never_more_than_is_left_is_credited(client: stripe.StripeClient, paid: Issue) -> None:
    invoice = paid(1000)
    credit(client, invoice, amount=700, refund_amount=700)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        credit(client, invoice, amount=301, refund_amount=301)
    credit(client, invoice, amount=300, refund_amount=300)

    assert refused.value.param == "amount"
    (charge,) = client.v1.charges.list({"customer": str(invoice.customer)}).data
    assert charge.refunded


@pytest.mark.parametrize("how", ["draft", "void"])
def test_only_finalized_invoices_are_credited(
    client: stripe.StripeClient, issue: Issue, how: str
) -> None:
    invoice = issue(1000)
    if how == "void":
        client.v1.invoices.void_invoice(invoice.id)
    else:
        invoice = client.v1.invoices.create({"customer": str(invoice.customer)})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        credit(client, invoice, amount=100)

    assert refused.value.param == "invoice"


def test_repeated_credit_note_with_the_same_key_is_one(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, paid: Issue
) -> None:
    invoice = paid(1000)
    params: Any = {"invoice": invoice.id, "amount": 300, "refund_amount": 300}
    stripe_sandbox.fail("POST /v1/credit_notes", how="timeout_after")

    with pytest.raises(stripe.APIConnectionError):
        client.v1.credit_notes.create(params, {"idempotency_key": "note-1"})
    client.v1.credit_notes.create(params, {"idempotency_key": "note-1"})

    assert len(client.v1.credit_notes.list({"invoice": invoice.id}).data) == 1
    assert fresh(client, invoice).post_payment_credit_notes_amount == 300


# Tax and lines


def test_amount_is_split_into_price_and_tax(client: stripe.StripeClient, paid: Issue) -> None:
    invoice = paid(10_000, tax=True)

    note = credit(client, invoice, amount=5950, refund_amount=5950)

    assert invoice.total == 11_900
    assert (note.subtotal, note.total_excluding_tax, note.total) == (5000, 5000, 5950)
    assert note.total_taxes is not None
    assert [tax.amount for tax in note.total_taxes] == [950]
    (line,) = note.lines.data
    assert (line.type, line.amount) == ("custom_line_item", 5000)


def test_tax_of_all_parts_is_the_tax_of_the_invoice(
    client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue(1003, tax=True)
    assert invoice.total == 1194

    notes = [credit(client, invoice, amount=398) for _ in range(3)]

    taxes = [note.total_taxes[0].amount for note in notes if note.total_taxes]
    assert sum(taxes) == 191
    assert sum(note.subtotal for note in notes) == 1003
    assert fresh(client, invoice).status == "paid"


def test_lines_can_be_credited_wholly_and_in_parts(
    client: stripe.StripeClient, paid: Issue
) -> None:
    invoice = paid(10_000, 500, tax=True)
    first, second = client.v1.invoices.line_items.list(invoice.id).data
    lines: Any = [
        {"type": "invoice_line_item", "invoice_line_item": first.id, "amount": 1000},
        {"type": "invoice_line_item", "invoice_line_item": second.id, "quantity": 1},
        {"type": "custom_line_item", "description": "Goodwill", "unit_amount": 7, "quantity": 2},
    ]

    note = credit(client, invoice, lines=lines, refund_amount=1799)
    with pytest.raises(stripe.InvalidRequestError, match="is left"):
        credit(client, invoice, lines=lines[1:2], refund_amount=595)

    assert [line.amount for line in note.lines.data] == [1000, 500, 14]
    assert [line.invoice_line_item for line in note.lines.data[:2]] == [first.id, second.id]
    assert (note.subtotal, note.total) == (1514, 1799)
    listed = client.v1.credit_notes.line_items.list(note.id, {"limit": 2})
    assert [line.id for line in listed.auto_paging_iter()] == [x.id for x in note.lines.data]


def test_line_of_nothing_can_be_credited(client: stripe.StripeClient, paid: Issue) -> None:
    invoice = paid(1000, 0, tax=True)
    _, free = client.v1.invoices.line_items.list(invoice.id).data
    lines: Any = [
        {"type": "invoice_line_item", "invoice_line_item": free.id},
        {"type": "custom_line_item", "unit_amount": 5},
    ]

    note = credit(client, invoice, lines=lines, out_of_band_amount=5)

    assert [line.amount for line in note.lines.data] == [0, 5]


def test_preview_counts_and_writes_nothing(client: stripe.StripeClient, paid: Issue) -> None:
    invoice = paid(10_000, tax=True)

    shown = client.v1.credit_notes.preview(
        {"invoice": invoice.id, "amount": 1190, "refund_amount": 1190}
    )

    assert (shown.total, shown.subtotal) == (1190, 1000)
    assert client.v1.credit_notes.list().data == []
    assert fresh(client, invoice).post_payment_credit_notes_amount == 0
    assert client.v1.refunds.list().data == []


def test_notes_are_listed_by_invoice_and_by_customer(
    client: stripe.StripeClient, issue: Issue
) -> None:
    invoice, other = issue(1000), issue(1000)
    ids = [credit(client, invoice, amount=100).id for _ in range(2)]
    another = credit(client, other, amount=100).id
    notes = client.v1.credit_notes

    by_invoice = notes.list({"invoice": invoice.id}).data
    by_customer = notes.list({"customer": str(other.customer)}).data

    assert [note.id for note in by_invoice] == ids[::-1]
    assert [note.id for note in by_customer] == [another]
    changed = notes.update(another, {"memo": "New", "metadata": {"ours": "2"}})
    assert (notes.retrieve(another).memo, changed.memo) == ("New", "New")
    assert event_types(client)[-1] == "credit_note.updated"
