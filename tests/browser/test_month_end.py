"""The end of a month in the demo, in a real browser: the clock is moved by a button."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.inspection import inspect
from tests.browser.person import click_through
from tests.example_app.running import demo, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.example_app.running import Demo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, as `make demo` starts it."""
    with demo(tmp_path_factory.mktemp("demo"), *free_ports()) as running:
        yield running
        running.stop()
    assert running.errors == ""


@pytest.fixture
def ada(running: Demo, page: Page) -> Page:
    """A page on which Ada, who is staff, is signed in."""
    page.goto(f"{running.addresses[0]}/sign-in")
    page.get_by_label("E-mail address").fill("ada@example.com")
    page.get_by_label("Password").fill(running.password)
    click_through(page.get_by_role("button", name="Sign in"))
    return page


def test_invoice_of_the_month_is_issued_and_paid_once_the_clock_is_moved(ada: Page) -> None:
    click_through(ada.get_by_role("link", name="Month-end"))
    inspect(ada, "month-end-before")
    rows = ada.locator("main .rows li")
    before = rows.filter(has_text="Analytical Engine").inner_text()

    click_through(ada.get_by_role("button", name="Move the clock to the end of the month"))

    expect(ada.locator("main")).to_contain_text("Invoices collected: 2 paid")
    inspect(ada, "month-end-after")
    paid = rows.filter(has_text="Analytical Engine")
    expect(paid).to_contain_text("paid")
    assert paid.inner_text() != before
    click_through(paid.get_by_role("link"))
    expect(ada.locator("main")).to_contain_text("Left to pay")
    expect(ada.locator("main")).to_contain_text("Visa")


def test_project_with_a_declined_card_is_told_that_it_is_past_due(ada: Page) -> None:
    click_through(ada.get_by_role("link", name="Loom"))
    click_through(ada.get_by_role("link", name="Billing", exact=True))

    expect(ada.locator("main")).to_contain_text("is past due")
    expect(ada.get_by_role("link", name="Pay this invoice")).to_be_visible()
    inspect(ada, "demo-past-due")


def test_staff_sees_the_story_of_the_invoice_that_is_past_due(ada: Page) -> None:
    click_through(ada.get_by_role("link", name="All invoices"))
    inspect(ada, "demo-staff-invoices")
    click_through(ada.get_by_role("link", name="Past due").first)

    click_through(ada.locator("main .billing-event").first)

    expect(ada.locator("main")).to_contain_text(
        "Planned try over 22.50\N{NO-BREAK SPACE}USD: declined."
    )
    expect(ada.locator("main")).to_contain_text("It is past due.")
