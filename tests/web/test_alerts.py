"""Spending alerts: who may set them, what may be typed, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_billing import SpendingAlert, alerts, clock
from tests.host import db
from tests.web.conftest import OTHER, Person, flashes
from tests.web.spending import add_record, at, begin
from tests.web.test_index import text_of


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _june(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: at(6, 18)):
        begin(app, at(6, 1))
        yield


def stored(app: Flask, project_key: str = "1") -> list[tuple[int, str | None, bool]]:
    with app.app_context():
        found = alerts.alerts_of(project_key)
        return [(alert.amount, alert.label, alert.stops_creation) for alert in found]


def test_alert_is_set_shown_and_removed(app: Flask, person: Person) -> None:
    person.send("/alerts", {"amount": "50", "label": "Half"})
    response = person.send("/alerts", {"amount": "20.5", "label": ""})

    page = person.page("/alerts")
    text = text_of(page)
    assert response.status_code == 303
    assert stored(app) == [(2050, None, False), (5000, "Half", False)]
    assert "20.50 USD not reached this month" in text
    assert "50.00 USD Half not reached this month" in text
    with app.app_context():
        smaller = alerts.alerts_of("1")[0].id
    assert person.send(f"/alerts/{smaller}/remove").status_code == 303
    assert stored(app) == [(5000, "Half", False)]
    assert flashes(person)[-1] == "The alert was removed."


def test_alert_that_was_raised_says_when(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=2)
    person.send("/alerts", {"amount": "10"})
    person.send("/alerts", {"amount": "1000"})
    with app.app_context():
        alerts.raise_due()

    for path in ("/alerts", "/usage"):
        text = text_of(person.page(path))
        assert "10.00 USD passed on Jun 18" in text
        assert "1,000.00 USD not reached this month" in text
    with clock.moved(lambda: at(7, 2)):
        assert "10.00 USD not reached this month" in text_of(person.page("/alerts"))


@pytest.mark.parametrize(
    ("typed", "language", "amount"),
    [
        ("50", "en", 5000),
        ("1,250.75", "en", 125075),
        ("50,25", "de", 5025),
        ("1.250,75", "de", 125075),
        (" 7 ", "en", 700),
    ],
)
def test_amount_is_read_as_the_reader_writes_it(
    app: Flask, person: Person, typed: str, language: str, amount: int
) -> None:
    response = person.send("/alerts", {"amount": typed}, headers={"Accept-Language": language})

    assert response.status_code == 303
    assert stored(app) == [(amount, None, False)]


@pytest.mark.parametrize(
    "typed",
    ["", " ", "0", "-5", "ten", "1e3", "NaN", "Infinity", "50.123", "1" * 30, "5 0 USD", "1,2,3"],
)
def test_what_is_no_amount_is_refused_and_stays_in_the_field(
    app: Flask, person: Person, typed: str
) -> None:
    response = person.send("/alerts", {"amount": typed, "label": "Half"})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text
    assert f'value="{typed.strip()}"' in response.text
    assert 'value="Half"' in response.text
    assert stored(app) == []


@pytest.mark.parametrize(
    "label", ["ada@example.com", "+44 20 7946 0958", "12 Analytical Street", "x" * 41]
)
def test_label_that_tells_of_a_person_is_refused(app: Flask, person: Person, label: str) -> None:
    response = person.send("/alerts", {"amount": "50", "label": label})

    assert response.status_code == 422
    assert 'href="#billing-label"' in response.text
    assert stored(app) == []


def test_there_can_be_too_many(app: Flask, person: Person) -> None:
    for amount in range(1, 11):
        assert person.send("/alerts", {"amount": str(amount)}).status_code == 303

    response = person.send("/alerts", {"amount": "11"})

    assert response.status_code == 422
    assert "Remove one first." in response.text
    assert len(stored(app)) == 10


class TestOfMembers:
    """Whoever sees the project may be told; only who manages its billing may stop it."""

    @pytest.fixture
    def member(self, app: Flask, person: Person) -> Person:
        person.send("/alerts", {"amount": "10", "stops_creation": "y"})
        person.send("/alerts", {"amount": "20"})
        app.config["HOST_CAN_MANAGE"] = False
        return person

    def test_member_may_set_and_remove_an_alert(self, app: Flask, member: Person) -> None:
        added = member.send("/alerts", {"amount": "30"})
        removed = remove(app, member, 2000)

        assert (added.status_code, removed.status_code) == (303, 303)
        assert stored(app) == [(1000, None, True), (3000, None, False)]

    def test_member_may_neither_set_nor_remove_a_limit(self, app: Flask, member: Person) -> None:
        added = member.send("/alerts", {"amount": "30", "stops_creation": "y"})
        removed = remove(app, member, 1000)

        assert (added.status_code, removed.status_code) == (403, 403)
        assert stored(app) == [(1000, None, True), (2000, None, False)]

    def test_member_sees_no_button_for_that(self, member: Person) -> None:
        page = member.page("/alerts").text

        assert "Make it a limit" not in page
        assert page.count("/remove") == 1


def remove(app: Flask, person: Person, amount: int) -> Any:
    with app.app_context():
        [found] = db.session.query(SpendingAlert).filter_by(amount=amount)
    return person.send(f"/alerts/{found.id}/remove")


def test_alert_of_another_project_is_404(app: Flask, person: Person, stranger: Person) -> None:
    person.send("/alerts", {"amount": "10"})
    stranger.send("/alerts", {"amount": "20"})

    response = remove(app, person, 2000)

    assert response.status_code == 404
    assert stored(app, str(OTHER)) == [(2000, None, False)]
    assert "20.00" not in text_of(person.page("/alerts"))


def test_guard_sends_whom_a_limit_stops_to_the_billing_page(app: Flask, person: Person) -> None:
    person.save_card()
    add_record(app, "1", at(6, 1), quantity=2)
    person.send("/alerts", {"amount": "10", "stops_creation": "y"})
    with app.app_context():
        alerts.raise_due()
    client = creating(app)

    answers = (
        client.post("/servers"),
        client.post("/servers", headers={"Accept": "application/json"}),
    )

    assert answers[0].status_code == 303
    assert answers[0].location.startswith("/projects/1/billing")
    assert answers[1].status_code == 402
    assert answers[1].get_json()["type"] == "urn:flask-billing:spending-limit-reached"
    assert "A spending limit of this project is reached" in answers[1].get_json()["detail"]
    remove(app, person, 1000)
    assert client.post("/servers").status_code == 201


def test_limit_that_is_passed_already_holds_at_once(app: Flask, person: Person) -> None:
    person.save_card()
    add_record(app, "1", at(6, 1), quantity=2)
    client = creating(app)
    before = client.post("/servers")

    person.send("/alerts", {"amount": "0.01", "stops_creation": "y"})

    assert before.status_code == 201
    assert client.post("/servers").status_code == 303
    text = text_of(person.page("/alerts"))
    assert "passed on Jun 18" in text
    assert "not reached" not in text


def creating(app: Flask) -> FlaskClient:
    """A visitor of the host's own view that creates a server."""
    from tests.host import Server

    def create() -> tuple[str, int]:
        db.session.add(Server(project_id=1))
        db.session.commit()
        return "created", 201

    app._got_first_request = False
    app.add_url_rule("/servers", view_func=create, methods=["POST"])
    return app.test_client()
