"""Ways over the processor's page: the bank asks, the person turns back, the page is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.inspection import inspect
from tests.browser.person import THREE_D_SECURE, Person

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

pytestmark = pytest.mark.browser


def test_card_is_saved_once_the_bank_knows_who_it_is(person: Person) -> None:
    person.open_billing()
    person.press("Add payment method")
    person.fill_in_card(THREE_D_SECURE)
    person.sees("Confirm it is you")
    inspect(person.page, "challenge")

    person.press("Complete authentication")

    assert person.is_at(person.billing)
    person.sees("Your payment method was saved.", "Visa ending in 3155")


def test_card_is_not_saved_where_the_bank_is_not_convinced(person: Person) -> None:
    person.open_billing()
    person.press("Add payment method")
    person.fill_in_card(THREE_D_SECURE)

    person.press("Fail authentication")

    person.sees("The card was not saved")
    kept = {"Address": "12 Row", "Postal code": "N1 7AA", "Country": "GB", "Expiry": "12 / 40"}
    for label, value in kept.items():
        assert person.page.get_by_label(label, exact=True).input_value() == value
    assert person.page.get_by_label("Card number").input_value() == ""
    inspect(person.page, "challenge-failed")
    person.open_billing()
    person.sees("There are none yet.")


def test_person_who_turns_back_is_where_they_were_and_can_go_on(person: Person) -> None:
    person.open(f"{person.project}/servers/new")
    person.press("Add payment method")
    person.follow("Cancel and go back")
    assert person.is_at(person.billing)
    person.sees("There are none yet.")

    person.press("Add payment method")
    person.fill_in_card("4242 4242 4242 4242")

    assert person.is_at(f"{person.project}/servers/new")


def test_page_that_is_over_says_so_and_leads_back(person: Person, sandbox: Sandbox) -> None:
    person.open_billing()
    person.press("Add payment method")
    checkout = person.page.url
    sandbox.advance(25 * 60 * 60)
    person.page.goto(checkout)
    person.sees("This page has expired")
    inspect(person.page, "checkout-expired")

    person.follow("Go back")
    assert person.is_at(person.billing)
    person.page.goto(f"{checkout}x")
    person.sees("This page does not exist")


def test_page_that_was_completed_leads_on(person: Person) -> None:
    person.open_billing()
    person.press("Add payment method")
    checkout = person.page.url
    person.fill_in_card("4242 4242 4242 4242")

    person.page.goto(checkout)

    person.sees("Your payment method is saved")
    inspect(person.page, "checkout-complete")
    person.follow("Go on")
    assert person.is_at(person.billing)
    assert person.cards() == ["4242"]
