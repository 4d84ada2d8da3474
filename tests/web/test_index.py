"""What the billing page says, in every state that a project can be in."""

from __future__ import annotations

import re
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, update

from flask_billing import PaymentMethod
from tests.host import Project, billing, db
from tests.web.conftest import OTHER, OWN, Person, add_server, delete_customer, method_ids


def text_of(page: Any) -> str:
    """Return what a person reads, with single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


def primary_buttons(page: Any) -> int:
    return page.text.count("billing-button--primary")


def test_empty_page_explains_what_will_be_there(person: Person) -> None:
    page = person.page()

    text = text_of(page)
    assert "Add a payment method to create new resources." in text
    assert "It is needed for every new server, database, or machine." in text
    assert "There are none yet." in text
    assert "You are asked for a name and an address" in text
    assert primary_buttons(page) == 1


def test_page_asks_nobody_while_nothing_is_saved(person: Person) -> None:
    person.page()

    assert len(person.sandbox.requests) == 0


def test_page_shows_methods_details_and_counts(app: Flask, person: Person) -> None:
    person.save_card()
    person.save_card("5555555555554444", exp="11/35")
    add_server(app)

    page = person.page()

    text = text_of(page)
    assert "Everything is set" in text
    assert text.index("Visa ending in 4242") < text.index("Mastercard ending in 4444")
    assert "valid until 11/2035" in text
    assert text.count("tried first") == 1
    assert "Ada Lovelace 12 Analytical Row London N1 7AA United Kingdom" in text
    assert "ada@example.com" in text
    assert "Server: 1" in text
    assert "Zone (free) : 0" in text
    assert "Seat (the first 2 are free) : 0" in text
    assert primary_buttons(page) == 1


def test_counts_are_those_of_this_project(app: Flask, person: Person, stranger: Person) -> None:
    stranger.save_card()
    add_server(app, OTHER)

    assert "Server: 0" in text_of(person.page())


def test_names_from_the_processor_are_escaped(person: Person) -> None:
    person.save_card(name="<script>alert(1)</script>", email="a@example.com")

    for path in ("", "/details"):
        page = person.page(path)
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text


def test_first_method_can_only_go_down_and_the_last_only_up(person: Person) -> None:
    person.save_card()
    person.save_card("5555555555554444")

    page = person.page()

    assert page.text.count('value="up"') == 1
    assert page.text.count('value="down"') == 1
    assert page.text.index('value="down"') < page.text.index('value="up"')


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"refusal": "declined"}, "your bank declined it for good"),
        ({"refusal": "banned"}, "this card is blocked here"),
        ({"refusal": "country"}, "cards from its country are not accepted here"),
        ({"refusal": "checking"}, "it is being checked"),
        ({"refusal": "something new"}, "can't be used here"),
        ({"usable": False, "stamp": 10**9}, "can't be charged: add another one"),
    ],
)
def test_method_that_cannot_be_charged_says_why(
    app: Flask, person: Person, values: dict[str, Any], words: str
) -> None:
    person.save_card()
    with app.app_context():
        db.session.execute(update(PaymentMethod).values(**values))
        db.session.commit()

    page = person.page()

    text = text_of(page).replace("&#39;", "'")
    assert words in text
    assert "tried first" not in text
    assert "Add another payment method to create new resources." in text
    assert primary_buttons(page) == 1


ORDER = "They are tried in this order until one pays."
ONE_OF_THEM = "Only one of them can be charged."
ONE = "This is what is charged."


@pytest.mark.parametrize(
    ("saved", "refused", "words"),
    [(1, 0, ONE), (2, 0, ORDER), (2, 1, ONE_OF_THEM), (3, 1, ORDER), (1, 1, None), (2, 2, None)],
)
def test_words_above_the_methods_speak_of_those_that_can_be_charged(
    app: Flask, person: Person, saved: int, refused: int, words: str | None
) -> None:
    for card in ("4242424242424242", "5555555555554444", "378282246310005")[:saved]:
        person.save_card(card)
    with app.app_context():
        ids = [method.id for method in db.session.get_one(Project, OWN).payment_methods]
        which = PaymentMethod.id.in_(ids[:refused])
        db.session.execute(update(PaymentMethod).where(which).values(refusal="declined"))
        db.session.commit()

    text = text_of(person.page())

    assert [found for found in (ORDER, ONE_OF_THEM, ONE) if found in text] == [words] * bool(words)


def test_card_that_ran_out_is_no_longer_said_to_be_charged(person: Person) -> None:
    person.save_card(exp="03/40")
    person.save_card("5555555555554444", exp="11/45")

    with time_machine.travel("2040-04-01T00:00:00+00:00", tick=False):
        text = text_of(person.page())

    assert ONE_OF_THEM in text
    assert text.index("Mastercard") < text.index("tried first")


def test_customer_that_was_deleted_is_told_at_once_and_from_then_on(
    app: Flask, person: Person
) -> None:
    person.save_card()
    delete_customer(app, person)

    pages = [text_of(person.page()).replace("&#39;", "'") for _ in range(2)]

    for text in pages:
        assert "This project's customer was deleted at Stripe" in text
        assert "Adding a payment method starts anew." in text
        assert "Add a payment method to create new resources." in text
        assert "Visa" not in text
        assert "Stripe is not answering" not in text


def test_card_saved_after_the_customer_was_deleted_starts_anew(app: Flask, person: Person) -> None:
    person.save_card()
    delete_customer(app, person)
    person.page()

    person.save_card("5555555555554444")

    text = text_of(person.page())
    assert "Mastercard ending in 4444" in text
    assert "Everything is set" in text
    assert "was deleted at Stripe" not in text


def test_expiry_is_told_in_time(person: Person) -> None:
    person.save_card(exp="03/40")

    with time_machine.travel("2040-03-31T23:59:00+00:00", tick=False):
        last_day = text_of(person.page())
    with time_machine.travel("2040-04-01T00:00:00+00:00", tick=False):
        after = text_of(person.page())

    assert "expires this month" in last_day
    assert "expired" in after
    assert "tried first" not in after


def test_method_that_is_leaving_has_no_buttons(app: Flask, person: Person) -> None:
    person.save_card()
    person.save_card("5555555555554444")
    person.sandbox.fail("POST /v1/payment_methods/*", how="refuse", status=400, times=9)
    person.send(f"/payment-methods/{method_ids(app)[0]}/remove")

    page = person.page()

    assert "is being removed" in text_of(page)
    assert page.text.count("/remove") == 1


def test_shared_billing_info_tells_how_many_but_never_which(app: Flask, person: Person) -> None:
    person.save_card()
    with app.app_context():
        own, other = (db.session.get_one(Project, key) for key in (OWN, OTHER))
        other.name = "Secret plans"
        other.billing_info_id = own.billing_info_id
        db.session.commit()

    text = text_of(person.page())

    assert "Also used by 1 other project." in text
    assert "Secret plans" not in text


def test_internal_project_is_told_that_it_needs_nothing(app: Flask, person: Person) -> None:
    with app.app_context():
        db.session.get_one(Project, OWN).billable = False
        db.session.commit()

    page = person.page()

    assert "This project is an internal one." in text_of(page)
    assert primary_buttons(page) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (True, "This site lets the project create without a payment method."),
        (False, "This site does not allow it for this project."),
    ],
)
def test_rule_of_the_host_is_named_as_the_reason(
    person: Person, monkeypatch: pytest.MonkeyPatch, answer: bool, words: str
) -> None:
    monkeypatch.setattr(billing._hooks, "guard_rules", [lambda project, model, count: answer])

    page = person.page()

    assert words in text_of(page)
    assert primary_buttons(page) == 1


def test_person_who_was_just_refused_is_not_told_the_same_twice(person: Person) -> None:
    text = text_of(person.page(query_string={"next": "/servers/new"}))

    assert "Add a payment method to go on." in text
    assert "to create new resources" not in text
    assert "It is needed for" not in text


def test_way_back_becomes_the_one_button_once_the_project_can_go_on(person: Person) -> None:
    person.save_card()

    page = person.page(query_string={"next": "/servers/new"})

    assert 'href="/servers/new">Go back to what you were doing' in page.text
    assert primary_buttons(page) == 1


class TestWhileTheProcessorIsSlow:
    """The page keeps its time limit and says what is missing."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_PAGE_TIMEOUT": 0.3, "STRIPE_TIMEOUT": (1, 2)}

    def test_page_loads_and_says_what_is_missing(self, app: Flask, person: Person) -> None:
        person.save_card()
        add_server(app)
        person.sandbox.latency = 1.0

        page = person.page()

        person.sandbox.latency = 0.0
        text = text_of(page).replace("&#39;", "'")
        assert page.status_code == 200
        assert "Nothing is lost, and you can keep working." in text
        assert "Payment method 1" in text
        assert "Its details can't be shown right now." in text
        assert "Your billing details can't be shown right now." in text
        assert "Everything is set" in text
        assert "Server: 1" in text

    def test_details_say_so_and_show_no_form(self, person: Person) -> None:
        person.save_card()
        person.sandbox.latency = 1.0

        page = person.page("/details")

        person.sandbox.latency = 0.0
        assert page.status_code == 200
        assert "Stripe is not answering" in page.text
        assert "<form" not in page.text

    def test_removal_can_still_be_confirmed(self, app: Flask, person: Person) -> None:
        person.save_card()
        person.sandbox.latency = 1.0

        page = person.page(f"/payment-methods/{method_ids(app)[0]}/remove")

        person.sandbox.latency = 0.0
        assert page.status_code == 200
        assert "Payment method 1" in page.text
        assert "<form" in page.text


def test_method_that_the_processor_forgot_is_gone_as_soon_as_that_is_sure(
    app: Flask, person: Person
) -> None:
    person.save_card()
    with app.app_context():
        method = db.session.scalars(db.select(PaymentMethod)).one()
        method.stripe_id = "pm_gone"
        db.session.commit()
    person.sandbox.fail("GET /v1/payment_methods/*", how="rate_limit", times=4)

    unsure, sure = (text_of(person.page()) for _ in range(2))

    assert "Stripe does not know it any more." in unsure
    assert ONE not in unsure
    assert "There are none yet." in sure
    assert "Add a payment method to create new resources." in sure


def test_number_of_statements_does_not_grow_with_the_methods(app: Flask, person: Person) -> None:
    for card in ("4242424242424242", "5555555555554444"):
        person.save_card(card)
    with_two = statements_of(app, person)
    for card in ("378282246310005", "6011111111111117"):
        person.save_card(card)

    assert statements_of(app, person) == with_two


def statements_of(app: Flask, person: Person) -> int:
    statements: list[str] = []

    def count(*args: Any) -> None:
        statements.append(args[2])

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
        try:
            person.page()
        finally:
            event.remove(db.engine, "before_cursor_execute", count)
    return len(statements)
