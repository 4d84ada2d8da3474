"""The whole way of a person: refused, card saved, server created, details, order, removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.inspection import inspect
from tests.browser.person import DECLINED, MASTERCARD, VISA, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from flask_billing.sandbox import Sandbox
    from tests.browser.conftest import Harbour

    Look = Callable[[Page, str], None]

pytestmark = pytest.mark.browser


def test_whole_journey(page: Page, harbour: Harbour, sandbox: Sandbox) -> None:
    play(Person(page, harbour.url, "journey@example.com"), look=inspect)


def test_whole_journey_without_scripts(
    page_without_scripts: Page, harbour: Harbour, sandbox: Sandbox
) -> None:
    person = Person(page_without_scripts, harbour.url, "no-scripts@example.com")

    play(person, look=lambda page, name: None)


def play(person: Person, look: Look) -> None:
    """Go the whole way, and look at each page that it leads over."""
    arrive(person, look)
    be_refused(person, look)
    save_first_card(person, look)
    create_server(person, look)
    edit_details(person, look)
    clear_details(person)
    save_second_card_and_change_order(person, look)
    remove_card(person, look)


def arrive(person: Person, look: Look) -> None:
    page = person.page
    person.open("/sign-up")
    look(page, "sign-up")
    person.sign_up()
    look(page, "projects-none")
    person.press("Sign out")
    look(page, "sign-in")
    person.sign_in()
    person.open("/projects/new")
    look(page, "project-new")
    person.create_project()
    look(page, "project-without-card")
    person.sees("Servers and databases need a payment method.")


def be_refused(person: Person, look: Look) -> None:
    with person.page.expect_response(f"**{person.project}/servers/new") as refused:
        person.follow("New server")

    assert refused.value.status == 303
    assert person.is_at(person.billing)
    person.sees("This server needs a payment method before it can be created.")
    person.sees("Add a payment method to go on.", "There are none yet.")
    look(person.page, "billing-refused")


def save_first_card(person: Person, look: Look) -> None:
    page = person.page
    person.press("Add payment method")
    look(page, "checkout")
    person.fill_in_card(DECLINED)
    person.sees("The card was not saved", "Your card was declined.")
    look(page, "checkout-declined")

    person.fill_in_card(VISA)

    assert person.is_at(f"{person.project}/servers/new")
    person.sees("Your payment method was saved.")
    look(page, "server-new")


def create_server(person: Person, look: Look) -> None:
    person.create_server("web-1")

    assert person.is_at(person.project)
    person.sees("web-1")
    look(person.page, "project-with-server")

    person.follow("Billing")
    person.sees("Everything is set", "Visa ending in 4242", "It can't be removed.")
    assert person.page.get_by_role("link", name="Remove").count() == 0
    look(person.page, "billing-one-card")


def edit_details(person: Person, look: Look) -> None:
    page = person.page
    person.follow("Edit Billing details")
    look(page, "details")
    person.type(Company="Engines Ltd", Street_and_number="12 Analytical Row")
    person.type(Note_on_invoices="PO 4711", **{"E-mail": "nobody"})
    page.get_by_label("Tax id", exact=True).fill("GB123456789")
    person.press("Save billing details")

    person.sees("Some of this has to be corrected", "Enter an e-mail address such as")
    assert page.get_by_label("E-mail").input_value() == "nobody"
    assert page.get_by_label("E-mail").get_attribute("aria-invalid") == "true"
    assert page.get_by_label("Company").input_value() == "Engines Ltd"
    look(page, "details-wrong")

    person.type(**{"E-mail": "billing@example.com"})
    person.press("Save billing details")
    assert person.is_at(person.billing)
    person.sees("Your billing details were saved.", "Engines Ltd", "12 Analytical Row")
    person.sees("billing@example.com", "PO 4711", "GB123456789")
    look(page, "billing-details-saved")


def clear_details(person: Person) -> None:
    page = person.page
    person.follow("Edit Billing details")
    person.type(Company="", Note_on_invoices="")
    page.get_by_label("Tax id", exact=True).fill("")
    person.press("Save billing details")

    person.sees("Your billing details were saved.", "billing@example.com")
    left = page.locator("main").inner_text()
    assert [gone for gone in ("Engines Ltd", "PO 4711", "GB123456789") if gone in left] == []


def save_second_card_and_change_order(person: Person, look: Look) -> None:
    person.save_card(MASTERCARD)
    assert person.cards() == ["4242", "4444"]
    look(person.page, "billing-two-cards")

    person.press("Move up Mastercard ending in 4444")

    person.sees("The order was changed.")
    assert person.cards() == ["4444", "4242"]


def remove_card(person: Person, look: Look) -> None:
    person.follow("Remove Visa ending in 4242")
    address = person.page.url
    person.sees("Remove this payment method?", "Visa ending in 4242")
    look(person.page, "remove")
    person.follow("Keep it")
    assert person.cards() == ["4444", "4242"]

    person.page.goto(address)
    person.press("Remove payment method")

    person.sees("Your payment method was removed.", "It can't be removed.")
    assert person.cards() == ["4444"]
