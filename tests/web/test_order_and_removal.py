"""Changing the order of payment methods, and taking one away in two steps."""

from __future__ import annotations

from uuid import uuid4

import pytest
from flask import Flask

from flask_billing import PaymentMethod
from tests.host import db
from tests.web.conftest import OWN, Person, add_server, flashes, method_ids

HOME = f"/projects/{OWN}/billing"


@pytest.fixture
def two_cards(app: Flask, person: Person) -> list[str]:
    person.save_card()
    person.save_card("5555555555554444")
    return [str(method_id) for method_id in method_ids(app)]


def test_moving_up_and_down_changes_the_order(
    app: Flask, person: Person, two_cards: list[str]
) -> None:
    first, second = two_cards

    up = person.send(f"/payment-methods/{second}/move", {"direction": "up"})

    assert (up.status_code, up.location) == (303, HOME)
    assert [str(each) for each in method_ids(app)] == [second, first]
    person.send(f"/payment-methods/{second}/move", {"direction": "down"})
    assert [str(each) for each in method_ids(app)] == [first, second]


def test_moving_beyond_the_end_changes_nothing(
    app: Flask, person: Person, two_cards: list[str]
) -> None:
    response = person.send(f"/payment-methods/{two_cards[0]}/move", {"direction": "up"})

    assert response.status_code == 303
    assert [str(each) for each in method_ids(app)] == two_cards


@pytest.mark.parametrize("direction", ["", "sideways"])
def test_other_directions_are_400(person: Person, two_cards: list[str], direction: str) -> None:
    response = person.send(f"/payment-methods/{two_cards[0]}/move", {"direction": direction})

    assert response.status_code == 400


@pytest.mark.parametrize("action", ["move", "remove"])
def test_payment_method_that_never_was_is_404(
    person: Person, two_cards: list[str], action: str
) -> None:
    response = person.send(f"/payment-methods/{uuid4()}/{action}", {"direction": "up"})

    assert response.status_code == 404


@pytest.mark.parametrize("action", ["move", "remove"])
def test_id_that_is_none_is_404(person: Person, action: str) -> None:
    assert person.send(f"/payment-methods/1/{action}").status_code == 404


def test_get_of_a_change_is_405(person: Person, two_cards: list[str]) -> None:
    assert person.page(f"/payment-methods/{two_cards[0]}/move").status_code == 405
    assert person.page("/payment-methods").status_code == 405


def test_confirmation_says_what_will_happen_and_does_nothing(
    app: Flask, person: Person, two_cards: list[str]
) -> None:
    page = person.page(f"/payment-methods/{two_cards[0]}/remove")

    assert page.status_code == 200
    assert "Visa ending in 4242" in page.text
    assert "It is not charged any more" in page.text
    assert "The others stay in their order." in page.text
    assert len(method_ids(app)) == 2


def test_removal_takes_it_away_here_and_at_the_processor(
    app: Flask, person: Person, two_cards: list[str]
) -> None:
    response = person.send(f"/payment-methods/{two_cards[0]}/remove")

    assert (response.status_code, response.location) == (303, HOME)
    assert flashes(person)[-1] == "Your payment method was removed."
    assert [str(each) for each in method_ids(app)] == two_cards[1:]
    assert "4242" not in person.page().text


def test_last_usable_method_says_why_it_stays(app: Flask, person: Person) -> None:
    person.save_card()
    add_server(app)
    [only] = method_ids(app)

    page = person.page()
    confirmation = person.page(f"/payment-methods/{only}/remove")
    response = person.send(f"/payment-methods/{only}/remove")

    assert "/remove" not in page.text
    assert "This is the last payment method that can be charged" in page.text
    assert "<h1" in confirmation.text
    assert "be removed</h1>" in confirmation.text
    assert response.status_code == 409
    assert "This is the last payment method that can be charged" in response.text
    assert method_ids(app) == [only]


def test_last_method_can_go_while_nothing_has_to_be_paid_for(app: Flask, person: Person) -> None:
    person.save_card()
    [only] = method_ids(app)

    page = person.page(f"/payment-methods/{only}/remove")
    person.send(f"/payment-methods/{only}/remove")

    assert "It is the last one" in page.text
    assert method_ids(app) == []


def test_removal_while_the_processor_is_down_says_what_holds_already(
    app: Flask, person: Person, two_cards: list[str]
) -> None:
    person.sandbox.fail("POST /v1/payment_methods/*", how="error_500", times=9)

    response = person.send(f"/payment-methods/{two_cards[0]}/remove")

    assert response.status_code == 303
    assert "not charged any more" in flashes(person)[-1]
    with app.app_context():
        leaving = db.session.scalars(
            db.select(PaymentMethod).where(PaymentMethod.leaving_at.is_not(None))
        ).one()
        assert not leaving.is_usable
    page = person.page(f"/payment-methods/{two_cards[0]}/remove")
    assert "is being removed" in page.text
    assert "<form" not in page.text
