"""The billing page without a mouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.inspection import VIEWS
from tests.browser.person import MASTERCARD

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.person import Person

pytestmark = pytest.mark.browser

# What has the focus: its words, and how it shows that.
FOCUSED = """() => {
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
        words: element.textContent.replace(/\\s+/g, " ").trim(),
        outline: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
        inSight: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0
            && box.right <= innerWidth && box.height > 0,
    };
}"""

OF_THE_HOST = [
    "Skip to content",
    "Harbour",
    "Projects",
    "API tokens",
    "Sign out",
    "Overview",
    "Members",
    "Usage",
    "Billing",
]
OF_BILLING = [
    "Show usage",
    "Move down Visa ending in 4242",
    "Remove Visa ending in 4242",
    "Move up Mastercard ending in 4444",
    "Remove Mastercard ending in 4444",
    "Add payment method",
    "Edit Billing details",
    "",  # the field of the code
    "Redeem code",
]
ALL_STOPS = [*OF_THE_HOST, *OF_BILLING]


def test_focus_goes_from_top_to_bottom_and_can_be_seen(person: Person) -> None:
    person.save_card()
    person.save_card(MASTERCARD)

    for theme, width in VIEWS:
        person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        person.page.set_viewport_size({"width": width, "height": 900})
        person.open_billing()
        stops = [go_on(person.page) for _ in ALL_STOPS]

        assert [_closed(stop["words"]) for stop in stops] == [_closed(stop) for stop in ALL_STOPS]
        assert [stop for stop in stops if stop["outline"] < 2 or not stop["inSight"]] == []


def go_on(page: Page) -> dict[str, Any]:
    """Press Tab, and tell what has the focus then."""
    page.keyboard.press("Tab")
    return dict(page.evaluate(FOCUSED))


def test_skip_link_leads_past_the_navigation(person: Person) -> None:
    page = person.page
    person.open_billing()

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.evaluate(FOCUSED)["words"] == "Add payment method"


def test_order_is_changed_and_a_card_removed_by_keyboard(person: Person) -> None:
    page = person.page
    person.save_card()
    person.save_card(MASTERCARD)

    page.get_by_role("button", name="Move up Mastercard ending in 4444").press("Enter")
    person.sees("The order was changed.")
    page.get_by_role("link", name="Remove Visa ending in 4242").press("Enter")
    page.get_by_role("button", name="Remove payment method").press("Space")

    person.sees("Your payment method was removed.")
    assert person.cards() == ["4444"]


def test_summary_of_errors_leads_to_the_field(person: Person) -> None:
    page = person.page
    person.save_card()
    person.open(f"{person.billing}/details")
    person.type(**{"E-mail": "nobody"})
    page.get_by_label("E-mail").press("Enter")
    expect(page).to_have_title(re.compile("^Error:"))

    page.get_by_role("link", name="E-mail: Enter an e-mail address").press("Enter")

    assert page.evaluate("document.activeElement.name") == "email"


def _closed(words: str) -> str:
    return words.replace(" ", "")
