"""Paying an invoice in a real browser: saved cards, the bank's question, and what is past due."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from playwright.sync_api import expect
from werkzeug.serving import make_server

from flask_billing import clock, collecting
from tests.browser.inspection import inspect
from tests.browser.person import click_through
from tests.browser.test_usage import Quiet
from tests.host import Project, create_app, db
from tests.web.conftest import OTHER, OWN
from tests.web.conftest import Person as Owner
from tests.web.owing import use_and_close
from tests.web.spending import at, begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from flask_billing.sandbox import Sandbox

pytestmark = pytest.mark.browser

GOOD, FAILING, CONFIRMING = "5555555555554444", "4000000000000341", "4000002760003184"
NOW = at(9, 2, 9)


@pytest.fixture
def app(sqlite_url: str, sandbox: Sandbox) -> Iterator[Flask]:
    """A host in September that has used something in August."""
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=sandbox.secret_key,
        STRIPE_API_BASE=sandbox.url,
        BILLING_RATES="rates.toml",
        WTF_CSRF_ENABLED=True,
    )

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            f"form-action 'self' {sandbox.url}; base-uri 'none'; frame-ancestors 'none'"
        )
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
    app.extensions["billing"].threads.shutdown()


@pytest.fixture
def owner(app: Flask, sandbox: Sandbox) -> Owner:
    """Whoever saves cards, without a browser and without its tokens."""
    app.config["WTF_CSRF_ENABLED"] = False
    return Owner(app.test_client(), sandbox)


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


def owe(app: Flask, owner: Owner, *cards: str) -> str:
    """Have the project owe for August what its first card does not pay; then save the others."""
    owner.save_card(cards[0])
    [august] = use_and_close(app)
    with app.app_context():
        collecting.collect()
    for card in cards[1:]:
        owner.save_card(card)
    app.config["WTF_CSRF_ENABLED"] = True
    return f"/invoices/{august}"


def main(page: Page) -> Any:
    return expect(page.locator("main"))


def test_unpaid_invoice_is_paid_with_a_good_card(
    app: Flask, owner: Owner, home: str, page: Page
) -> None:
    owe(app, owner, FAILING, GOOD)
    page.goto(home)
    main(page).to_contain_text("The invoice for August 2026 could not be charged")
    inspect(page, "paying-billing-unpaid")

    click_through(page.get_by_role("link", name="Pay this invoice"))

    expect(page.get_by_label("Mastercard ending in 4444")).to_be_checked()
    inspect(page, "paying-invoice-unpaid")
    click_through(page.get_by_role("button", name="Pay 16.13\N{NO-BREAK SPACE}USD now"))
    main(page).to_contain_text("The invoice is paid.")
    inspect(page, "paying-invoice-paid")
    click_through(page.get_by_role("link", name="Back to invoices"))
    inspect(page, "paying-invoices")


def test_declined_card_leaves_the_other_ways(
    app: Flask, owner: Owner, home: str, page: Page
) -> None:
    invoice = owe(app, owner, FAILING)
    page.goto(home + invoice)

    click_through(page.get_by_role("button", name="Pay 16.13\N{NO-BREAK SPACE}USD now"))

    main(page).to_contain_text("Your bank declined the payment, so nothing was charged.")
    main(page).to_contain_text("was declined for this invoice")
    inspect(page, "paying-declined")
    expect(page.get_by_role("button", name="Pay on Stripe's page")).to_be_visible()


def test_bank_is_answered_on_the_processors_page(
    app: Flask, owner: Owner, home: str, page: Page, sandbox: Sandbox
) -> None:
    invoice = owe(app, owner, CONFIRMING)
    page.goto(home)
    main(page).to_contain_text("Your bank wanted you to confirm a payment")
    click_through(page.get_by_role("link", name="Pay this invoice"))
    inspect(page, "paying-confirmation")

    click_through(page.get_by_role("button", name="Pay on Stripe's page"))

    assert page.url.startswith(sandbox.url)
    page.get_by_label("3184").check()
    click_through(page.get_by_role("button", name="Pay"))
    click_through(page.get_by_role("button", name="Complete authentication"))
    page.goto(home + invoice)
    main(page).to_contain_text("Left to pay")
    expect(page.locator(".billing-figures")).to_contain_text("paid")
    page.goto(home)
    main(page).to_contain_text("Everything is set")


def test_past_due_is_told_and_lifted_by_paying(
    app: Flask, owner: Owner, home: str, page: Page
) -> None:
    owe(app, owner, FAILING)
    for day in (1, 3, 5, 7):
        with clock.moved(lambda day=day: NOW + timedelta(days=day, minutes=1)), app.app_context():  # type: ignore[misc]
            collecting.collect()
    page.goto(home)
    main(page).to_contain_text("The invoice for August 2026 is past due")
    main(page).to_contain_text("Until it is paid, no new resources can be created.")
    inspect(page, "paying-past-due")
    app.config["WTF_CSRF_ENABLED"] = False
    owner.save_card(GOOD)
    app.config["WTF_CSRF_ENABLED"] = True

    click_through(page.get_by_role("link", name="Pay this invoice"))
    inspect(page, "paying-past-due-invoice")
    click_through(page.get_by_role("button", name="Pay 16.13\N{NO-BREAK SPACE}USD now"))

    main(page).to_contain_text("The invoice is paid.")
    page.goto(home)
    main(page).to_contain_text("Everything is set")


def test_invoice_is_paid_without_scripts(
    app: Flask, owner: Owner, home: str, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    page.goto(home + owe(app, owner, FAILING, GOOD))

    click_through(page.get_by_role("button", name="Pay 16.13\N{NO-BREAK SPACE}USD now"))

    main(page).to_contain_text("The invoice is paid.")


def test_method_is_chosen_and_paid_with_by_keyboard(
    app: Flask, owner: Owner, home: str, page: Page
) -> None:
    page.goto(home + owe(app, owner, FAILING, CONFIRMING, GOOD))
    page.get_by_label("Visa ending in 3184").focus()

    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Mastercard ending in 4444")).to_be_checked()
    with page.expect_navigation():
        page.keyboard.press("Enter")

    main(page).to_contain_text("The invoice is paid.")
