"""What is owed: the sentence at the top of the billing page, and the list of invoices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from flask_billing import alerts, clock
from flask_billing.models import BilledProjectRow
from tests.host import db
from tests.web.conftest import OTHER, Person, method_ids
from tests.web.owing import add_attempt, set_back, use_and_close
from tests.web.spending import add_record, at, begin, statements_of
from tests.web.test_index import primary_buttons, text_of

NOW = at(9, 2)
FAILED = {"first_failed_at": at(9, 1), "retry_at": at(9, 4), "remote_state": "open"}


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _september(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(7, 1))
        yield


def status_of(page: Any) -> str:
    """The sentence at the top, what is said below it, and what its button says."""
    found = re.search(r'<section class="billing-status.*?</section>', page.text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split()).replace("&#39;", "'")


def step_of(page: Any) -> str:
    """Where the button in the sentence at the top leads to."""
    found = re.search(r'<section class="billing-status.*?</section>', page.text, re.DOTALL)
    assert found is not None
    return re.findall(r'(?:href|action)="([^"]+)"', found[0])[0]


# The sentence at the top


def test_unpaid_invoice_is_told_with_the_day_and_one_button(app: Flask, person: Person) -> None:
    person.save_card()
    july, august = use_and_close(app)
    set_back(app, july, "paid", state="done")
    set_back(app, august, **FAILED)

    page = person.page()

    status = status_of(page)
    assert "The invoice for August 2026 could not be charged: 16.13 USD." in plain(status)
    assert "Pay it by Sep 8 to keep creating resources." in status
    assert status.endswith("Pay this invoice")
    assert step_of(page) == f"/projects/1/billing/invoices/{august}#billing-pay"
    assert primary_buttons(page) == 1


def test_past_due_comes_first_and_says_what_hangs_on_it(app: Flask, person: Person) -> None:
    person.save_card()
    july, august = use_and_close(app)
    set_back(app, july, **FAILED)
    set_back(app, august, state="past_due", first_failed_at=at(8, 1))

    page = person.page()

    status = status_of(page)
    assert "The invoice for August 2026 is past due: 16.13 USD." in plain(status)
    assert "Until it is paid, no new resources can be created." in status
    assert step_of(page).endswith(f"{august}#billing-pay")
    assert "billing-status--bad" in page.text


class TestWherePastDueStopsNothing:
    """`BILLING_PAST_DUE_STOPS` is off."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "BILLING_PAST_DUE_STOPS": False}

    def test_nothing_is_said_of_new_resources(self, app: Flask, person: Person) -> None:
        person.save_card()
        july, august = use_and_close(app)
        set_back(app, july, **FAILED)

        unpaid = status_of(person.page())
        set_back(app, august, state="past_due")
        past_due = status_of(person.page())

        assert "Pay it by Sep 8." in unpaid
        assert "resources" not in unpaid + past_due


def test_confirmation_leads_to_the_invoice(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, needs="confirmation", **FAILED)

    page = person.page()

    status = status_of(page)
    assert "Your bank wanted you to confirm a payment of 16.13 USD." in plain(status)
    assert "You can do that on Stripe's page. Pay it by Sep 8 to keep creating" in status
    assert status.endswith("Pay this invoice")
    assert step_of(page).endswith(f"{july}#billing-pay")


def test_missing_address_leads_to_the_billing_details(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, needs="address")

    page = person.page()

    assert "The invoice for July 2026 needs your whole address" in status_of(page)
    assert step_of(page) == "/projects/1/billing/details"
    assert primary_buttons(page) == 1


def test_missing_payment_method_is_added_at_once(app: Flask, person: Person) -> None:
    july, _august = use_and_close(app)
    set_back(app, july, needs="payment_method")

    without = person.page()
    person.save_card()
    with_one = person.page()

    assert "Add a payment method to pay the invoice for July 2026" in status_of(without)
    assert step_of(without) == "/projects/1/billing/payment-methods"
    assert primary_buttons(without) == 1
    assert step_of(with_one).endswith(f"{july}#billing-pay")


def test_step_that_lifts_past_due_is_told_with_it(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, state="past_due", needs="confirmation")

    page = person.page()

    status = status_of(page)
    assert "The invoice for July 2026 is past due" in status
    assert "Your bank wanted you to confirm the payment. You can do that on Stripe's page" in status
    assert status.endswith("Pay this invoice")


def test_whoever_was_refused_for_it_is_told_to_pay(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, state="past_due")

    page = person.page("?next=/servers/new")

    assert status_of(page).startswith("Pay the invoice to go on.")
    assert step_of(page).endswith(f"{july}?next=/servers/new#billing-pay")


@pytest.mark.parametrize("state", ["sending", "processing"])
def test_payment_under_way_presses_nobody(app: Flask, person: Person, state: str) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, **FAILED)
    add_attempt(app, july, method_ids(app)[0], state=state)

    assert "Everything is set" in status_of(person.page())


CALM: list[tuple[str, dict[str, Any]]] = [
    ("paid", FAILED | {"state": "done"}),
    ("uncollectible", FAILED | {"state": "done"}),
    ("void", FAILED | {"state": "done"}),
    ("open", {"state": "waiting"}),
    ("open", {"state": "transfer"}),
    ("open", {"state": "parked", "reason": "amount_differs", **FAILED}),
    ("open", FAILED | {"livemode": True}),
]


def test_invoice_that_needs_nothing_presses_nobody(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    beginning = {"livemode": False, "first_failed_at": None}

    set_back(app, july, "open", **FAILED)
    assert "could not be charged" in status_of(person.page())
    for invoice_state, values in CALM:
        set_back(app, july, invoice_state, **beginning | values)
        assert "Everything is set" in status_of(person.page())


def test_invoice_of_another_project_presses_nobody_here(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app, OTHER)
    set_back(app, july, state="past_due")

    assert "Everything is set" in status_of(person.page())


def test_spending_limit_is_told_unless_an_invoice_is_past_due(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, **FAILED)
    add_record(app, "1", at(9, 1))
    with app.app_context():
        alerts.set_alert("1", 1, stops_creation=True)
        alerts.raise_due()

    limited = status_of(person.page())
    set_back(app, july, state="past_due")
    past_due = status_of(person.page())

    assert "a spending limit is reached" in limited
    assert "is past due" in past_due


def test_past_due_without_an_invoice_that_waits_is_still_told(app: Flask, person: Person) -> None:
    person.save_card()
    july, _august = use_and_close(app)
    set_back(app, july, state="processing", **FAILED)
    with app.app_context():
        db.session.execute(update(BilledProjectRow).values(past_due_since=at(9, 1)))
        db.session.commit()

    status = status_of(person.page())

    assert "New resources can't be created: an invoice is past due." in status


def test_who_may_not_manage_is_told_whom_to_ask(app: Flask, person: Person) -> None:
    person.save_card()
    july, august = use_and_close(app)
    set_back(app, july, **FAILED)
    app.config["HOST_CAN_MANAGE"] = False

    unpaid = person.page()
    set_back(app, august, state="past_due", needs="address")
    needs_address = person.page()

    assert "Ask someone who manages the billing of this project." in status_of(unpaid)
    assert status_of(unpaid).endswith("Show the invoice")
    assert "Pay now" not in unpaid.text
    assert "Ask someone who manages" in status_of(needs_address)
    assert "/details" not in needs_address.text


# The list


STATES: list[tuple[str, dict[str, Any], str]] = [
    ("closed", {}, "not charged yet"),
    ("open", {"remote_state": "open"}, "not charged yet"),
    ("open", {"state": "processing"}, "payment is on its way"),
    ("open", {"state": "parked", "reason": "amount_differs"}, "is being looked into"),
    ("open", {"state": "transfer"}, "to be paid by transfer"),
    ("open", {"state": "past_due", "needs": "confirmation"}, "past due"),
    ("open", {"needs": "confirmation"}, "needs your confirmation"),
    ("closed", {"needs": "payment_method"}, "needs a payment method"),
    ("closed", {"needs": "address"}, "needs your address"),
    ("open", FAILED, "could not be charged"),
    ("open", {"needs": "something new"}, "waiting"),
    ("paid", {"state": "done"}, "paid"),
    ("uncollectible", {"state": "done"}, "written off"),
    ("void", {"state": "done"}, "void"),
]


def test_state_is_told_in_words(app: Flask, person: Person) -> None:
    _july, august = use_and_close(app)
    beginning = {"state": "waiting", "needs": None, "first_failed_at": None}

    for invoice_state, values, words in STATES:
        set_back(app, august, invoice_state, **beginning | values)
        for path in ("", "/invoices"):
            text = plain(text_of(person.page(path)))
            assert f"August 2026 State {words} Amount 16.13 USD" in text


def test_unknown_outcome_is_told_as_being_checked(app: Flask, person: Person) -> None:
    person.save_card()
    july, august = use_and_close(app)
    add_attempt(app, july, method_ids(app)[0])
    add_attempt(app, august, method_ids(app)[0], state="processing")

    text = text_of(person.page())

    assert "July 2026 State payment is being checked" in text
    assert "August 2026 State payment is on its way" in text


def test_amount_is_told_with_tax_once_that_is_known(app: Flask, person: Person) -> None:
    july, _august = use_and_close(app)
    set_back(app, july, "open", total=1919, tax=306, remaining=1919, remote_state="open")

    text = plain(text_of(person.page("/invoices")))

    assert "Amount 19.19 USD View" in text
    assert "Amount 16.13 USD before tax View" in text


def test_pay_now_leads_to_each_invoice_that_can_be_paid(app: Flask, person: Person) -> None:
    july, august = use_and_close(app)
    set_back(app, august, "open", remote_state="open", stripe_id="in_1", remaining=1613)

    links = links_of(person.page())

    assert [(words, where) for words, where in links if words.startswith(("View", "Pay now"))] == [
        ("View August 2026", f"/projects/1/billing/invoices/{august}"),
        ("Pay now August 2026", f"/projects/1/billing/invoices/{august}#billing-pay"),
        ("View July 2026", f"/projects/1/billing/invoices/{july}"),
    ]


def test_number_of_statements_does_not_grow_with_the_invoices(app: Flask, person: Person) -> None:
    july, august = use_and_close(app)
    set_back(app, july, "void", state="done")
    with_one = statements_of(app, person, ""), statements_of(app, person, "/invoices")
    set_back(app, july, "open", state="past_due")
    set_back(app, august, "open", state="past_due")

    assert (statements_of(app, person, ""), statements_of(app, person, "/invoices")) == with_one


def links_of(page: Any) -> list[tuple[str, str]]:
    """The links of a page: their words and where they lead."""
    found = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
    return [(" ".join(re.sub(r"<[^>]*>", " ", words).split()), where) for where, words in found]


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")
