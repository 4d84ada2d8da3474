"""Invoices are paid, declined, confirmed by the bank and overpaid as Stripe's are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import stripe

from tests.sandbox.invoicing import (
    customer_in,
    draft,
    opened,
    saved,
    saved_account,
    types_of,
)

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

MONEY = ("charge", "invoice", "invoice_payment", "payment_intent")


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return customer_in(client)


def pay(
    client: stripe.StripeClient, invoice: stripe.Invoice, method: str, key: str = "", **more: Any
) -> stripe.Invoice:
    options: Any = {"idempotency_key": key} if key else {}
    return client.v1.invoices.pay(invoice.id, {"payment_method": method, **more}, options)


def declined(
    client: stripe.StripeClient, invoice: stripe.Invoice, method: str, key: str = "", **more: Any
) -> stripe.CardError:
    with pytest.raises(stripe.CardError) as raised:
        pay(client, invoice, method, key, **more)
    assert raised.value.http_status == 402
    return raised.value


def intent_of(client: stripe.StripeClient, invoice: stripe.Invoice) -> stripe.PaymentIntent:
    """Give the intent of the default payment."""
    payments = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    default = next(payment for payment in payments if payment.is_default)
    return client.v1.payment_intents.retrieve(str(default.payment.payment_intent))


def made_intent(
    client: stripe.StripeClient, customer: str, amount: int, method: str | None = None
) -> stripe.PaymentIntent:
    """Make a payment intent beside the invoice's own, charged when a method is given."""
    charged: Any = {"payment_method": method, "confirm": True, "off_session": True}
    return client.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "eur",
            "customer": customer,
            **(charged if method else {}),
        }
    )


# Cards


def test_payment_is_told_in_stripes_order(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)
    invoice, other = opened(client, customer, 1000), opened(client, customer, 2000)
    before = len(types_of(client, *MONEY))

    paid = pay(client, invoice, card, expand=["payments.data.payment.payment_intent"])

    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert (paid.attempted, paid.attempt_count) == (True, 1)
    assert paid.payments is not None
    payment = paid.payments.data[0]
    assert (payment.status, payment.amount_paid, payment.is_default) == ("paid", 1000, True)
    assert isinstance(payment.payment.payment_intent, stripe.PaymentIntent)
    assert payment.payment.payment_intent.status == "succeeded"
    assert types_of(client, *MONEY)[before:] == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
    ]
    assert client.v1.invoices.retrieve(other.id).status == "open"


def test_every_try_uses_the_same_intent(client: stripe.StripeClient, customer: str) -> None:
    failing, card = saved(client, customer, "pm_card_chargeCustomerFail"), saved(client, customer)
    invoice = opened(client, customer, 1000)
    before = len(types_of(client, *MONEY))

    error = declined(client, invoice, failing)

    after = client.v1.invoices.retrieve(invoice.id)
    intent = intent_of(client, invoice)
    assert error.code == "card_declined"
    assert isinstance(error.error, stripe.ErrorObject)
    assert error.error.decline_code == "generic_decline"
    assert error.error.payment_intent is not None
    assert error.error.payment_intent.id == intent.id
    assert (after.status, after.attempted, after.attempt_count) == ("open", True, 1)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == "card_declined"
    assert types_of(client, *MONEY)[before:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "invoice.updated",
        "invoice.payment_failed",
    ]
    assert pay(client, invoice, card).status == "paid"
    assert intent_of(client, invoice).id == intent.id
    charges = client.v1.charges.list({"payment_intent": intent.id}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]


def test_decline_is_replayed_to_its_key_only(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    failing, card = saved(client, customer, "pm_card_chargeCustomerFail"), saved(client, customer)
    invoice = opened(client, customer, 1000)

    first = declined(client, invoice, failing, "attempt-1")
    again = declined(client, invoice, failing, "attempt-1")

    assert again.http_body == first.http_body
    assert again.headers is not None
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.charges.list({"customer": customer}).data) == 1
    with pytest.raises(stripe.IdempotencyError):
        pay(client, invoice, card, "attempt-1")
    stripe_sandbox.advance(25 * 3600)
    assert pay(client, invoice, card, "attempt-1").status == "paid"


@pytest.mark.parametrize(
    "token", ["pm_card_authenticationRequired", "pm_card_authenticationRequiredOnSetup"]
)
@pytest.mark.parametrize("off_session", [True, False])
def test_card_that_wants_its_holder_waits_for_them(
    client: stripe.StripeClient,
    customer: str,
    browser: requests.Session,
    token: str,
    *,
    off_session: bool,
) -> None:
    card = saved(client, customer, token)
    invoice = opened(client, customer, 1000)
    before = len(types_of(client, *MONEY))

    error = declined(client, invoice, card, off_session=off_session)

    intent = intent_of(client, invoice)
    assert error.code == "invoice_payment_intent_requires_action"
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    assert intent.status == "requires_action"
    assert types_of(client, *MONEY)[before:] == [
        "payment_intent.requires_action",
        "invoice.updated",
        "invoice.payment_action_required",
        "invoice.payment_failed",
    ]
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    page = str(intent.next_action.redirect_to_url.url)
    answered = browser.post(page, data={"answer": "complete"}, allow_redirects=False)
    assert answered.headers["Location"] == invoice.hosted_invoice_url
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_failed_confirmation_leaves_the_invoice_open(
    client: stripe.StripeClient, customer: str, browser: requests.Session
) -> None:
    failing, wanting = (
        saved(client, customer, f"pm_card_{name}")
        for name in ("chargeCustomerFail", "authenticationRequired")
    )
    invoice = opened(client, customer, 1000)
    declined(client, invoice, failing)
    declined(client, invoice, wanting)
    action = intent_of(client, invoice).next_action
    assert action is not None
    assert action.redirect_to_url is not None

    browser.post(str(action.redirect_to_url.url), data={"answer": "fail"}, allow_redirects=False)

    intent = intent_of(client, invoice)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    assert pay(client, invoice, saved(client, customer)).status == "paid"


def test_another_card_can_be_charged_while_the_bank_waits(
    client: stripe.StripeClient, customer: str, browser: requests.Session
) -> None:
    invoice = opened(client, customer, 1000)
    declined(client, invoice, saved(client, customer, "pm_card_authenticationRequired"))
    action = intent_of(client, invoice).next_action
    assert action is not None
    assert action.redirect_to_url is not None

    paid = pay(client, invoice, saved(client, customer))

    late = browser.post(str(action.redirect_to_url.url), data={"answer": "complete"})
    assert (paid.status, late.status_code) == ("paid", 410)
    assert len(client.v1.charges.list({"customer": customer}).data) == 1


def test_intent_of_an_invoice_can_be_confirmed_but_not_changed(
    client: stripe.StripeClient, customer: str
) -> None:
    invoice = opened(client, customer, 1000)
    intent = intent_of(client, invoice)

    for act in (
        lambda: client.v1.payment_intents.cancel(intent.id),
        lambda: client.v1.payment_intents.update(intent.id, {"amount": 1}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act()
        assert refused.value.code == "payment_intent_unexpected_state"
    card: Any = {"payment_method": saved(client, customer), "off_session": True}
    client.v1.payment_intents.confirm(intent.id, card)

    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


# Which method, and when


def test_default_method_of_invoice_comes_before_the_customers(
    client: stripe.StripeClient, customer: str
) -> None:
    first, second = saved(client, customer), saved(client, customer, "pm_card_mastercard")
    settings: Any = {"default_payment_method": first}
    client.v1.customers.update(customer, {"invoice_settings": settings})
    own = opened(client, customer, 1000, default_payment_method=second)
    plain = opened(client, customer, 1000)

    for invoice in (own, plain):
        assert client.v1.invoices.pay(invoice.id).status == "paid"

    assert intent_of(client, own).payment_method == second
    assert intent_of(client, plain).payment_method == first


def test_method_that_is_not_the_customers_is_refused(
    client: stripe.StripeClient, customer: str
) -> None:
    invoice = opened(client, customer, 1000)
    foreign, gone = saved(client, customer_in(client)), saved(client, customer)
    client.v1.payment_methods.detach(gone)

    for method in (foreign, gone, "pm_missing"):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            pay(client, invoice, method)
        assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
        assert refused.value.param == "payment_method"
    with pytest.raises(stripe.InvalidRequestError, match="default_payment_method"):
        client.v1.invoices.pay(invoice.id)

    assert client.v1.invoices.retrieve(invoice.id).attempted is False


def test_deleted_customer_cannot_pay(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)
    invoice = opened(client, customer, 1000)
    client.v1.customers.delete(customer)

    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as refused:
        pay(client, invoice, card)

    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    assert client.v1.invoices.retrieve(invoice.id).status == "open"


def test_paid_invoice_is_not_paid_again(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)
    invoice = opened(client, customer, 1000)
    pay(client, invoice, card)

    for params in ({"payment_method": card}, {"paid_out_of_band": True}):
        with pytest.raises(stripe.InvalidRequestError, match="already paid") as refused:
            client.v1.invoices.pay(invoice.id, params)  # type: ignore[arg-type]
        assert (refused.value.http_status, refused.value.code) == (400, None)

    assert len(client.v1.charges.list({"customer": customer}).data) == 1


def test_draft_is_finalized_when_it_is_paid(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)

    assert pay(client, draft(client, customer, 1000), card).status == "paid"
    assert pay(client, draft(client, customer, 10), card).status == "paid"

    charged = client.v1.charges.list({"customer": customer}).data
    assert [charge.amount for charge in charged] == [1000]


def test_payment_elsewhere_needs_no_charge(client: stripe.StripeClient, customer: str) -> None:
    invoice, other = opened(client, customer, 1000), opened(client, customer, 500)
    intent = intent_of(client, invoice)

    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})

    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 1000, 0)
    assert paid.amount_paid_off_stripe == 1000
    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"
    assert client.v1.charges.list({"customer": customer}).data == []
    told = types_of(client, "invoice")
    assert "invoice.paid" in told
    assert "invoice.payment_succeeded" not in told
    assert client.v1.invoices.retrieve(other.id).status == "open"


# Bank accounts


@pytest.mark.parametrize(
    ("token", "seconds", "status"),
    [
        ("pm_success_de", 60, "paid"),
        ("pm_successDelayed_de", 180, "paid"),
        ("pm_failed_de", 60, "open"),
        ("pm_failedDelayed_de", 180, "open"),
    ],
)
def test_debit_is_under_way_until_the_bank_answers(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: str,
    token: str,
    seconds: int,
    status: str,
) -> None:
    stripe_sandbox.clock.freeze()
    account, card = saved_account(client, customer, token), saved(client, customer)
    invoice = opened(client, customer, 1000)

    begun = pay(client, invoice, account)

    intent = intent_of(client, invoice)
    assert (begun.status, begun.amount_paid, intent.status) == ("open", 0, "processing")
    for act in (
        lambda: pay(client, invoice, card),
        lambda: client.v1.invoices.void_invoice(invoice.id),
        lambda: client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            act()
        assert refused.value.code == "payment_intent_unexpected_state"
    stripe_sandbox.advance(seconds - 1)
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    stripe_sandbox.advance(1)
    assert client.v1.invoices.retrieve(invoice.id).status == status
    charge = client.v1.charges.retrieve(str(intent.latest_charge))
    assert charge.status == ("succeeded" if status == "paid" else "failed")
    assert types_of(client, "charge") == ["charge.pending", f"charge.{charge.status}"]
    assert "payment_intent.processing" in types_of(client, "payment_intent")


def test_debit_that_failed_lets_another_method_pay(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    account, card = saved_account(client, customer, "pm_failed_de"), saved(client, customer)
    invoice = opened(client, customer, 1000)
    pay(client, invoice, account)
    stripe_sandbox.advance(61)

    failed = intent_of(client, invoice)

    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.last_payment_error.code == "payment_intent_payment_attempt_failed"
    assert types_of(client, "invoice")[-1] == "invoice.payment_failed"
    assert pay(client, invoice, card).status == "paid"


def test_debit_that_is_taken_back_leaves_the_invoice_paid(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    account = saved_account(client, customer, "pm_disputed_de")
    invoice, other = opened(client, customer, 1000), opened(client, customer, 500)
    pay(client, invoice, account)
    pay(client, other, saved_account(client, customer, "pm_success_de"))

    stripe_sandbox.advance(61)
    client.v1.invoices.retrieve(invoice.id)

    charges = client.v1.charges.list({"customer": customer}).data
    assert {charge.amount: charge.disputed for charge in charges} == {1000: True, 500: False}
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_debit_needs_a_mandate_and_euros(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    account, bare = (
        saved_account(client, customer, "pm_success_de"),
        saved(client, customer, "pm_success_nl"),
    )
    invoice = opened(client, customer, 1000)
    setup = client.v1.setup_intents.list({"customer": customer}).data[0]
    stripe_sandbox.set_mandate_status(str(setup.mandate), "inactive")
    dollars = client.v1.invoices.create({"customer": customer, "currency": "usd"})
    lines: Any = [{"amount": 500}]
    client.v1.invoices.add_lines(dollars.id, {"lines": lines})

    for method in (account, bare):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            pay(client, invoice, method)
        assert refused.value.code == "payment_intent_mandate_invalid"
    with pytest.raises(stripe.InvalidRequestError, match="not allowed"):
        pay(client, dollars, account)


# Several payments


def test_attached_payments_pay_in_parts(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)
    invoice = opened(client, customer, 1000)
    default = intent_of(client, invoice)

    part = client.v1.invoices.attach_payment(
        invoice.id, {"payment_intent": made_intent(client, customer, 300, card).id}
    )
    synced = client.v1.payment_intents.retrieve(default.id)
    rest = made_intent(client, customer, 700)
    waiting = client.v1.invoices.attach_payment(invoice.id, {"payment_intent": rest.id})
    confirming: Any = {"payment_method": card, "off_session": True}
    client.v1.payment_intents.confirm(rest.id, confirming)

    assert (part.status, part.amount_paid, part.amount_remaining) == ("open", 300, 700)
    assert synced.amount == 700
    assert (waiting.status, waiting.amount_paid) == ("open", 300)
    paid = client.v1.invoices.retrieve(invoice.id)
    assert (paid.status, paid.amount_paid, paid.amount_overpaid) == ("paid", 1000, 0)
    assert client.v1.payment_intents.retrieve(default.id).status == "canceled"
    payments = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    shown = [(p.status, p.amount_paid, p.is_default) for p in payments]
    assert shown == [("paid", 700, False), ("paid", 300, False), ("canceled", None, True)]


def test_invoice_that_was_paid_in_part_cannot_be_voided(
    client: stripe.StripeClient, customer: str
) -> None:
    invoice = opened(client, customer, 1000)
    part = made_intent(client, customer, 300, saved(client, customer))
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": part.id})

    with pytest.raises(stripe.InvalidRequestError, match="paid in part"):
        client.v1.invoices.void_invoice(invoice.id)

    assert client.v1.invoices.retrieve(invoice.id).amount_remaining == 700


def test_overpayment_is_credited_to_the_balance(client: stripe.StripeClient, customer: str) -> None:
    card = saved(client, customer)
    invoice = opened(client, customer, 1000)
    second = made_intent(client, customer, 1000)
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": second.id})
    pay(client, invoice, card)
    confirming: Any = {"payment_method": card, "off_session": True}

    client.v1.payment_intents.confirm(second.id, confirming)

    twice = client.v1.invoices.retrieve(invoice.id)
    assert (twice.status, twice.amount_paid, twice.amount_overpaid) == ("paid", 1000, 1000)
    assert twice.amount_remaining == 0
    assert client.v1.customers.retrieve(customer).balance == -1000
    moved = client.v1.customers.balance_transactions.list(customer, {"invoice": invoice.id}).data
    assert [(entry.amount, entry.type) for entry in moved] == [(-1000, "invoice_overpaid")]
    told = types_of(client, "invoice", "invoice_payment")
    assert told.count("invoice.paid") == told.count("invoice.overpaid") == 1
    assert told.count("invoice_payment.paid") == 2
    later = opened(client, customer, 600)
    assert (later.status, client.v1.customers.retrieve(customer).balance) == ("paid", -400)


def test_voided_invoice_takes_no_late_payment(client: stripe.StripeClient, customer: str) -> None:
    invoice = opened(client, customer, 1000)
    attached = made_intent(client, customer, 400)
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": attached.id})
    client.v1.invoices.void_invoice(invoice.id)
    confirming: Any = {"payment_method": saved(client, customer), "off_session": True}

    client.v1.payment_intents.confirm(attached.id, confirming)

    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.amount_paid, after.amount_overpaid) == ("void", 0, 0)
    statuses = {p.status for p in client.v1.invoice_payments.list({"invoice": invoice.id}).data}
    assert statuses == {"canceled"}


def test_only_a_fitting_intent_can_be_attached(client: stripe.StripeClient, customer: str) -> None:
    other = customer_in(client)
    invoice, second = opened(client, customer, 1000), opened(client, customer, 1000)
    fitting = made_intent(client, customer, 500)
    client.v1.invoices.attach_payment(invoice.id, {"payment_intent": fitting.id})
    cancelled = client.v1.payment_intents.cancel(made_intent(client, customer, 500).id)

    for target, intent in (
        (second.id, fitting.id),
        (second.id, cancelled.id),
        (second.id, made_intent(client, other, 500).id),
        (second.id, "pi_missing"),
        (draft(client, customer, 500).id, made_intent(client, customer, 500).id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.invoices.attach_payment(target, {"payment_intent": intent})
        assert refused.value.http_status == 400

    assert client.v1.invoices.retrieve(second.id).amount_remaining == 1000


def test_payments_are_listed_by_invoice_intent_and_status(
    client: stripe.StripeClient, customer: str
) -> None:
    card = saved(client, customer)
    paid, unpaid = opened(client, customer, 1000), opened(client, customer, 500)
    pay(client, paid, card)
    payments = client.v1.invoice_payments

    def found(**params: Any) -> list[str]:
        return [str(payment.invoice) for payment in payments.list(params).data]  # type: ignore[arg-type]

    intent = intent_of(client, paid).id
    assert found(payment={"type": "payment_intent", "payment_intent": intent}) == [paid.id]
    assert found(status="open") == [unpaid.id]
    assert found(invoice=paid.id, status="paid") == [paid.id]
    assert found() == [unpaid.id, paid.id]
    made = payments.list({"invoice": paid.id}).data[0].id
    expanded = payments.retrieve(made, {"expand": ["payment.payment_intent", "invoice"]})
    assert isinstance(expanded.invoice, stripe.Invoice)
    assert isinstance(expanded.payment.payment_intent, stripe.PaymentIntent)
