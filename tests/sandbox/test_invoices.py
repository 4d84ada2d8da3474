"""Invoices, their items and lines live as Stripe's do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.invoicing import customer_in, draft, opened, saved, types_of

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

DAY = 24 * 3600


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return customer_in(client)


# Drafts


def test_new_invoice_is_an_empty_draft(client: stripe.StripeClient, customer: str) -> None:
    invoice = client.v1.invoices.create({"customer": customer, "metadata": {"period": "2026-10"}})

    assert (invoice.status, invoice.total, invoice.auto_advance) == ("draft", 0, False)
    assert (invoice.number, invoice.hosted_invoice_url, invoice.invoice_pdf) == (None, None, None)
    assert (invoice.collection_method, invoice.currency) == ("charge_automatically", "usd")
    assert invoice.to_dict()["metadata"] == {"period": "2026-10"}
    assert not hasattr(invoice, "payments")
    assert not hasattr(invoice, "confirmation_secret")


def test_items_and_lines_add_up(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, 1000, -300)
    item = client.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": invoice.id,
            "unit_amount_decimal": "0.125",
            "quantity": 60,
            "metadata": {"line": "7"},
        }
    )

    after = client.v1.invoices.retrieve(invoice.id)

    assert item.amount == 8
    assert [line.amount for line in after.lines.data] == [1000, -300, 8]
    assert (after.subtotal, after.total, after.amount_due) == (708, 708, 708)
    assert after.lines.data[2].metadata["line"] == "7"
    parent = after.lines.data[2].parent
    assert parent is not None
    assert parent.invoice_item_details is not None
    assert parent.invoice_item_details.invoice_item == item.id


def test_waiting_items_are_included_only_on_request(
    client: stripe.StripeClient, customer: str
) -> None:
    for amount in (100, 200):
        client.v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "eur"})
    other: Any = {"customer": customer, "amount": 999, "currency": "usd"}
    client.v1.invoice_items.create(other)

    without = draft(client, customer)
    including = draft(client, customer, pending_invoice_items_behavior="include")
    again = draft(client, customer, pending_invoice_items_behavior="include")

    assert (without.total, including.total, again.total) == (0, 300, 0)
    assert [line.amount for line in including.lines.data] == [200, 100]
    waiting = client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [item.amount for item in waiting] == [999]


def test_lines_are_changed_and_taken_off(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, 100, 200, 300)
    first, second, third = (line.id for line in invoice.lines.data)

    client.v1.invoices.update_lines(invoice.id, {"lines": [{"id": first, "amount": 150}]})
    removed: Any = [
        {"id": second, "behavior": "delete"},
        {"id": third, "behavior": "unassign"},
    ]
    after = client.v1.invoices.remove_lines(
        invoice.id, {"lines": removed, "invoice_metadata": {"a": "1"}}
    )

    assert [line.amount for line in after.lines.data] == [150]
    assert (after.total, after.to_dict()["metadata"]) == (150, {"a": "1"})
    waiting = client.v1.invoice_items.list({"customer": customer, "pending": True}).data
    assert [item.amount for item in waiting] == [300]
    item: Any = [{"invoice_item": waiting[0].id}]
    assert client.v1.invoices.add_lines(invoice.id, {"lines": item}).total == 450


def test_items_are_changed_and_deleted(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, 100, 200)
    first, second = reversed(client.v1.invoice_items.list({"invoice": invoice.id}).data)

    client.v1.invoice_items.update(first.id, {"amount": 70, "description": "Less"})
    client.v1.invoice_items.delete(second.id)

    after = client.v1.invoices.retrieve(invoice.id)
    assert [(line.amount, line.description) for line in after.lines.data] == [(70, "Less")]
    assert after.total == 70
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.invoice_items.retrieve(second.id)
    assert gone.value.http_status == 404


def test_lines_are_paged_from_the_first(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, *range(1, 26))

    lines = client.v1.invoices.line_items.list(invoice.id, {"limit": 10})
    back = client.v1.invoices.line_items.list(
        invoice.id, {"limit": 4, "ending_before": lines.data[9].id}
    )

    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    assert [line.amount for line in lines.auto_paging_iter()] == list(range(1, 26))
    assert [line.amount for line in back.data] == [6, 7, 8, 9]


def test_invoice_takes_250_items(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, *[1] * 250)

    with pytest.raises(stripe.InvalidRequestError, match="at most 250"):
        client.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": 1, "currency": "eur"}
        )
    with pytest.raises(stripe.InvalidRequestError, match="at most 250"):
        client.v1.invoices.add_lines(invoice.id, {"lines": [{"amount": 1}]})

    assert client.v1.invoices.retrieve(invoice.id).total == 250


def test_item_belongs_where_it_is_put(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, 100)
    item: Any = {"customer": customer, "invoice": invoice.id, "amount": 1}

    for wrong in (
        {"customer": customer_in(client)},
        {"currency": "usd"},
        {"invoice": "in_missing"},
        {"pricing": {"price": "price_missing"}},
        {"unit_amount_decimal": "1"},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.invoice_items.create({**item, **wrong})

    assert client.v1.invoices.retrieve(invoice.id).total == 100


def test_only_drafts_are_edited_and_deleted(client: stripe.StripeClient, customer: str) -> None:
    invoice, other = opened(client, customer, 500), draft(client, customer, 700)
    item = client.v1.invoice_items.list({"invoice": invoice.id}).data[0].id
    line = invoice.lines.data[0].id

    for edit in (
        lambda: client.v1.invoice_items.update(item, {"amount": 1}),
        lambda: client.v1.invoice_items.delete(item),
        lambda: client.v1.invoices.add_lines(invoice.id, {"lines": [{"amount": 1}]}),
        lambda: client.v1.invoices.update_lines(invoice.id, {"lines": [{"id": line, "amount": 1}]}),
        lambda: client.v1.invoices.update(invoice.id, {"collection_method": "send_invoice"}),
        lambda: client.v1.invoices.update(invoice.id, {"due_date": 2_000_000_000}),
        lambda: client.v1.invoices.finalize_invoice(invoice.id),
        lambda: client.v1.invoices.delete(invoice.id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            edit()
        assert (refused.value.http_status, refused.value.code) == (400, "invoice_not_editable")

    client.v1.invoices.delete(other.id)
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.invoices.retrieve(other.id)
    assert gone.value.http_status == 404
    changed = client.v1.invoices.update(invoice.id, {"metadata": {"a": "1"}})
    assert (changed.to_dict()["metadata"], changed.total) == ({"a": "1"}, 500)


def test_terms_are_for_invoices_that_are_sent(client: stripe.StripeClient, customer: str) -> None:
    for wrong in (
        {"days_until_due": 14},
        {"due_date": 2_000_000_000},
        {"collection_method": "send_invoice"},
        {"collection_method": "send_invoice", "days_until_due": 1, "due_date": 2_000_000_000},
    ):
        with pytest.raises(stripe.InvalidRequestError):
            draft(client, customer, **wrong)

    assert client.v1.invoices.list({"customer": customer}).data == []


def test_invoices_are_listed_by_customer_status_and_method(
    client: stripe.StripeClient, customer: str
) -> None:
    other = customer_in(client)
    drafts = [draft(client, customer, 100).id for _ in range(2)]
    asked = opened(client, customer, 100, collection_method="send_invoice", days_until_due=7).id
    draft(client, other, 100)

    def listed(**params: Any) -> list[str]:
        return [i.id for i in client.v1.invoices.list(params).auto_paging_iter()]  # type: ignore[arg-type]

    assert listed(customer=customer, limit=1) == [asked, *reversed(drafts)]
    assert listed(customer=customer, status="draft") == list(reversed(drafts))
    assert listed(customer=customer, collection_method="send_invoice") == [asked]
    assert listed(customer=customer, subscription="sub_1") == []


# Finalisation


def test_finalisation_fixes_the_amounts_and_asks_for_them(
    client: stripe.StripeClient, customer: str
) -> None:
    first, second = opened(client, customer, 1000), opened(client, customer, 2000)

    expand: Any = {"expand": ["payments.data.payment.payment_intent", "confirmation_secret"]}
    invoice = client.v1.invoices.retrieve(second.id, expand)

    assert (invoice.status, invoice.amount_due, invoice.amount_remaining) == ("open", 2000, 2000)
    prefix = client.v1.customers.retrieve(customer).invoice_prefix
    assert [first.number, second.number] == [f"{prefix}-0001", f"{prefix}-0002"]
    assert invoice.hosted_invoice_url != first.hosted_invoice_url
    assert invoice.invoice_pdf
    assert invoice.status_transitions.finalized_at
    assert invoice.payments is not None
    payment = invoice.payments.data[0]
    assert (payment.status, payment.is_default, payment.amount_requested) == ("open", True, 2000)
    intent = payment.payment.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.amount, intent.status) == (2000, "requires_payment_method")
    assert invoice.confirmation_secret is not None
    assert invoice.confirmation_secret.client_secret == intent.client_secret


def test_draft_follows_its_customer_until_it_is_finalized(
    client: stripe.StripeClient, customer: str
) -> None:
    waiting, fixed = draft(client, customer, 100), opened(client, customer, 100)

    client.v1.customers.update(customer, {"name": "Ada", "email": "ada@example.com"})

    assert client.v1.invoices.retrieve(waiting.id).customer_name == "Ada"
    assert client.v1.invoices.retrieve(fixed.id).customer_name is None


@pytest.mark.parametrize(
    ("amounts", "balance", "paid", "due", "left"),
    [
        ((1000,), -400, False, 600, 0),
        ((1000,), -1500, True, 0, -500),
        ((1000,), 250, False, 1250, 0),
        ((0,), -300, True, 0, -300),
        ((100, -600), -50, True, 0, -550),
        ((30,), 0, True, 0, 30),
        ((1000,), -980, True, 0, 20),
    ],
)
def test_finalisation_uses_the_balance(
    client: stripe.StripeClient,
    customer: str,
    amounts: tuple[int, ...],
    balance: int,
    *,
    paid: bool,
    due: int,
    left: int,
) -> None:
    if balance:
        client.v1.customers.balance_transactions.create(
            customer, {"amount": balance, "currency": "eur"}
        )

    invoice = opened(client, customer, *amounts)

    assert (invoice.status, invoice.amount_due) == ("paid" if paid else "open", due)
    assert (invoice.starting_balance, invoice.ending_balance) == (balance, left)
    assert invoice.amount_remaining == due
    assert client.v1.customers.retrieve(customer).balance == left
    moved = client.v1.customers.balance_transactions.list(customer, {"invoice": invoice.id}).data
    assert sum(transaction.amount for transaction in moved) == left - balance
    kinds = {transaction.type for transaction in moved}
    assert kinds <= {"applied_to_invoice", "invoice_too_small"}
    assert ("invoice_too_small" in kinds) == (left > 0)


def test_balance_of_another_currency_is_not_used(
    client: stripe.StripeClient, customer: str
) -> None:
    balances = client.v1.customers.balance_transactions
    balances.create(customer, {"amount": -500, "currency": "usd"})
    first = balances.create(customer, {"amount": -200, "currency": "eur"})

    invoice = opened(client, customer, 1000)

    assert first.ending_balance == -200
    assert (invoice.amount_due, invoice.starting_balance) == (800, -200)
    after = client.v1.customers.retrieve(customer)
    assert (after.balance, after.currency) == (-500, "usd")


def test_transaction_of_a_balance_is_read_and_annotated(
    client: stripe.StripeClient, customer: str
) -> None:
    balances = client.v1.customers.balance_transactions
    made, other = (balances.create(customer, {"amount": a, "currency": "eur"}) for a in (-1, -2))

    balances.update(customer, made.id, {"metadata": {"a": "1"}, "description": "Sorry"})

    found = balances.retrieve(customer, made.id)
    assert (found.amount, found.type, found.description) == (-1, "adjustment", "Sorry")
    assert found.to_dict()["metadata"] == {"a": "1"}
    assert [entry.id for entry in balances.list(customer).data] == [other.id, made.id]
    with pytest.raises(stripe.InvalidRequestError):
        balances.retrieve(customer_in(client), made.id)


def test_more_than_can_be_charged_is_not_finalized(
    client: stripe.StripeClient, customer: str
) -> None:
    invoice = draft(client, customer, 99_999_999, 1)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.finalize_invoice(invoice.id)

    assert refused.value.code == "amount_too_large"
    assert client.v1.invoices.retrieve(invoice.id).status == "draft"


def test_deleted_customer_gets_no_invoice(client: stripe.StripeClient, customer: str) -> None:
    invoice = draft(client, customer, 500)
    client.v1.customers.delete(customer)

    for act in (
        lambda: draft(client, customer, 500),
        lambda: client.v1.invoices.finalize_invoice(invoice.id),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="No such customer") as refused:
            act()
        assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    assert client.v1.invoices.retrieve(invoice.id).total == 500


# Afterwards


def test_voided_invoice_is_over_and_gives_the_balance_back(
    client: stripe.StripeClient, customer: str
) -> None:
    client.v1.customers.balance_transactions.create(customer, {"amount": -100, "currency": "eur"})
    invoice, other = opened(client, customer, 1000), opened(client, customer, 1000)

    voided = client.v1.invoices.void_invoice(invoice.id)

    assert (voided.status, voided.amount_paid) == ("void", 0)
    assert client.v1.customers.retrieve(customer).balance == -100
    payment = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0]
    assert payment.status == "canceled"
    intent = client.v1.payment_intents.retrieve(str(payment.payment.payment_intent))
    assert (intent.status, intent.cancellation_reason) == ("canceled", "void_invoice")
    assert types_of(client, "invoice")[-2:] == ["invoice.updated", "invoice.voided"]
    for act in (client.v1.invoices.pay, client.v1.invoices.void_invoice):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act(invoice.id)
        assert refused.value.http_status == 400
    assert client.v1.invoices.retrieve(other.id).status == "open"


def test_uncollectible_invoice_can_be_paid_or_voided(
    client: stripe.StripeClient, customer: str
) -> None:
    card = saved(client, customer)
    first, second = (opened(client, customer, 1000).id for _ in range(2))
    for invoice in (first, second):
        assert client.v1.invoices.mark_uncollectible(invoice).status == "uncollectible"

    assert client.v1.invoices.pay(first, {"payment_method": card}).status == "paid"
    assert client.v1.invoices.void_invoice(second).status == "void"


@pytest.mark.parametrize("verb", ["void_invoice", "mark_uncollectible"])
def test_draft_and_paid_invoice_have_no_such_end(
    client: stripe.StripeClient, customer: str, verb: str
) -> None:
    for invoice in (draft(client, customer, 500), opened(client, customer, 0)):
        with pytest.raises(stripe.InvalidRequestError, match="isn't open"):
            getattr(client.v1.invoices, verb)(invoice.id)


def test_sent_invoice_falls_due(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    terms: Any = {"collection_method": "send_invoice", "days_until_due": 14}
    late, paid = draft(client, customer, 500, **terms), draft(client, customer, 700, **terms)
    for invoice in (late, paid):
        sent = client.v1.invoices.send_invoice(invoice.id)
        assert (sent.status, sent.due_date is not None) == ("open", True)
    client.v1.invoices.pay(paid.id, {"paid_out_of_band": True})

    stripe_sandbox.advance(14 * DAY + 60)

    overdue = client.v1.events.list({"type": "invoice.overdue"}).data
    assert [event.data.object["id"] for event in overdue] == [late.id]
    assert types_of(client, "invoice").count("invoice.sent") == 2
    with pytest.raises(stripe.InvalidRequestError, match="send_invoice"):
        client.v1.invoices.send_invoice(draft(client, customer, 500).id)


def test_invoice_that_advances_is_finalized_and_charged_in_an_hour(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    settings: Any = {"default_payment_method": saved(client, customer)}
    client.v1.customers.update(customer, {"invoice_settings": settings})
    advancing = draft(client, customer, 500, auto_advance=True)
    staying = draft(client, customer, 500)
    halted = draft(client, customer, 500, auto_advance=True)
    client.v1.invoices.update(halted.id, {"auto_advance": False})

    stripe_sandbox.advance(3700)

    found = [client.v1.invoices.retrieve(i.id) for i in (advancing, staying, halted)]
    assert [invoice.status for invoice in found] == ["paid", "draft", "draft"]
    assert found[0].hosted_invoice_url
    assert found[0].hosted_invoice_url.startswith(stripe_sandbox.url)


def test_invoice_that_advances_is_sent_once(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    terms: Any = {"collection_method": "send_invoice", "days_until_due": 14}
    invoice = draft(client, customer, 500, auto_advance=True, **terms)
    client.v1.invoices.finalize_invoice(invoice.id, {"auto_advance": True})

    for _ in range(2):
        stripe_sandbox.advance(3700)

    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    assert types_of(client, "invoice").count("invoice.sent") == 1
