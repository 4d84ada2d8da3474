"""The way to the processor's page and every end of the way back."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask

from tests.host import Project, db
from tests.web.conftest import OTHER, OWN, Person, flashes, method_ids

HOME = f"/projects/{OWN}/billing"


def test_add_leads_to_the_page_of_the_processor(person: Person) -> None:
    response = person.send("/payment-methods")

    assert response.status_code == 303
    assert response.location.startswith(person.sandbox.url)


def test_processor_gets_the_address_to_come_back_to_with_the_braces_as_they_are(
    person: Person,
) -> None:
    person.begin(next="/servers/new")

    [request] = person.sandbox.requests.of("POST /v1/checkout/sessions")
    address = f"http://localhost{HOME}"
    assert request.params["success_url"] == f"{address}/return?session_id={{CHECKOUT_SESSION_ID}}"
    assert request.params["cancel_url"] == f"{address}?next=/servers/new"


def test_coming_back_saves_the_card_and_says_so(app: Flask, person: Person) -> None:
    response = person.save_card()

    assert response.status_code == 303
    assert response.location == HOME
    assert flashes(person) == ["Your payment method was saved."]
    assert len(method_ids(app)) == 1


def test_messages_and_session_hold_nothing_of_the_card(person: Person) -> None:
    person.save_card(name="Canary Person", email="canary@example.com")

    with person.client.session_transaction() as session:
        kept = str(dict(session))
    for secret in ("4242", "Visa", "Canary", "canary"):
        assert secret not in kept


def test_reload_of_the_return_page_changes_nothing(app: Flask, person: Person) -> None:
    address = person.sandbox.complete_checkout(person.begin())

    responses = [person.come_back(address) for _ in range(3)]

    assert {response.status_code for response in responses} == {303}
    assert len(method_ids(app)) == 1
    assert set(flashes(person)) == {
        "Your payment method was saved.",
        "Your payment method is saved.",
    }


@pytest.mark.parametrize("query", ["", "?session_id=", "?session_id=../x", "?session_id=pi_1"])
def test_return_without_a_session_is_404(person: Person, query: str) -> None:
    assert person.page(f"/return{query}").status_code == 404


def test_session_that_was_never_started_is_404(person: Person) -> None:
    assert person.page("/return?session_id=cs_test_nobody").status_code == 404


def test_session_of_another_project_is_404(app: Flask, person: Person, stranger: Person) -> None:
    session_id = stranger.begin()
    stranger.sandbox.complete_checkout(session_id)

    response = person.page(f"/return?session_id={session_id}")

    assert response.status_code == 404
    assert method_ids(app) == []


def test_session_that_was_left_open_says_that_nothing_was_saved(app: Flask, person: Person) -> None:
    session_id = person.begin()

    response = person.page(f"/return?session_id={session_id}")

    assert response.location == HOME
    assert flashes(person) == [
        "Nothing was saved yet. Add a payment method whenever you are ready."
    ]
    assert method_ids(app) == []


def test_expired_session_says_so(person: Person) -> None:
    session_id = person.begin()
    person.sandbox.advance(25 * 3600)

    response = person.page(f"/return?session_id={session_id}")

    assert response.location == HOME
    assert "has expired" in flashes(person)[0]


def test_project_that_pays_otherwise_meanwhile_is_told(
    app: Flask, person: Person, stranger: Person
) -> None:
    stranger.save_card()
    session_id = person.begin()
    with app.app_context():
        own, other = (db.session.get_one(Project, key) for key in (OWN, OTHER))
        own.billing_info_id = other.billing_info_id
        db.session.commit()

    response = person.come_back(person.sandbox.complete_checkout(session_id))

    assert response.location == HOME
    assert "changed meanwhile" in flashes(person)[0]


def test_refused_card_says_so_and_stays_on_the_billing_page(app: Flask, person: Person) -> None:
    import dataclasses

    state = app.extensions["billing"]
    state.settings = dataclasses.replace(state.settings, blocked_countries=frozenset({"GB"}))
    session_id = person.begin(next="/servers/new")

    response = person.come_back(person.sandbox.complete_checkout(session_id))

    assert response.location == HOME
    assert "cards from its country are not accepted here" in flashes(person)[0]


class TestWhileTheProcessorIsDown:
    """No page ends in an error of ours."""

    def test_add_says_so_and_keeps_the_way_back(self, person: Person) -> None:
        person.sandbox.fail("POST /v1/checkout/sessions", how="error_500", times=9)

        response = person.send("/payment-methods", {"next": "/servers/new"})

        assert response.status_code == 303
        assert response.location == f"{HOME}?next=/servers/new"
        assert "Stripe is not answering" in flashes(person)[0]

    def test_return_says_so_and_looking_again_finishes_it(self, app: Flask, person: Person) -> None:
        address = person.sandbox.complete_checkout(person.begin())
        person.sandbox.fail("GET /v1/checkout/sessions/*", how="error_500", times=3)

        response = person.come_back(address)

        assert response.status_code == 503
        assert "Stripe is not answering" in response.text
        assert method_ids(app) == []
        again = re.search(r'href="([^"]+)">Look again', response.text)
        assert again is not None
        assert person.client.get(unescape(again[1])).location == HOME
        assert len(method_ids(app)) == 1
