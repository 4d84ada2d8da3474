"""An invoice is paid on its own page: with a saved card, a new one, and the bank's consent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
import stripe

from flask_billing.sandbox import CheckoutRefused
from tests.sandbox.paying import customer_with
from tests.sandbox.test_checkout import errors_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox

    Issue = Callable[..., stripe.Invoice]

CARD = {"payment_method": "new", "number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123"}


@pytest.fixture
def issue(client: stripe.StripeClient) -> Issue:
    """Makes open invoices of 12.34 euros, with a customer who has saved a card."""

    def make(token: str = "pm_card_visa", **fields: Any) -> stripe.Invoice:
        customer, _ = customer_with(
            client, token, name="Ada Lovelace", address={"line1": "Main St 1", "country": "DE"}
        )
        invoice = client.v1.invoices.create(
            {"customer": customer, "currency": "eur", "footer": "Thank you", **fields}
        )
        client.v1.invoice_items.create(
            {
                "customer": customer,
                "invoice": invoice.id,
                "amount": 1234,
                "description": "Servers",
            }
        )
        return client.v1.invoices.finalize_invoice(invoice.id)

    return make


def saved_card(client: stripe.StripeClient, invoice: stripe.Invoice) -> str:
    return client.v1.customers.payment_methods.list(str(invoice.customer)).data[0].id


def fresh(client: stripe.StripeClient, invoice: stripe.Invoice) -> stripe.Invoice:
    return client.v1.invoices.retrieve(invoice.id)


def charges(client: stripe.StripeClient, invoice: stripe.Invoice) -> list[str]:
    found = client.v1.charges.list({"customer": str(invoice.customer)}).data
    return [charge.status for charge in found]


def send(browser: requests.Session, invoice: stripe.Invoice, **values: str) -> requests.Response:
    return browser.post(str(invoice.hosted_invoice_url), data=values, allow_redirects=False)


def heading(answer: requests.Response) -> str:
    found = re.search(r"<h1>(.*?)</h1>", answer.text)
    assert found is not None
    return found[1]


def test_page_shows_the_invoice(browser: requests.Session, issue: Issue) -> None:
    invoice, other = issue(automatic_tax={"enabled": True}), issue()

    shown = browser.get(str(invoice.hosted_invoice_url))

    assert shown.status_code == 200
    assert heading(shown) == "Pay 14.68 EUR"
    assert str(invoice.number) in shown.text
    assert str(other.number) not in shown.text
    for part in ("Servers", "12.34 EUR", "VAT 19 %", "2.34 EUR", "14.68 EUR", "Ada Lovelace"):
        assert part in shown.text
    assert "Visa ending in 4242" in shown.text


def test_page_runs_no_script_and_is_not_kept(browser: requests.Session, issue: Issue) -> None:
    shown = browser.get(str(issue().hosted_invoice_url))

    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in shown.text
    assert "style=" not in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


def test_invoice_is_paid_with_a_saved_card(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice, other = issue(), issue()

    answer = send(browser, invoice, payment_method=saved_card(client, invoice))
    after = browser.get(str(invoice.hosted_invoice_url))

    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"/i/{invoice.id}")
    assert heading(after) == "This invoice is paid"
    assert "<form" not in after.text
    assert fresh(client, invoice).status == "paid"
    assert charges(client, invoice) == ["succeeded"]
    assert fresh(client, other).status == "open"


def test_invoice_is_paid_with_a_new_card_that_is_not_kept(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue("pm_card_chargeCustomerFail")

    answer = send(browser, invoice, **CARD)

    assert answer.status_code == 303
    assert fresh(client, invoice).status == "paid"
    methods = client.v1.customers.payment_methods.list(str(invoice.customer)).data
    assert [method.card and method.card.last4 for method in methods] == ["0341"]


def test_declined_card_leaves_the_invoice_open_and_says_so(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue("pm_card_chargeCustomerFail")

    saved = send(browser, invoice, payment_method=saved_card(client, invoice))
    new = send(browser, invoice, **{**CARD, "number": "4000 0000 0000 0069"})
    later = browser.get(str(invoice.hosted_invoice_url))

    assert (saved.status_code, errors_on(saved)) == (422, {"payment_method"})
    assert (new.status_code, errors_on(new)) == (422, {"expiry"})
    assert "The last try failed" in later.text
    assert "Your card has expired." in later.text
    assert fresh(client, invoice).status == "open"
    assert charges(client, invoice) == ["failed", "failed"]


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({}, {"number", "expiry", "cvc"}),
        ({**CARD, "number": "4111 1111 1111 1111"}, {"number"}),
        ({**CARD, "number": "4242 4242 4242 4241"}, {"number"}),
        ({**CARD, "expiry": "13/34"}, {"expiry"}),
        ({**CARD, "cvc": "12"}, {"cvc"}),
        ({**CARD, "payment_method": "pm_1OfAnotherCustomer"}, {"payment_method"}),
    ],
)
def test_what_is_not_right_is_not_charged(
    client: stripe.StripeClient,
    browser: requests.Session,
    issue: Issue,
    typed: dict[str, str],
    fields: set[str],
) -> None:
    invoice = issue()

    answer = send(browser, invoice, **typed)

    assert (answer.status_code, errors_on(answer)) == (422, fields)
    assert charges(client, invoice) == []


def test_card_of_another_customer_cannot_pay(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice, other = issue(), issue()

    answer = send(browser, invoice, payment_method=saved_card(client, other))

    assert errors_on(answer) == {"payment_method"}
    assert charges(client, other) == []


def test_bank_is_asked_and_the_invoice_is_paid_after_its_consent(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue("pm_card_authenticationRequired")

    asked = send(browser, invoice, payment_method=saved_card(client, invoice))
    challenge = asked.headers["Location"]
    waiting = browser.get(str(invoice.hosted_invoice_url))
    answered = browser.post(challenge, data={"answer": "complete"}, allow_redirects=False)

    assert heading(browser.get(challenge)) == "There is nothing to confirm"
    assert challenge in waiting.text
    assert answered.headers["Location"] == invoice.hosted_invoice_url
    assert fresh(client, invoice).status == "paid"
    assert charges(client, invoice) == ["succeeded"]


def test_failed_challenge_lets_the_person_try_another_card(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue("pm_card_authenticationRequired")
    asked = send(browser, invoice, payment_method=saved_card(client, invoice))

    back = browser.post(asked.headers["Location"], data={"answer": "fail"})
    paid = send(browser, invoice, **CARD)

    assert heading(back) == "Pay 12.34 EUR"
    assert "failed authentication" in back.text
    assert paid.status_code == 303
    assert fresh(client, invoice).status == "paid"


def test_off_session_try_that_needs_the_person_is_finished_on_the_page(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue("pm_card_authenticationRequired")
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id, {"payment_method": saved_card(client, invoice)})

    shown = browser.get(str(invoice.hosted_invoice_url))
    found = re.search(r'class="button" href="([^"]+)"', shown.text)
    assert found is not None
    browser.post(found[1], data={"answer": "complete"})

    assert fresh(client, invoice).status == "paid"


def test_two_tabs_pay_once(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue()
    method = saved_card(client, invoice)

    first = send(browser, invoice, payment_method=method)
    second = send(browser, invoice, payment_method=method)

    assert first.status_code == 303
    assert (second.status_code, heading(second)) == (200, "This invoice is paid")
    assert charges(client, invoice) == ["succeeded"]


def test_void_invoice_asks_for_nothing_and_an_uncollectible_one_can_be_paid(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    void, written_off = issue(), issue()
    client.v1.invoices.void_invoice(void.id)
    client.v1.invoices.mark_uncollectible(written_off.id)

    shown = browser.get(str(void.hosted_invoice_url))
    refused = send(browser, void, **CARD)
    paid = send(browser, written_off, **CARD)

    assert heading(shown) == heading(refused) == "This invoice is void"
    assert paid.status_code == 303
    assert fresh(client, written_off).status == "paid"


def test_draft_and_unknown_invoice_have_no_page(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    draft = client.v1.invoices.create({"customer": str(issue().customer)})

    for name in (draft.id, "in_unknown", str(issue().customer)):
        for address in (f"/i/{name}", f"/i/{name}/pdf", f"/i/{name}/credit_notes/cn_1"):
            assert browser.get(stripe_sandbox.url + address).status_code == 404


def test_invoice_and_credit_note_can_be_printed(
    client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice, other = issue(automatic_tax={"enabled": True}), issue()
    note = client.v1.credit_notes.create({"invoice": invoice.id, "amount": 119, "memo": "Sorry"})

    printed = browser.get(str(invoice.invoice_pdf))
    credit = browser.get(note.pdf)
    strange = browser.get(f"{other.hosted_invoice_url}/credit_notes/{note.id}")

    assert heading(printed) == f"Invoice {invoice.number}"
    assert "13.49 EUR" in printed.text
    assert "<form" not in printed.text
    assert heading(credit) == f"Credit note {note.number}"
    assert "0.19 EUR" in credit.text
    assert strange.status_code == 404


def test_currency_without_minor_units_is_shown_without_them(
    client: stripe.StripeClient, browser: requests.Session
) -> None:
    customer, _ = customer_with(client)
    invoice = client.v1.invoices.create({"customer": customer, "currency": "jpy"})
    client.v1.invoice_items.create({"customer": customer, "invoice": invoice.id, "amount": 12_345})
    opened = client.v1.invoices.finalize_invoice(invoice.id)

    assert heading(browser.get(str(opened.hosted_invoice_url))) == "Pay 12,345 JPY"


# Without a browser


def test_person_can_be_played(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue("pm_card_authenticationRequired")
    saved = saved_card(client, invoice)

    with pytest.raises(CheckoutRefused, match="declined"):
        stripe_sandbox.pay_invoice(invoice.id, card="4000000000000002")
    with pytest.raises(CheckoutRefused, match="authentication"):
        stripe_sandbox.pay_invoice(invoice.id, payment_method=saved, authenticate=False)
    waiting = stripe_sandbox.pay_invoice(invoice.id, payment_method=saved, authenticate=None)
    paid = stripe_sandbox.pay_invoice(invoice.id, payment_method=saved)
    with pytest.raises(CheckoutRefused, match="is paid"):
        stripe_sandbox.pay_invoice(invoice.id)

    assert (waiting, paid) == ("requires_action", "succeeded")
    assert fresh(client, invoice).status == "paid"


def test_person_can_be_played_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice = issue()
    address = f"{stripe_sandbox.url}/_sandbox/invoices/{invoice.id}/pay"

    declined = browser.post(address, json={"card": "4000000000000002"})
    paid = browser.post(address, json={})

    assert (declined.status_code, set(declined.json()["errors"])) == (422, {"number"})
    assert paid.json() == {"status": "succeeded"}
    assert fresh(client, invoice).status == "paid"
