"""Staff and the money in a real browser: stuck things, a timeline, deeds; strict, no script."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from flask import Flask
from playwright.sync_api import expect
from sqlalchemy import null

from flask_billing import (
    Dispute,
    Invoice,
    InvoiceCollection,
    InvoicePayment,
    InvoiceRefund,
    Notification,
    PaymentAttempt,
    PaymentMethod,
    auditing,
)
from flask_billing.ids import uuid7
from flask_billing.models import BilledProjectRow, BillingInfo
from flask_billing.periods import month_of
from tests.browser.inspection import inspect
from tests.browser.person import click_through
from tests.browser.test_staff import app, staff
from tests.host import db

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["app", "staff"]

pytestmark = pytest.mark.browser

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def seed(app: Flask) -> dict[str, UUID]:
    """Store an invoice in each state that matters here, and give their ids."""
    with app.app_context():
        db.session.add(BilledProjectRow(project_key="c0ffee00-77aa-4b1c-9d2e-000000000042"))
        info = BillingInfo(stripe_id="cus_UX4mJ2kQ1b7Zf0")
        method = PaymentMethod(
            stripe_id="pm_UX4mJ2kQ1b7Zf0", billing_info=info, position=0, refusal="disputed"
        )
        db.session.add_all([info, method])
        db.session.flush()
        ids = {
            name: add_invoice(months, info.id, **row)
            for months, (name, row) in enumerate(
                {
                    "paid": {"state": "done", "issued_at": ago(3 * DAY), "paid_at": ago(DAY)},
                    "parked": {"state": "parked", "reason": "amount_differs"},
                    "past_due": {"state": "past_due", "needs": "confirmation"},
                }.items()
            )
        }
        db.session.get_one(Invoice, ids["paid"]).state = "paid"
        db.session.add_all(story(ids["paid"], method.id))
        db.session.commit()
        with auditing.noted("retry", "invoice", ids["paid"], way="web", made_by="staff-7"):
            pass
        return ids


def ago(length: timedelta) -> datetime:
    return datetime.now(UTC) - length


def add_invoice(months: int, info_id: UUID, **row: object) -> UUID:
    """Add an invoice of so many months ago."""
    invoice_id, month = uuid7(), month_of(ago((months + 1) * 31 * DAY))
    amounts = {"gross": 120000, "subtotal": 120000, "due": 120000, "line_count": 3}
    db.session.add(
        Invoice(
            id=invoice_id,
            project_key="c0ffee00-77aa-4b1c-9d2e-000000000042",
            period_start=month.start,
            period_end=month.end,
            state="open",
            currency="usd",
            closed_at=ago(4 * DAY),
            **amounts,
        )
    )
    db.session.flush()
    db.session.add(
        InvoiceCollection(
            invoice_id=invoice_id,
            billing_info_id=info_id,
            livemode=False,
            stripe_id=f"in_1SUX4mJ2kQ1b7Zf0{months}",
            remote_state="open",
            state_since=ago(2 * DAY),
            **{"total": 142800, "tax": 22800, "paid": 0, "remaining": 142800, "credited": 0} | row,
        )
    )
    return invoice_id


def story(invoice_id: UUID, method_id: UUID) -> list[object]:
    """Return what happened to a paid invoice."""
    about = {"invoice_id": invoice_id, "currency": "usd", "amount": 142800}
    declined = {"code": "card_declined", "decline_code": "insufficient_funds", "state": "declined"}
    tried = {"payment_method_id": method_id, "in_flight_marker": null(), **about}
    return [
        PaymentAttempt(created_at=ago(2 * DAY), **declined, **tried),
        PaymentAttempt(created_at=ago(DAY), state="succeeded", origin="staff", **tried),
        InvoicePayment(
            stripe_id="inpay_1SUX4m",
            charge_id="ch_3SUX4mJ2kQ1b7Zf0",
            state="paid",
            paid_at=ago(DAY),
            **about,
        ),
        InvoiceRefund(
            state="succeeded",
            in_flight_marker=null(),
            reason="outage",
            credit_note_id="cn_1SUX4m",
            created_at=ago(HOUR),
            **about,
        ),
        Dispute(
            stripe_id="du_1SUX4mJ2kQ1b7Zf0",
            kind="dispute",
            state="needs_response",
            payment_method_id=method_id,
            **about,
        ),
        Notification(
            kind="receipt",
            topic="receipt:1",
            role="members",
            invoice_id=invoice_id,
            livemode=False,
            state="sent",
        ),
    ]


def test_list_of_invoices(app: Flask, staff: str, page: Page) -> None:
    page.goto(staff)
    expect(page.locator("main")).to_contain_text("once a month is over and closed")
    inspect(page, "staff-invoices-none")
    seed(app)

    page.goto(f"{staff}/invoices")

    expect(page.locator("main")).to_contain_text("Somebody has to look at this.")
    inspect(page, "staff-invoices")
    click_through(page.get_by_role("link", name="Past due 1"))
    assert page.locator("tbody tr").count() == 1
    page.get_by_label("Currency").fill("eur")
    click_through(page.get_by_role("button", name="Find invoices"))
    expect(page.locator("main")).to_contain_text("No invoice fits")
    assert "state=past_due" in page.url
    inspect(page, "staff-invoices-filtered")


def test_timeline_of_an_invoice(app: Flask, staff: str, page: Page) -> None:
    ids = seed(app)

    page.goto(f"{staff}/invoices/{ids['paid']}")

    expect(page.locator("ol")).to_contain_text("1,428.00 USD reached Stripe.")
    inspect(page, "staff-invoice-paid")
    page.goto(f"{staff}/invoices/{ids['parked']}")
    inspect(page, "staff-invoice-parked")
    page.set_extra_http_headers({"Accept-Language": "de"})
    page.goto(f"{staff}/invoices/{ids['past_due']}")
    expect(page.locator("main")).to_contain_text("überfällig")
    inspect(page, "staff-invoice-german")


def test_deed_is_asked_and_done_without_scripts(
    app: Flask, staff: str, page_without_scripts: Page
) -> None:
    page, ids = page_without_scripts, seed(app)
    page.goto(f"{staff}/invoices")
    click_through(page.locator("tbody").get_by_role("link", name=str(ids["parked"])))

    click_through(page.get_by_role("link", name="Unpark"))
    expect(page.locator("main")).to_contain_text("it is parked once more")
    click_through(page.get_by_role("button", name="Unpark"))

    expect(page.locator("main")).to_contain_text("It is set going.")
    page.go_back()
    expect(page.locator("main")).to_contain_text("This can't be done with the invoice")
    click_through(page.get_by_role("link", name="Audit log"))
    assert page.locator("tbody tr").count() == 2


@pytest.mark.parametrize("deed", ["lower", "write-off", "void", "retry"])
def test_page_that_asks(app: Flask, staff: str, page: Page, deed: str) -> None:
    ids = seed(app)

    page.goto(f"{staff}/invoices/{ids['past_due']}/{deed}")

    inspect(page, f"staff-{deed}")
    if deed != "retry":
        page.get_by_label("Reason").fill("Two words")
        click_through(page.locator("main form button"))
        expect(page.locator("main")).to_contain_text("Write one word")
        inspect(page, f"staff-{deed}-wrong")


def test_audit_log_and_disputed_method(app: Flask, staff: str, page: Page) -> None:
    ids = seed(app)
    page.goto(f"{staff}/invoices/{ids['paid']}")

    click_through(page.get_by_role("link", name="Charge its payment method again"))
    inspect(page, "staff-accept")
    click_through(page.get_by_role("button", name="Charge it again"))
    expect(page.locator("main")).to_contain_text("is charged again from now on")
    page.goto(f"{staff}/audit")

    inspect(page, "staff-audit")
    page.get_by_label("Id of an invoice").fill(str(ids["paid"]))
    click_through(page.get_by_role("button", name="Find entries"))
    assert page.locator("tbody tr").count() == 1
