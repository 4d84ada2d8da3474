"""Invoices and what came of them mean the same in whichever API version Stripe writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flask_billing.gateways import (
    CreditNote,
    RemoteCharge,
    RemoteInvoice,
    RemoteLine,
    RemotePayment,
    RemoteRefund,
)
from tests.gateways.conftest import ROW
from tests.gateways.versions import Answering, without_nulls

WHEN = 1_796_083_200
THEN = datetime.fromtimestamp(WHEN, UTC)
OURS = {"flask_billing_id": str(ROW)}

INVOICE: dict[str, Any] = {
    "id": "in_1",
    "object": "invoice",
    "status": "paid",
    "currency": "eur",
    "customer": "cus_1",
    "livemode": True,
    "metadata": OURS | {"flask_billing_project": "7", "flask_billing_period": "2026-10"},
    "subtotal": 1000,
    "total": 1190,
    "amount_paid": 1190,
    "amount_remaining": 0,
    "pre_payment_credit_notes_amount": 20,
    "post_payment_credit_notes_amount": 30,
    "collection_method": "send_invoice",
    "due_date": WHEN,
    "automatic_tax": {"enabled": True, "status": "complete"},
    "status_transitions": {"finalized_at": WHEN, "paid_at": WHEN},
    "number": None,
}
NEW = INVOICE | {
    "amount_overpaid": 5,
    "total_excluding_tax": 1000,
    "total_taxes": [{"amount": 100, "type": "tax_rate_details"}, {"amount": 90}],
}
OLD = INVOICE | {
    "total_excluding_tax": None,
    "total_tax_amounts": [{"amount": 190, "inclusive": False}],
    "tax": 190,
    "paid": True,
}
READ = RemoteInvoice(
    stripe_id="in_1",
    state="paid",
    currency="eur",
    customer_id="cus_1",
    livemode=True,
    local_id=str(ROW),
    project_key="7",
    period="2026-10",
    subtotal=1000,
    tax=190,
    total=1190,
    paid=1190,
    remaining=0,
    credited=50,
    overpaid=5,
    tax_state="complete",
    on_terms=True,
    due_at=THEN,
    issued_at=THEN,
    paid_at=THEN,
)


def test_invoice_of_today(answering: Answering) -> None:
    gateway = answering(NEW)

    assert gateway.finalize_invoice("in_1", key="1") == READ
    assert answering(without_nulls(NEW)).finalize_invoice("in_1", key="1") == READ


def test_invoice_from_before_basil(answering: Answering) -> None:
    found = answering(OLD).finalize_invoice("in_1", key="1")

    assert (found.subtotal, found.tax, found.overpaid) == (1000, 190, 0)
    assert without_overpaid(found) == without_overpaid(READ)


def without_overpaid(invoice: RemoteInvoice) -> dict[str, Any]:
    return {name: value for name, value in vars(invoice).items() if name != "overpaid"}


def test_subtotal_is_without_the_tax_that_prices_include(answering: Answering) -> None:
    inclusive = NEW | {"subtotal": 1190, "total_excluding_tax": 1000}

    assert answering(inclusive).finalize_invoice("in_1", key="1").subtotal == 1000


def test_subtotal_is_less_what_a_discount_has_taken_off(answering: Answering) -> None:
    discounted = NEW | {
        "subtotal": 1000,
        "subtotal_excluding_tax": 1000,
        "total_excluding_tax": 900,
        "total": 900,
    }

    assert answering(discounted).finalize_invoice("in_1", key="1").subtotal == 900


def test_bare_draft(answering: Answering) -> None:
    left_out = ("metadata", "automatic_tax", "status_transitions", "due_date", "collection_method")
    bare = INVOICE | dict.fromkeys(left_out) | {"status": "draft", "customer": {"id": "cus_1"}}

    for answer in (bare, without_nulls(bare)):
        found = answering(answer).finalize_invoice("in_1", key="1")

        assert (found.state, found.customer_id) == ("draft", "cus_1")
        assert (found.local_id, found.project_key, found.period) == (None, None, None)
        assert (found.tax, found.tax_state, found.on_terms) == (0, None, False)
        assert (found.due_at, found.issued_at, found.paid_at) == (None, None, None)


def test_state_of_tax_counts_only_where_tax_is_added(answering: Answering) -> None:
    off = NEW | {"automatic_tax": {"enabled": False, "status": None}}
    new_word = NEW | {"automatic_tax": {"enabled": True, "status": "later"}}

    assert answering(off).finalize_invoice("in_1", key="1").tax_state is None
    assert answering(new_word).finalize_invoice("in_1", key="1").tax_state == "later"


def payment(number: int, **changes: Any) -> dict[str, Any]:
    intent = {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "status": "succeeded",
        "payment_method": "pm_1",
        "latest_charge": {
            "id": f"ch_{number}",
            "object": "charge",
            "status": "succeeded",
            "payment_method": "pm_1",
            "amount_refunded": 40,
            "disputed": True,
        },
    }
    usual = {
        "id": f"inpay_{number}",
        "object": "invoice_payment",
        "status": "paid",
        "amount_paid": 500,
        "amount_requested": 600,
        "created": WHEN + number,
        "invoice": NEW,
        "payment": {"type": "payment_intent", "payment_intent": intent},
        "status_transitions": {"paid_at": WHEN},
    }
    return usual | changes


def listed(*things: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(things), "has_more": False, "url": "/v1/x"}


def test_payments_come_oldest_first_however_they_are_listed(answering: Answering) -> None:
    for things in ((payment(2), payment(1)), (payment(1), payment(2))):
        found = answering(listed(*things)).invoice("in_1")

        assert found is not None
        assert [made.stripe_id for made in found.payments] == ["inpay_1", "inpay_2"]


def test_payment_tells_what_became_of_its_last_charge(answering: Answering) -> None:
    found = answering(listed(payment(1))).invoice("in_1")

    assert found is not None
    assert found.payments == (
        RemotePayment(
            stripe_id="inpay_1",
            state="paid",
            amount=500,
            intent_id="pi_1",
            intent_state="succeeded",
            charge_id="ch_1",
            method_id="pm_1",
            refunded=40,
            disputed=True,
            paid_at=THEN,
            created_at=datetime.fromtimestamp(WHEN + 1, UTC),
        ),
    )


@pytest.mark.parametrize(
    "way",
    [
        {"type": "charge", "charge": "ch_1"},
        {"type": "payment_record", "payment_record": "prec_1"},
        {"type": "something_new"},
        None,
    ],
)
def test_payment_may_come_another_way(answering: Answering, way: dict[str, Any] | None) -> None:
    found = answering(listed(payment(1, payment=way, amount_paid=None))).invoice("in_1")

    assert found is not None
    [made] = found.payments
    assert (made.intent_id, made.intent_state, made.method_id) == (None, "", None)
    assert made.charge_id == (way or {}).get("charge")
    assert (made.amount, made.refunded) == (600, 0)


def test_charge_that_is_not_there_in_full_is_told_by_the_error_of_its_intent(
    answering: Answering,
) -> None:
    intent = {
        "id": "pi_1",
        "object": "payment_intent",
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": "ch_1",
        "last_payment_error": {
            "charge": "ch_1",
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "payment_method": {"id": "pm_1", "object": "payment_method"},
        },
    }
    asked = payment(1, status="open", payment={"payment_intent": intent}, amount_paid=None)

    found = answering(INVOICE | {"payments": listed(asked)}).pay_invoice("in_1", "pm_1", key="1")

    [made] = found.payments
    assert (made.charge_id, made.method_id) == ("ch_1", "pm_1")
    assert (made.code, made.decline_code) == ("card_declined", "insufficient_funds")
    intent["latest_charge"] = "ch_2"
    later = answering(INVOICE | {"payments": listed(asked)}).pay_invoice("in_1", "pm_1", key="1")
    assert (later.payments[0].code, later.payments[0].decline_code) == (None, None)


@pytest.mark.parametrize(
    ("outcome", "never_again"),
    [
        ({"reason": "insufficient_funds", "advice_code": "try_again_later"}, False),
        ({"reason": "generic_decline", "advice_code": "do_not_try_again"}, True),
        ({"reason": "stolen_card"}, True),
        ({"reason": "highest_risk_level", "type": "blocked"}, True),
        ({"reason": "a_new_one"}, False),
    ],
)
def test_failed_charge_tells_whether_another_try_makes_sense(
    answering: Answering, outcome: dict[str, str], never_again: bool
) -> None:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "status": "failed",
        "amount": 500,
        "amount_refunded": 0,
        "failure_code": "card_declined",
        "outcome": outcome,
        "payment_method": "pm_1",
        "payment_intent": "pi_1",
        "created": WHEN,
    }

    assert answering(charge).charge("ch_1") == RemoteCharge(
        stripe_id="ch_1",
        state="failed",
        method_id="pm_1",
        amount=500,
        intent_id="pi_1",
        code="card_declined",
        decline_code=outcome["reason"],
        never_again=never_again,
        created_at=THEN,
    )


@pytest.mark.parametrize(
    "refunds",
    [
        {"refunds": [{"refund": "re_1", "amount_refunded": 5}]},
        {"refunds": [{"refund": {"id": "re_1", "object": "refund"}}]},
        {"refund": "re_1"},
    ],
    ids=["today", "expanded", "before basil"],
)
def test_credit_note_names_its_refund(answering: Answering, refunds: dict[str, Any]) -> None:
    note = {
        "id": "cn_1",
        "object": "credit_note",
        "status": "issued",
        "amount": 5,
        "invoice": "in_1",
        "metadata": OURS,
    }

    assert answering(listed(note | refunds)).credit_notes("in_1") == [
        CreditNote(
            stripe_id="cn_1",
            state="issued",
            amount=5,
            invoice_id="in_1",
            local_id=str(ROW),
            refund_ids=("re_1",),
        )
    ]


def test_refund_and_line_of_somebody_else(answering: Answering) -> None:
    refund = {
        "id": "re_1",
        "object": "refund",
        "status": "failed",
        "amount": 5,
        "payment_intent": None,
        "metadata": None,
        "failure_reason": "expired_or_canceled_card",
    }
    line = {"id": "il_1", "object": "line_item", "amount": -5, "metadata": {}}

    assert answering(refund).refund("re_1") == RemoteRefund(
        stripe_id="re_1",
        state="failed",
        amount=5,
        intent_id=None,
        code="expired_or_canceled_card",
    )
    assert answering(listed(line)).invoice_lines("in_1") == [
        RemoteLine(stripe_id="il_1", local_id=None, amount=-5)
    ]


def test_charge_from_before_basil_names_its_invoice(answering: Answering) -> None:
    charge = {"id": "ch_1", "object": "charge", "invoice": "in_1"}

    assert answering(charge).invoice_id_of("charge", "ch_1") == "in_1"
