"""Tax is counted by the customer's country, exemption and verified tax ids."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.invoicing import customer_in, draft, opened, types_of

TAXED: Any = {"automatic_tax": {"enabled": True}}


@pytest.mark.parametrize(
    ("country", "tax", "reason"),
    [
        ("DE", 190, "standard_rated"),
        ("FR", 200, "standard_rated"),
        ("FI", 255, "standard_rated"),
        ("GB", 200, "standard_rated"),
        ("US", 0, "not_collecting"),
    ],
)
def test_tax_is_that_of_the_country(
    client: stripe.StripeClient, country: str, tax: int, reason: str
) -> None:
    invoice = opened(client, customer_in(client, country), 600, 400, **TAXED)

    assert (invoice.subtotal, invoice.total, invoice.amount_due) == (1000, 1000 + tax, 1000 + tax)
    assert invoice.total_excluding_tax == 1000
    assert invoice.automatic_tax.status == "complete"
    assert invoice.total_taxes is not None
    (total,) = invoice.total_taxes
    assert (total.amount, total.taxable_amount, total.taxability_reason) == (tax, 1000, reason)
    lines = [line.taxes[0].amount for line in invoice.lines.data if line.taxes]
    assert sum(lines) == tax
    assert total.tax_rate_details is not None
    rate = client.v1.tax_rates.retrieve(total.tax_rate_details.tax_rate)
    assert (rate.country, rate.percentage, rate.inclusive) == (country, tax / 10, False)


def test_inclusive_price_holds_its_tax(client: stripe.StripeClient) -> None:
    customer = customer_in(client, "DE")
    invoice = draft(client, customer, 1000, **TAXED)
    client.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": invoice.id,
            "amount": 1190,
            "currency": "eur",
            "tax_behavior": "inclusive",
        }
    )

    after = client.v1.invoices.retrieve(invoice.id)

    assert (after.subtotal, after.subtotal_excluding_tax) == (2190, 2000)
    assert (after.total, after.total_excluding_tax) == (2380, 2000)
    assert after.total_taxes is not None
    assert [(t.amount, t.tax_behavior) for t in after.total_taxes] == [
        (190, "exclusive"),
        (190, "inclusive"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tax_exempt": "exempt"}, "customer_exempt"),
        ({"tax_exempt": "reverse"}, "reverse_charge"),
    ],
)
def test_exempt_customer_pays_no_tax(
    client: stripe.StripeClient, change: dict[str, Any], reason: str
) -> None:
    customer = customer_in(client, "DE")
    client.v1.customers.update(customer, change)  # type: ignore[arg-type]

    invoice = opened(client, customer, 1000, **TAXED)

    assert invoice.total == 1000
    assert invoice.total_taxes is not None
    assert [tax.taxability_reason for tax in invoice.total_taxes] == [reason]


@pytest.mark.parametrize(("value", "total"), [("DE123456789", 1000), ("DE111111111", 1190)])
def test_only_a_verified_tax_id_reverses_the_charge(
    client: stripe.StripeClient, value: str, total: int
) -> None:
    customer = customer_in(client, "DE")
    client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": value})

    invoice = opened(client, customer, 1000, **TAXED)

    assert invoice.total == total
    assert invoice.customer_tax_ids is not None
    assert [tax_id.value for tax_id in invoice.customer_tax_ids] == [value]


@pytest.mark.parametrize(
    ("country", "status", "code"),
    [
        (None, "requires_location_inputs", "customer_tax_location_invalid"),
        ("ZZ", "failed", "taxes_calculation_failed"),
    ],
)
def test_address_that_tax_needs_can_be_mended(
    client: stripe.StripeClient, country: str | None, status: str, code: str
) -> None:
    customer = customer_in(client, country)
    invoice = draft(client, customer, 1000, **TAXED)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.invoices.finalize_invoice(invoice.id)

    waiting = client.v1.invoices.retrieve(invoice.id)
    assert (refused.value.http_status, refused.value.code) == (400, code)
    assert (waiting.status, waiting.automatic_tax.status) == ("draft", status)
    assert waiting.last_finalization_error is not None
    assert waiting.last_finalization_error.code == code
    assert types_of(client, "invoice")[-1] == "invoice.finalization_failed"
    client.v1.customers.update(customer, {"address": {"country": "DE"}})
    mended = client.v1.invoices.finalize_invoice(invoice.id)
    assert (mended.status, mended.total, mended.last_finalization_error) == ("open", 1190, None)


def test_invoice_without_automatic_tax_has_none(client: stripe.StripeClient) -> None:
    customer = customer_in(client, "DE")
    plain = draft(client, customer, 1000)

    taxed = client.v1.invoices.update(plain.id, TAXED)

    assert (plain.total, plain.total_taxes, plain.automatic_tax.status) == (1000, [], None)
    assert (taxed.total, taxed.automatic_tax.status) == (1190, "complete")
