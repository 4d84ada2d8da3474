"""What comes of charging an invoice is read from the answer, and can be read again."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.errors import (
    GatewayRefusal,
    GatewayUnavailable,
    PaymentActionRequired,
    PaymentDeclined,
)
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.billed import (
    account_of,
    attached,
    charge_of,
    draft,
    intent_of,
    issued,
    paid,
    payment_of,
)
from tests.gateways.conftest import OTHER_ROW, ROW, Saved

pytestmark = pytest.mark.usefixtures("conforming")

PAY = "POST /v1/invoices/*/pay"


def test_charged_invoice_is_paid_and_tells_by_what(gateway: StripeGateway, saved: Saved) -> None:
    invoice = paid(gateway, saved, 1000, 250)

    payment = payment_of(invoice)
    assert (invoice.state, invoice.paid, invoice.remaining) == ("paid", 1250, 0)
    assert invoice.paid_at is not None
    assert (payment.state, payment.amount, payment.intent_state) == ("paid", 1250, "succeeded")
    assert payment.method_id == saved.method
    assert payment.paid_at is not None
    assert (payment.refunded, payment.disputed, payment.code) == (0, False, None)


def test_charge_and_look_take_one_request_each_and_tell_the_same(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    stripe_sandbox.requests.clear()

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")
    seen = gateway.invoice(made.stripe_id)

    assert seen == charged
    first, second = stripe_sandbox.requests
    assert first.idempotency_key == "pay-1"
    assert first.params["payment_method"] == saved.method
    assert first.params["off_session"] == "true"
    assert second.method == "GET"


def test_invoice_that_nothing_was_asked_for_has_no_payments(
    gateway: StripeGateway, saved: Saved
) -> None:
    made = draft(gateway, saved, 1000)

    assert gateway.invoice(made.stripe_id) == made
    assert made.payments == ()


def test_unknown_invoice_is_none(gateway: StripeGateway) -> None:
    assert gateway.invoice("in_nobody") is None
    assert gateway.charge("ch_nobody") is None


def test_same_key_charges_once_though_the_answer_was_lost(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    stripe_sandbox.fail(PAY, how="timeout_after")

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")
    again = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")

    assert charged == again
    sent = stripe_sandbox.requests.of(f"POST /v1/invoices/{made.stripe_id}/pay")
    assert [request.idempotency_key for request in sent] == ["pay-1"] * 3
    assert [charge.state for charge in gateway.charges_of(intent_of(again))] == ["succeeded"]


def test_charge_behind_an_error_of_stripe_is_found_by_looking(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    stripe_sandbox.fail(PAY, how="error_500_after")

    for _ in range(2):
        with pytest.raises(GatewayUnavailable) as failed:
            gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")
        assert failed.value.code == "server_error"

    seen = gateway.invoice(made.stripe_id)
    assert seen is not None
    assert seen.state == "paid"
    assert [charge.method_id for charge in gateway.charges_of(intent_of(seen))] == [saved.method]


@pytest.mark.parametrize("how", ["error_500", "timeout_before"])
def test_nothing_was_charged_where_stripe_did_not_get_to_it(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved, how: str
) -> None:
    made = issued(gateway, saved, 1000)
    stripe_sandbox.fail(PAY, how=how, times=3)

    with pytest.raises(GatewayUnavailable):
        gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")

    seen = gateway.invoice(made.stripe_id)
    assert seen is not None
    assert seen.state == "open"
    assert gateway.charges_of(intent_of(seen)) == []


@pytest.mark.parametrize(
    ("card", "decline_code", "never_again"),
    [
        ("pm_card_chargeCustomerFail", "generic_decline", False),
        ("pm_card_visa", "insufficient_funds", False),
        ("pm_card_visa", "stolen_card", True),
        ("pm_card_visa", "fraudulent", True),
    ],
)
def test_decline_tells_its_reason(
    gateway: StripeGateway,
    stripe_sandbox: Sandbox,
    sdk: stripe.StripeClient,
    saved: Saved,
    card: str,
    decline_code: str,
    never_again: bool,
) -> None:
    made = issued(gateway, saved, 1000)
    method = attached(sdk, saved, card)
    if card == "pm_card_visa":
        stripe_sandbox.fail(
            PAY, how="refuse", status=402, code="card_declined", decline_code=decline_code
        )

    with pytest.raises(PaymentDeclined) as declined:
        gateway.pay_invoice(made.stripe_id, method, key="pay-1")

    assert type(declined.value) is PaymentDeclined
    assert declined.value.code == "card_declined"
    assert declined.value.decline_code == decline_code
    assert declined.value.never_again is never_again


def test_decline_names_the_intent_and_the_charge_that_failed(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    bad = attached(sdk, saved, "pm_card_chargeCustomerFail")

    with pytest.raises(PaymentDeclined) as declined:
        gateway.pay_invoice(made.stripe_id, bad, key="pay-1")
    seen = gateway.invoice(made.stripe_id)

    assert seen is not None
    payment = payment_of(seen)
    assert (seen.state, seen.remaining) == ("open", 1000)
    assert (declined.value.intent_id, declined.value.charge_id) == (
        payment.intent_id,
        payment.charge_id,
    )
    assert (payment.state, payment.method_id) == ("open", bad)
    assert (payment.code, payment.decline_code) == ("card_declined", "generic_decline")
    [charge] = gateway.charges_of(intent_of(seen))
    assert charge == gateway.charge(charge_of(seen))
    assert (charge.state, charge.method_id, charge.amount) == ("failed", bad, 1000)
    assert (charge.code, charge.decline_code) == ("card_declined", "generic_decline")


def test_same_key_repeats_the_decline_and_another_charges(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    bad = attached(sdk, saved, "pm_card_chargeCustomerFail")
    told = []
    for _ in range(2):
        with pytest.raises(PaymentDeclined) as declined:
            gateway.pay_invoice(made.stripe_id, bad, key="pay-1")
        told.append(declined.value.charge_id)

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-2")

    charges = gateway.charges_of(intent_of(charged))
    assert told == [charges[0].stripe_id] * 2
    assert [(charge.state, charge.method_id) for charge in charges] == [
        ("failed", bad),
        ("succeeded", saved.method),
    ]


def test_card_that_wants_its_holder_is_not_declined_and_names_no_older_charge(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    with pytest.raises(PaymentDeclined):
        gateway.pay_invoice(
            made.stripe_id, attached(sdk, saved, "pm_card_chargeCustomerFail"), key="pay-1"
        )

    with pytest.raises(PaymentActionRequired) as wanted:
        gateway.pay_invoice(
            made.stripe_id, attached(sdk, saved, "pm_card_authenticationRequired"), key="pay-2"
        )

    seen = gateway.invoice(made.stripe_id)
    assert seen is not None
    assert wanted.value.code == "invoice_payment_intent_requires_action"
    assert wanted.value.charge_id is None
    assert wanted.value.intent_id == intent_of(seen)
    assert payment_of(seen).intent_state == "requires_action"


def test_other_method_can_be_charged_while_one_wants_its_holder(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    with pytest.raises(PaymentActionRequired):
        gateway.pay_invoice(
            made.stripe_id, attached(sdk, saved, "pm_card_authenticationRequired"), key="pay-1"
        )

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-2")

    assert charged.state == "paid"
    assert payment_of(charged).method_id == saved.method


def test_bank_debit_is_under_way_and_settles_later(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    account = account_of(gateway, stripe_sandbox, saved, "DE89370400440532013000")
    made = issued(gateway, saved, 1000)

    charged = gateway.pay_invoice(made.stripe_id, account, key="pay-1")

    payment = payment_of(charged)
    assert (charged.state, charged.remaining) == ("open", 1000)
    assert (payment.state, payment.intent_state) == ("open", "processing")
    assert payment.method_id == account
    assert [charge.state for charge in gateway.charges_of(intent_of(charged))] == ["pending"]
    with pytest.raises(GatewayRefusal):
        gateway.pay_invoice(made.stripe_id, saved.method, key="pay-2")

    stripe_sandbox.advance(3600)
    later = gateway.invoice(made.stripe_id)
    assert later is not None
    assert (later.state, payment_of(later).state) == ("paid", "paid")


def test_bank_debit_that_fails_later_is_read_as_a_decline(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    account = account_of(gateway, stripe_sandbox, saved, "DE62370400440532013001")
    made = issued(gateway, saved, 1000)
    gateway.pay_invoice(made.stripe_id, account, key="pay-1")

    stripe_sandbox.advance(3600)

    later = gateway.invoice(made.stripe_id)
    assert later is not None
    payment = payment_of(later)
    assert (later.state, payment.intent_state) == ("open", "requires_payment_method")
    assert payment.code is not None
    [charge] = gateway.charges_of(intent_of(later))
    assert (charge.state, charge.method_id) == ("failed", account)


def test_paid_invoice_is_not_charged_again(gateway: StripeGateway, saved: Saved) -> None:
    invoice = paid(gateway, saved, 1000)

    with pytest.raises(GatewayRefusal) as refused:
        gateway.pay_invoice(invoice.stripe_id, saved.method, key="pay-again")

    assert not isinstance(refused.value, PaymentDeclined)
    assert len(gateway.charges_of(intent_of(invoice))) == 1


def test_invoice_that_was_paid_elsewhere_is_paid_without_a_charge(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    sdk.v1.invoices.pay(made.stripe_id, {"paid_out_of_band": True})

    seen = gateway.invoice(made.stripe_id)

    assert seen is not None
    assert (seen.state, seen.remaining) == ("paid", 0)
    assert all(payment.charge_id is None for payment in seen.payments)


def test_method_that_is_detached_or_somebody_elses_is_refused(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    other = sdk.v1.customers.create({})
    foreign = sdk.v1.payment_methods.attach("pm_card_visa", {"customer": other.id}).id
    gateway.detach_payment_method(saved.method)

    for number, method in enumerate((saved.method, foreign, "pm_nobody")):
        with pytest.raises(GatewayRefusal) as refused:
            gateway.pay_invoice(made.stripe_id, method, key=f"pay-{number}")
        assert not isinstance(refused.value, PaymentDeclined)

    seen = gateway.invoice(made.stripe_id)
    assert seen is not None
    assert gateway.charges_of(intent_of(seen)) == []


def test_invoice_of_a_deleted_customer_can_be_read_and_not_charged(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    sdk.v1.customers.delete(saved.customer)

    with pytest.raises(GatewayRefusal):
        gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")

    seen = gateway.invoice(made.stripe_id)
    assert seen is not None
    assert seen.paid == 0


def test_invoice_that_is_void_or_written_off_may_be_made_so_again(
    gateway: StripeGateway, saved: Saved
) -> None:
    void, written_off = (issued(gateway, saved, 1000, row=row) for row in (ROW, OTHER_ROW))

    for key in ("1", "2"):
        assert gateway.void_invoice(void.stripe_id, key=f"void-{key}").state == "void"
        marked = gateway.write_off_invoice(written_off.stripe_id, key=f"write-off-{key}")
        assert marked.state == "uncollectible"

    later = gateway.pay_invoice(written_off.stripe_id, saved.method, key="pay-1")
    assert later.state == "paid"


def test_paid_invoice_is_neither_voided_nor_written_off(
    gateway: StripeGateway, saved: Saved
) -> None:
    invoice = paid(gateway, saved, 1000)

    for turn in (gateway.void_invoice, gateway.write_off_invoice):
        with pytest.raises(GatewayRefusal):
            turn(invoice.stripe_id, key=f"{turn.__name__}-1")

    seen = gateway.invoice(invoice.stripe_id)
    assert seen is not None
    assert seen.state == "paid"


def test_second_payment_shows_beside_the_first_and_as_too_much(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    by_hand = sdk.v1.payment_intents.create(
        {
            "amount": 600,
            "currency": "eur",
            "customer": saved.customer,
            "payment_method": saved.method,
            "confirm": True,
            "off_session": True,
        }
    )
    sdk.v1.invoices.attach_payment(made.stripe_id, {"payment_intent": by_hand.id})
    sdk.v1.refunds.create({"payment_intent": by_hand.id, "amount": 100})

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")

    assert charged.state == "paid"
    assert charged == gateway.invoice(made.stripe_id)
    refunded = {payment.intent_id: payment.refunded for payment in charged.payments}
    assert refunded.pop(by_hand.id) == 100
    assert list(refunded.values()) == [0]
    assert sum(payment.amount for payment in charged.payments) == 1000


def test_charge_is_told_even_if_older_payments_cannot_be_looked_at(
    gateway: StripeGateway, stripe_sandbox: Sandbox, sdk: stripe.StripeClient, saved: Saved
) -> None:
    made = issued(gateway, saved, 1000)
    by_hand = sdk.v1.payment_intents.create(
        {
            "amount": 600,
            "currency": "eur",
            "customer": saved.customer,
            "payment_method": saved.method,
            "confirm": True,
            "off_session": True,
        }
    )
    sdk.v1.invoices.attach_payment(made.stripe_id, {"payment_intent": by_hand.id})
    stripe_sandbox.fail("GET /v1/invoice_payments", how="rate_limit", times=9)

    charged = gateway.pay_invoice(made.stripe_id, saved.method, key="pay-1")

    assert (charged.state, len(charged.payments)) == ("paid", 2)


def test_invoice_is_found_from_whatever_an_event_is_about(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    first, second = (paid(gateway, saved, 1000, row=row) for row in (ROW, OTHER_ROW))
    for invoice in (first, second):
        intent_id = intent_of(invoice)
        refund = gateway.create_refund(intent_id, 10, local_id=ROW, key=f"refund-{intent_id}")
        note = sdk.v1.credit_notes.create(
            {"invoice": invoice.stripe_id, "amount": 10, "refund_amount": 10}
        )
        about = {
            "invoice": invoice.stripe_id,
            "invoice_payment": payment_of(invoice).stripe_id,
            "payment_intent": intent_id,
            "charge": charge_of(invoice),
            "refund": refund.stripe_id,
            "credit_note": note.id,
        }
        found = {kind: gateway.invoice_id_of(kind, about[kind]) for kind in about}
        assert found == dict.fromkeys(about, invoice.stripe_id)


def test_what_is_about_no_invoice_has_none(gateway: StripeGateway, saved: Saved) -> None:
    hold = gateway.hold(saved.customer, saved.method, 100, "eur", local_id=ROW)

    assert gateway.invoice_id_of("payment_intent", hold.stripe_id) is None
    assert gateway.invoice_id_of("charge", "ch_nobody") is None
    assert gateway.invoice_id_of("refund", "re_nobody") is None
    assert gateway.invoice_id_of("payout", "po_1") is None
