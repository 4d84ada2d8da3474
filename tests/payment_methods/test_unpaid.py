"""What an invoice is charged to stays, and whoever changes it has what is unpaid looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from sqlalchemy import update

from flask_billing import (
    Invoice,
    InvoiceCollection,
    MethodNeeded,
    PaymentAttempt,
    PaymentMethod,
    clock,
    customers,
    payment_methods,
    sync,
)
from flask_billing.gateways import CustomerDetails
from flask_billing.periods import month_of
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db
from tests.payment_methods.journey import MASTERCARD, attached, order, save

LATER = datetime(2099, 1, 1, tzinfo=UTC)


def saved(sandbox: Sandbox, project: Project, card: str = "4242424242424242") -> PaymentMethod:
    method = save(sandbox, project, card).payment_method
    assert method is not None
    return method


def unpaid(project: Project, month: int = 6, **changes: Any) -> Invoice:
    """An invoice that is to be looked at some day, and is not issued yet unless it is said."""
    zero = ("carried_in", "adjusted", "credit_used", "credit_granted", "carried_out", "waived")
    period = month_of(datetime(2026, month, 1, tzinfo=UTC))
    invoice = Invoice(
        project_key=str(project.id),
        period_start=period.start,
        period_end=period.end,
        currency="usd",
        line_count=1,
        gross=1200,
        subtotal=1200,
        due=1200,
        state=changes.pop("invoice_state", "closed"),
        **dict.fromkeys(zero, 0),
    )
    db.session.add(invoice)
    db.session.flush()
    db.session.add(InvoiceCollection(invoice_id=invoice.id, **{"next_try_at": LATER} | changes))
    db.session.commit()
    return invoice


def begin_charging(method: PaymentMethod, invoice: Invoice) -> PaymentAttempt:
    attempt = PaymentAttempt(
        invoice_id=invoice.id, payment_method_id=method.id, amount=1200, currency="usd"
    )
    db.session.add(attempt)
    db.session.commit()
    return attempt


def is_woken(invoice: Invoice) -> bool:
    db.session.commit()
    row = db.session.get_one(InvoiceCollection, invoice.id, populate_existing=True)
    return row.next_try_at is not None and row.next_try_at <= clock.now()


def test_method_that_is_being_charged_stays(stripe_sandbox: Sandbox, project: Project) -> None:
    first, second = saved(stripe_sandbox, project), saved(stripe_sandbox, project, MASTERCARD)
    attempt = begin_charging(first, unpaid(project))

    assert payment_methods.why_kept(project, first) == "being_charged"
    assert payment_methods.why_kept(project, second) is None
    with pytest.raises(MethodNeeded, match="under way"):
        payment_methods.remove(project, first.id)
    assert order(project) == [first.stripe_id, second.stripe_id]

    attempt.state, attempt.in_flight_marker = "declined", None
    db.session.commit()
    payment_methods.remove(project, first.id)
    assert order(project) == [second.stripe_id]


def test_method_that_leaves_is_not_detached_while_it_is_charged(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    old = saved(stripe_sandbox, project)
    attempt = begin_charging(old, unpaid(project))

    new = saved(stripe_sandbox, project)
    assert order(project) == [new.stripe_id]
    assert attached(stripe_sandbox, project) == {old.stripe_id, new.stripe_id}

    attempt.state, attempt.in_flight_marker = "declined", None
    db.session.commit()
    moved_clock.shift(300)
    payment_methods.sweep()
    assert attached(stripe_sandbox, project) == {new.stripe_id}


@pytest.mark.parametrize(
    ("changes", "stays"),
    [
        ({}, True),
        ({"invoice_state": "open", "state": "past_due"}, True),
        ({"invoice_state": "open", "state": "parked"}, True),
        ({"invoice_state": "paid", "state": "done"}, False),
        ({"invoice_state": "uncollectible", "state": "done"}, False),
        ({"invoice_state": "open", "state": "transfer", "due_at": LATER}, False),
    ],
)
def test_last_usable_method_stays_while_an_invoice_is_to_be_charged(
    stripe_sandbox: Sandbox, project: Project, changes: dict[str, Any], stays: bool
) -> None:
    method = saved(stripe_sandbox, project)
    unpaid(project, **changes)

    assert payment_methods.why_kept(project, method) == ("unpaid_invoice" if stays else None)
    if stays:
        with pytest.raises(MethodNeeded, match="Add another"):
            payment_methods.remove(project, method.id)
    else:
        payment_methods.remove(project, method.id)
    assert order(project) == ([method.stripe_id] if stays else [])


def test_invoice_that_another_billing_info_pays_holds_nothing(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    method, others = saved(stripe_sandbox, project), saved(stripe_sandbox, other)
    unpaid(project, invoice_state="open", billing_info_id=others.billing_info_id)

    assert payment_methods.why_kept(project, method) is None
    assert payment_methods.why_kept(other, others) == "unpaid_invoice"


def test_method_that_is_added_has_unpaid_invoices_looked_at(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    of_other = unpaid(other)
    unissued = unpaid(project)

    method = saved(stripe_sandbox, project)
    assert is_woken(unissued)

    issued = unpaid(project, 7, invoice_state="open", billing_info_id=method.billing_info_id)
    parked = unpaid(project, 8, state="parked", billing_info_id=method.billing_info_id)
    saved(stripe_sandbox, project, MASTERCARD)
    assert is_woken(issued)
    assert not is_woken(parked)
    assert not is_woken(of_other)


def test_method_that_is_taken_over_has_unpaid_invoices_looked_at(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    method = saved(stripe_sandbox, project)
    invoice = unpaid(project, invoice_state="open", billing_info_id=method.billing_info_id)
    info_id, customer = method.billing_info_id, method.billing_info.stripe_id
    db.session.commit()
    client = stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )
    beside = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer})

    payment_methods.adopt(info_id, sync.ask(beside.id))

    assert is_woken(invoice)


@pytest.mark.parametrize(("moved", "direction"), [(1, "up"), (0, "down")])
def test_method_that_comes_earlier_may_be_tried_at_once(
    stripe_sandbox: Sandbox, project: Project, moved: int, direction: str
) -> None:
    first, second = saved(stripe_sandbox, project), saved(stripe_sandbox, project, MASTERCARD)
    invoice = unpaid(project, invoice_state="open", billing_info_id=first.billing_info_id)
    before = first.changed_at, second.changed_at

    payment_methods.move(project, [first, second][moved].id, direction=direction)

    assert order(project) == [second.stripe_id, first.stripe_id]
    assert first.changed_at == before[0]
    assert second.changed_at is not None
    assert before[1] is not None
    assert second.changed_at > before[1]
    assert is_woken(invoice)


def test_order_that_stays_as_it_was_wakes_nobody(stripe_sandbox: Sandbox, project: Project) -> None:
    method = saved(stripe_sandbox, project)
    invoice = unpaid(project, invoice_state="open", billing_info_id=method.billing_info_id)

    payment_methods.move(project, method.id, direction="up")

    assert not is_woken(invoice)


def test_method_that_can_be_charged_again_may_be_tried_at_once(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    method = saved(stripe_sandbox, project)
    invoice = unpaid(project, invoice_state="open", billing_info_id=method.billing_info_id)
    before = method.changed_at
    db.session.execute(update(PaymentMethod).values(usable=False))
    db.session.commit()

    sync.payment_method(method.stripe_id)

    db.session.refresh(method)
    assert method.usable
    assert method.changed_at != before
    assert is_woken(invoice)


def test_look_that_finds_nothing_new_wakes_nobody(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    method = saved(stripe_sandbox, project)
    invoice = unpaid(project, invoice_state="open", billing_info_id=method.billing_info_id)
    before = method.changed_at

    sync.payment_method(method.stripe_id)

    db.session.refresh(method)
    assert method.changed_at == before
    assert not is_woken(invoice)


def test_project_that_comes_to_pay_by_another_has_its_invoices_looked_at(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    saved(stripe_sandbox, project)
    invoice = unpaid(other)

    payment_methods.share(project, other)

    assert is_woken(invoice)


def test_method_found_good_has_unpaid_invoices_looked_at(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    object.__setattr__(current().settings, "preauthorization", 100)
    stripe_sandbox.fail("POST /v1/payment_intents", how="timeout_before", times=3)
    method = saved(stripe_sandbox, project)
    assert method.refusal == "checking"
    invoice = unpaid(project, invoice_state="open", billing_info_id=method.billing_info_id)

    with clock.moved(lambda: datetime.now(UTC).replace(year=2027)):
        payment_methods.sweep()

        assert method.refusal is None
        assert is_woken(invoice)


@pytest.mark.parametrize(("needs", "woken"), [("address", True), ("payment_method", False)])
def test_billing_details_wake_what_waits_for_the_address(
    stripe_sandbox: Sandbox, project: Project, needs: str, woken: bool
) -> None:
    method = saved(stripe_sandbox, project)
    info = method.billing_info
    invoice = unpaid(project, invoice_state="open", billing_info_id=info.id, needs=needs)

    customers.update(info, CustomerDetails(name="Ada", email="ada@example.com"), None)

    assert is_woken(invoice) == woken
