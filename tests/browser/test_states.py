"""Every state of the billing pages that is not on the straight way is as good to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from stripe import StripeClient

from tests.browser.inspection import inspect
from tests.browser.person import MASTERCARD, Person

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox
    from tests.browser.conftest import Harbour

pytestmark = pytest.mark.browser


def take_down(sandbox: Sandbox, call: str = "* /v1/*") -> None:
    """Have Stripe answer no more; of all ways to fail, this one is not tried again."""
    sandbox.fail(call, how="rate_limit", times=999)


def test_billing_page_while_stripe_is_down(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    take_down(sandbox)

    person.open_billing()

    person.sees("Stripe is not answering, so some details can't be shown", "Everything is set")
    person.sees("Its details can't be shown right now.", "Your billing details can't be shown")
    inspect(person.page, "billing-stripe-down")


def test_card_cannot_be_added_while_stripe_is_down(person: Person, sandbox: Sandbox) -> None:
    take_down(sandbox)
    person.open_billing()

    person.press("Add payment method")

    assert person.is_at(person.billing)
    person.sees("no payment method can be added right now")
    inspect(person.page, "billing-not-added")


def test_return_while_stripe_is_down_can_be_tried_again(person: Person, sandbox: Sandbox) -> None:
    person.open_billing()
    person.press("Add payment method")
    take_down(sandbox)
    person.fill_in_card("4242 4242 4242 4242")
    person.sees("We could not check your payment method yet")
    inspect(person.page, "unchecked")

    sandbox.engine.faults.clear()
    person.follow("Look again")

    person.sees("Your payment method was saved.")


def test_unusable_card_says_so(person: Person, harbour: Harbour) -> None:
    person.save_card()
    harbour.write("UPDATE payment_method SET refusal = 'declined'")

    person.open_billing()

    person.sees("Add another payment method to create new resources.", "can't be used")
    inspect(person.page, "billing-unusable")


def test_card_that_is_leaving_says_so(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    person.save_card(MASTERCARD)
    take_down(sandbox, "POST /v1/payment_methods/*/detach")
    person.follow("Remove Visa ending in 4242")

    person.press("Remove payment method")

    person.sees("it will be removed there as soon as it does", "is being removed")
    inspect(person.page, "billing-leaving")


def test_last_card_stays_although_its_removal_was_asked_before(person: Person) -> None:
    person.save_card()
    person.follow("Remove Visa ending in 4242")
    removal = person.page.url
    person.open(f"{person.project}/servers/new")
    person.create_server()

    person.page.goto(removal)

    person.sees("This payment method can't be removed", "Add another one first.")
    expect(person.page.get_by_role("button", name="Remove payment method")).to_have_count(0)
    inspect(person.page, "remove-kept")


def test_last_card_stays_where_its_removal_is_confirmed_too_late(person: Person) -> None:
    person.save_card()
    person.follow("Remove Visa ending in 4242")
    other_tab = Person(person.page.context.new_page(), person.url, person.email, person.project)
    other_tab.open(f"{person.project}/servers/new")
    other_tab.create_server()

    with person.page.expect_response("**/remove") as refused:
        person.press("Remove payment method")

    assert refused.value.status == 409
    person.sees("This payment method can't be removed")
    person.open_billing()
    assert person.cards() == ["4242"]


def test_details_before_there_are_any(person: Person) -> None:
    person.open(f"{person.billing}/details")

    person.sees("There are no billing details yet.")
    inspect(person.page, "details-none")


def test_customer_that_was_deleted_at_stripe(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    client = StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})
    [customer] = client.v1.customers.list().data
    client.v1.customers.delete(customer.id)

    person.open_billing()

    person.sees("This project's customer was deleted at Stripe", "Add a payment method to create")
    inspect(person.page, "billing-gone")
    person.open(f"{person.billing}/details")
    person.sees("This project's customer was deleted at Stripe")
    inspect(person.page, "details-gone")


def test_details_that_stripe_refuses_as_a_whole(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    person.open(f"{person.billing}/details")
    sandbox.fail("POST /v1/customers/*", how="refuse", status=400, code="parameter_invalid")
    person.type(Company="Engines Ltd")

    person.press("Save billing details")

    person.sees("Stripe does not accept these details.")
    assert person.page.get_by_label("Company").input_value() == "Engines Ltd"
    inspect(person.page, "details-refused-as-a-whole")


def test_details_while_stripe_is_down(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    take_down(sandbox)

    person.open(f"{person.billing}/details")

    person.sees("your billing details can't be shown or changed right now")
    inspect(person.page, "details-stripe-down")


def test_details_are_kept_while_stripe_does_not_save_them(person: Person, sandbox: Sandbox) -> None:
    person.save_card()
    person.open(f"{person.billing}/details")
    take_down(sandbox, "POST /v1/customers/*")
    person.type(Company="Engines Ltd")

    person.press("Save billing details")

    person.sees("Your changes may not be saved yet")
    assert person.page.get_by_label("Company").input_value() == "Engines Ltd"
    inspect(person.page, "details-unsaved")


def test_what_stripe_refuses_stands_at_its_field(person: Person) -> None:
    person.save_card()
    person.open(f"{person.billing}/details")
    person.type(Company="Engines Ltd")
    number = person.page.get_by_label("Tax id", exact=True)
    number.fill("12")

    person.press("Save billing details")

    person.sees("This does not look like a tax id of this kind.")
    assert number.get_attribute("aria-invalid") == "true"
    assert number.input_value() == "12"
    assert person.page.get_by_label("Company").input_value() == "Engines Ltd"
    inspect(person.page, "details-refused")


def test_project_whose_members_see_billing_and_change_nothing(
    person: Person, harbour: Harbour
) -> None:
    person.save_card()
    harbour.write("UPDATE membership SET role = 'member'")

    person.open_billing()

    expect(person.page.locator("main").get_by_role("button")).to_have_count(0)
    inspect(person.page, "billing-member")
    harbour.write("UPDATE membership SET role = 'owner'")


def test_page_while_billing_is_off(person: Person, harbour_without_stripe: str) -> None:
    person.url = harbour_without_stripe
    person.sign_up()
    person.create_project()

    with person.page.expect_response(f"**{person.billing}") as answer:
        person.open_billing()

    assert answer.value.status == 501
    person.sees("Billing is switched off on this site")
    expect(person.page.get_by_role("navigation", name="Project")).to_be_visible()
    inspect(person.page, "off")
    person.open(f"{person.project}/servers/new")
    person.create_server()
    person.sees("web-1")


def test_harbours_own_forms_and_lists(person: Person) -> None:
    person.save_card()
    pages = {
        "projects": "/projects",
        "members": f"{person.project}/members",
        "zone-new": f"{person.project}/dns-zones/new",
        "missing": f"{person.project}/nothing",
    }
    for name, path in pages.items():
        person.open(path)
        inspect(person.page, name)

    person.open(f"{person.project}/servers/new")
    person.create_server("No Such Name")
    person.sees("Use lower case letters, digits and hyphens")
    inspect(person.page, "server-wrong")
