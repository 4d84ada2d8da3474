"""Invoices are issued as they were asked for, and found again by what they carry of ours."""

from __future__ import annotations

from uuid import UUID

import pytest
import stripe

from flask_billing.errors import GatewayError, GatewayRefusal, GatewayUnavailable
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.billed import PERIOD, PROJECT_KEY, draft, invoice_request, issued, lines_of
from tests.gateways.conftest import OTHER_ROW, ROW, Saved

pytestmark = pytest.mark.usefixtures("conforming")


@pytest.fixture
def german(sdk: stripe.StripeClient, saved: Saved) -> Saved:
    sdk.v1.customers.update(saved.customer, {"address": {"country": "DE"}})
    return saved


def test_draft_is_asked_for_with_all_that_keeps_stripe_from_acting_on_its_own(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    gateway.create_invoice(invoice_request(saved.customer), key="invoice-1")

    [sent] = stripe_sandbox.requests
    assert sent.idempotency_key == "invoice-1"
    assert sent.params == {
        "customer": saved.customer,
        "currency": "eur",
        "auto_advance": "false",
        "collection_method": "charge_automatically",
        "pending_invoice_items_behavior": "exclude",
        "automatic_tax": {"enabled": "false"},
        "discounts": "",
        "metadata": {
            "flask_billing_id": str(ROW),
            "flask_billing_project": PROJECT_KEY,
            "flask_billing_period": PERIOD,
        },
    }


def test_draft_is_found_by_our_row_its_project_and_its_period(
    gateway: StripeGateway, saved: Saved
) -> None:
    made = [
        gateway.create_invoice(
            invoice_request(saved.customer, local_id=row, project_key=f"key-{row}"),
            key=f"invoice-{row}",
        )
        for row in (ROW, OTHER_ROW)
    ]

    assert list(gateway.invoices_of(saved.customer)) == made[::-1]
    assert [invoice.local_id for invoice in made] == [str(ROW), str(OTHER_ROW)]
    assert [invoice.project_key for invoice in made] == [f"key-{ROW}", f"key-{OTHER_ROW}"]
    for invoice in made:
        assert (invoice.state, invoice.period, invoice.currency) == ("draft", PERIOD, "eur")
        assert invoice.customer_id == saved.customer


def test_invoices_of_a_customer_are_listed_beyond_a_page(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    other = sdk.v1.customers.create({})
    sdk.v1.invoices.create({"customer": other.id})
    made = [sdk.v1.invoices.create({"customer": saved.customer}).id for _ in range(101)]

    assert [invoice.stripe_id for invoice in gateway.invoices_of(saved.customer)] == made[::-1]


def test_same_request_makes_one_draft(gateway: StripeGateway, saved: Saved) -> None:
    request = invoice_request(saved.customer)
    made = {gateway.create_invoice(request, key="invoice-1").stripe_id for _ in range(2)}

    assert len(made) == 1
    with pytest.raises(GatewayError) as refused:
        gateway.create_invoice(invoice_request(saved.customer, currency="usd"), key="invoice-1")
    assert refused.value.code == "idempotency_key_reused"


def test_draft_that_was_made_though_the_answer_was_lost_is_found(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    stripe_sandbox.fail("POST /v1/invoices", how="error_500_after")

    with pytest.raises(GatewayUnavailable):
        gateway.create_invoice(invoice_request(saved.customer), key="invoice-1")

    [found] = gateway.invoices_of(saved.customer)
    assert found.local_id == str(ROW)


def test_claimed_invoice_belongs_to_another_row_and_keeps_project_and_period(
    gateway: StripeGateway, saved: Saved
) -> None:
    made = draft(gateway, saved, 500)

    claimed = gateway.claim_invoice(made.stripe_id, local_id=OTHER_ROW)

    assert claimed.local_id == str(OTHER_ROW)
    assert (claimed.project_key, claimed.period) == (PROJECT_KEY, PERIOD)
    assert gateway.invoice(made.stripe_id) == claimed


def test_lines_carry_our_ids_and_add_up_on_the_draft(gateway: StripeGateway, saved: Saved) -> None:
    made = draft(gateway, saved, 1000, 250, -100)

    lines = gateway.invoice_lines(made.stripe_id)

    assert {line.local_id: line.amount for line in lines} == {
        "line-0": 1000,
        "line-1": 250,
        "line-2": -100,
    }
    assert (made.subtotal, made.tax, made.total, made.remaining) == (1150, 0, 1150, 1150)


def test_same_batch_of_lines_is_added_once(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = gateway.create_invoice(invoice_request(saved.customer), key="invoice-1")
    stripe_sandbox.fail("POST /v1/invoices/*/add_lines", how="timeout_after")

    gateway.add_invoice_lines(made.stripe_id, lines_of(300, 200), key="lines-1")
    again = gateway.add_invoice_lines(made.stripe_id, lines_of(300, 200), key="lines-1")

    assert again.subtotal == 500
    assert len(gateway.invoice_lines(made.stripe_id)) == 2


def test_all_lines_of_a_long_invoice_are_read(gateway: StripeGateway, saved: Saved) -> None:
    made = draft(gateway, saved, *range(1, 251))

    lines = gateway.invoice_lines(made.stripe_id)

    assert len(lines) == 250
    assert made.subtotal == sum(line.amount for line in lines) == 250 * 251 // 2


def test_line_that_somebody_else_added_has_no_id_of_ours(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = draft(gateway, saved, 1000)
    sdk.v1.invoice_items.create(
        {"customer": saved.customer, "invoice": made.stripe_id, "amount": 77, "currency": "eur"}
    )

    lines = gateway.invoice_lines(made.stripe_id)

    assert {line.local_id: line.amount for line in lines} == {"line-0": 1000, None: 77}


def test_lines_that_are_taken_off_are_gone(gateway: StripeGateway, saved: Saved) -> None:
    made = draft(gateway, saved, 1000, 250, 30)
    unwanted = [
        line.stripe_id
        for line in gateway.invoice_lines(made.stripe_id)
        if line.local_id != "line-1"
    ]

    left = gateway.remove_invoice_lines(made.stripe_id, unwanted)

    assert left.subtotal == 250
    assert [line.local_id for line in gateway.invoice_lines(made.stripe_id)] == ["line-1"]


def test_issued_invoice_is_open_and_asks_for_what_the_draft_did(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000, 250)

    sent = stripe_sandbox.requests[-1]
    assert (made.state, made.total, made.remaining, made.paid) == ("open", 1250, 1250, 0)
    assert made.issued_at is not None
    assert (made.on_terms, made.due_at, made.tax_state) == (False, None, None)
    assert (sent.idempotency_key, sent.params) == (f"finalize-{ROW}", {"auto_advance": "false"})


def test_invoice_on_terms_says_until_when_it_is_to_be_paid(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000, terms_days=30)

    [sent] = stripe_sandbox.requests.of("POST /v1/invoices")
    assert sent.params["collection_method"] == "send_invoice"
    assert sent.params["days_until_due"] == "30"
    assert made.on_terms
    assert made.due_at is not None
    assert made.issued_at is not None
    assert (made.due_at - made.issued_at).days in (29, 30)


def test_tax_comes_on_top_and_is_told_apart(gateway: StripeGateway, german: Saved) -> None:
    made = issued(gateway, german, 800, 200, automatic_tax=True)

    assert (made.subtotal, made.tax, made.total) == (1000, 190, 1190)
    assert made.tax_state == "complete"


def test_address_that_tax_lacks_is_named_and_can_be_mended(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = draft(gateway, saved, 1000, automatic_tax=True)
    assert made.tax_state == "requires_location_inputs"

    with pytest.raises(GatewayRefusal) as refused:
        gateway.finalize_invoice(made.stripe_id, key="finalize-1")
    sdk.v1.customers.update(saved.customer, {"address": {"country": "FR"}})
    again = gateway.finalize_invoice(made.stripe_id, key="finalize-1")

    assert refused.value.code == "customer_tax_location_invalid"
    assert (again.state, again.total) == ("open", 1200)


def test_credit_on_the_balance_can_pay_an_invoice_as_it_is_issued(
    gateway: StripeGateway, saved: Saved
) -> None:
    gateway.change_balance(saved.customer, -1500, "eur", local_id=ROW, key="balance-1")

    made = issued(gateway, saved, 1000)

    assert (made.state, made.remaining) == ("paid", 0)
    assert gateway.balance(saved.customer) == -500


def test_draft_that_is_deleted_is_gone_and_may_be_deleted_again(
    gateway: StripeGateway, saved: Saved
) -> None:
    gone, kept = (draft(gateway, saved, 500, row=row) for row in (ROW, OTHER_ROW))

    for _ in range(2):
        gateway.delete_draft(gone.stripe_id)

    assert gateway.invoice(gone.stripe_id) is None
    assert [invoice.stripe_id for invoice in gateway.invoices_of(saved.customer)] == [
        kept.stripe_id
    ]


def test_issued_invoice_is_not_deleted(gateway: StripeGateway, saved: Saved) -> None:
    made = issued(gateway, saved, 500)

    with pytest.raises(GatewayRefusal):
        gateway.delete_draft(made.stripe_id)

    assert gateway.invoice(made.stripe_id) is not None


def test_document_is_there_once_the_invoice_is_issued(gateway: StripeGateway, saved: Saved) -> None:
    first = gateway.invoice_document(draft(gateway, saved, 500).stripe_id)
    second = gateway.invoice_document(issued(gateway, saved, 500, row=OTHER_ROW).stripe_id)

    assert (first.number, first.page_url, first.pdf_url) == ("", None, None)
    assert second.number
    assert str(second.page_url).startswith("http")
    assert str(second.pdf_url).startswith("http")
    assert second.recipient == "Ada"


def test_document_shows_nothing_of_itself_in_logs(gateway: StripeGateway, saved: Saved) -> None:
    document = gateway.invoice_document(issued(gateway, saved, 500).stripe_id)

    assert repr(document) == "InvoiceDocument()"


def test_deleted_customer_gets_no_invoice(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    sdk.v1.customers.delete(saved.customer)

    with pytest.raises(GatewayRefusal) as refused:
        gateway.create_invoice(invoice_request(saved.customer), key=f"invoice-{UUID(int=3)}")

    assert refused.value.code == "resource_missing"
