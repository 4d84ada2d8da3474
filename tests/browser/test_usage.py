"""Pages of amounts in a real browser: both themes, all widths, a strict policy and no script."""

from __future__ import annotations

import csv
import io
import threading
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_billing import alerts, clock, credits, invoicing
from tests.browser.inspection import inspect
from tests.browser.person import click_through
from tests.host import Project, create_app, db
from tests.web.conftest import OTHER, OWN
from tests.web.spending import add_record, add_records, add_uses, at, begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NOW = at(10, 18, 9)
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    """A host in October that has begun in August."""
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY="sk_test_1",
        BILLING_RATES="rates.toml",
        WTF_CSRF_ENABLED=True,
    )

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    with clock.moved(lambda: NOW):
        with app.app_context():
            db.create_all()
            db.session.add_all([Project(id=OWN, name="own"), Project(id=OTHER, name="other")])
            db.session.commit()
        begin(app, at(8, 1))
        yield app


@pytest.fixture
def home(app: Flask) -> Iterator[str]:
    """The address of the billing page."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/projects/{OWN}/billing"
    server.shutdown()
    thread.join()
    server.server_close()


def fill(app: Flask) -> None:
    """Have two months be closed and one run, with whatever can be on a bill."""
    machines = [(str(number), at(8, 1 + number % 28), None) for number in range(1, 61)]
    add_records(app, machines)
    add_record(app, "1", at(8, 3), slot="disk", rate="disk.gb", quantity=40)
    add_record(app, "61", at(9, 5), at(10, 9, 7), rate="machine.large", quantity=2)
    for month in (8, 9, 10):
        for day in range(1, 18):
            add_uses(app, date(2026, month, day), 900 * day)
    add_uses(app, date(2026, 8, 30), 50_000, counted_in=date(2026, 9, 1))
    with app.app_context():
        with clock.moved(lambda: at(8, 2)):
            invoicing.discount("1", 10, reason="partner")
            invoicing.allow("1", 5000, target="api.call", reason="free_tier")
            invoicing.adjust("1", -250, reason="outage_in_july")
            credits.grant("1", 3000, reason="goodwill")
        invoicing.close()
        credits.grant("1", 2000, reason="goodwill")
        alerts.set_alert("1", 5000, label="Half", stops_creation=True)
        alerts.set_alert("1", 5_000_000)
        alerts.raise_due()


def main(page: Page) -> Any:
    return expect(page.locator("main"))


def test_pages_before_anything_was_used(home: str, page: Page) -> None:
    for name in ("", "/usage", "/invoices", "/alerts", "/credit-code"):
        page.goto(home + name)
        inspect(page, f"amounts-empty{name.replace('/', '-')}")


def test_billing_page_leads_to_usage_and_to_invoices(app: Flask, home: str, page: Page) -> None:
    fill(app)
    page.goto(home)
    main(page).to_contain_text("Heading for")
    inspect(page, "amounts-billing")

    click_through(page.get_by_role("link", name="Show usage"))

    main(page).to_contain_text("Usage in October 2026")
    inspect(page, "amounts-usage")
    click_through(page.get_by_role("link", name="Next page"))
    main(page).to_contain_text("Page 2 of 2")
    click_through(page.get_by_role("link", name="September 2026"))
    main(page).to_contain_text("Invoice for September 2026")
    inspect(page, "amounts-invoice")
    click_through(page.get_by_role("link", name="Next page"))
    main(page).to_contain_text("Lines 51 to")
    click_through(page.get_by_role("link", name="Back to invoices"))
    inspect(page, "amounts-invoices")


def test_days_are_a_table_too(app: Flask, home: str, page: Page) -> None:
    fill(app)
    page.goto(f"{home}/usage")
    table = page.locator(".billing-days")
    expect(table).to_be_hidden()

    page.get_by_text("The days as a table").click()

    expect(table.get_by_role("row")).to_have_count(19)
    inspect(page, "amounts-days")


def test_usage_page_works_without_scripts(
    app: Flask, home: str, page_without_scripts: Page
) -> None:
    fill(app)
    page = page_without_scripts
    page.goto(f"{home}/usage")

    page.get_by_text("The days as a table").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()

    expect(page.locator(".billing-days")).to_be_visible()
    assert download.value.suggested_filename == "usage-2026-10.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(rows) == 63


def test_alert_is_set_corrected_and_removed(home: str, page: Page) -> None:
    page.goto(f"{home}/usage")
    click_through(page.get_by_role("link", name="Set an alert"))

    page.get_by_label("Amount").fill("fifty")
    page.get_by_label("Label").fill("Half")
    page.get_by_label("Make it a limit").check()
    click_through(page.get_by_role("button", name="Set alert"))

    main(page).to_contain_text("Some of this has to be corrected")
    assert page.get_by_label("Label").input_value() == "Half"
    assert page.get_by_label("Make it a limit").is_checked()
    inspect(page, "amounts-alert-wrong")
    page.get_by_label("Amount").fill("50")
    click_through(page.get_by_role("button", name="Set alert"))
    main(page).to_contain_text("The alert was set.")
    inspect(page, "amounts-alerts")
    click_through(page.get_by_role("button", name="Remove"))
    main(page).to_contain_text("No alert is set yet.")


def test_code_is_redeemed_on_the_billing_page(app: Flask, home: str, page: Page) -> None:
    with app.app_context():
        credits.make_code(2000, code="WELCOME2026")
    page.goto(home)

    page.get_by_label("Code").fill("WELCOME2025")
    click_through(page.get_by_role("button", name="Redeem code"))

    main(page).to_contain_text("This code can't be used.")
    assert page.get_by_label("Code").input_value() == "WELCOME2025"
    inspect(page, "amounts-code-refused")
    page.get_by_label("Code").fill("welcome-2026")
    click_through(page.get_by_role("button", name="Redeem code"))
    main(page).to_contain_text("20.00\N{NO-BREAK SPACE}USD of credit was added.")


def test_invoice_prints_as_a_document(app: Flask, home: str, page: Page) -> None:
    fill(app)
    with app.app_context():
        newest = invoicing.invoices_of("1")[0].id
    page.goto(f"{home}/invoices/{newest}")

    page.emulate_media(media="print", color_scheme="dark")

    expect(page.get_by_role("heading", name="Invoice for September 2026")).to_be_visible()
    expect(page.get_by_text("Due before tax", exact=True)).to_be_visible()
    for name in ("Download as CSV", "Back to invoices", "Next page"):
        expect(page.get_by_role("link", name=name)).to_be_hidden()
    background = page.evaluate(
        "getComputedStyle(document.querySelector('.billing')).backgroundColor"
    )
    assert background == "rgb(255, 255, 255)"
