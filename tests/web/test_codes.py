"""Codes that grant credit, typed on the billing page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_billing import clock, credits
from tests.web.conftest import OTHER, Person, flashes
from tests.web.spending import at, begin
from tests.web.test_index import text_of

NOW = at(6, 18)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _june(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(6, 1))
        yield


def make(app: Flask, code: str, **values: Any) -> None:
    with app.app_context():
        credits.make_code(2000, code=code, **values)


def balance(app: Flask, project_key: str = "1") -> int:
    with app.app_context():
        return credits.balance(project_key)


def test_code_grants_its_credit(app: Flask, person: Person, stranger: Person) -> None:
    make(app, "WELCOME2026")

    response = person.send("/credit-code", {"code": " welcome-2026 "})

    assert (response.status_code, response.location) == (303, "/projects/1/billing")
    assert flashes(person) == ["20.00\N{NO-BREAK SPACE}USD of credit was added."]
    assert (balance(app), balance(app, str(OTHER))) == (2000, 0)
    assert "Left: 20.00 USD" in text_of(person.page())
    assert "20.00" not in text_of(stranger.page())


def test_project_uses_a_code_once_and_another_project_too(
    app: Flask, person: Person, stranger: Person
) -> None:
    make(app, "WELCOME2026")
    person.send("/credit-code", {"code": "WELCOME2026"})

    again = person.send("/credit-code", {"code": "WELCOME2026"})
    other = stranger.send("/credit-code", {"code": "WELCOME2026"})

    assert (again.status_code, other.status_code) == (422, 303)
    assert "This project has used this code already." in again.text
    assert (balance(app), balance(app, str(OTHER))) == (2000, 2000)


def test_unknown_expired_used_up_and_blank_codes_look_the_same(
    app: Flask, person: Person, stranger: Person
) -> None:
    make(app, "OLDCODE", expires_at=NOW + timedelta(hours=1))
    make(app, "LASTCODE", max_uses=1)
    make(app, "EUROCODE", currency="eur")
    stranger.send("/credit-code", {"code": "LASTCODE"})

    with clock.moved(lambda: NOW + timedelta(hours=2)):
        typed = ["NOSUCHCODE", "OLDCODE", "LASTCODE", "EUROCODE", "", "  ", "'; --", "x" * 101]
        answers = [person.send("/credit-code", {"code": code}) for code in typed]

    pages = {
        answer.text.replace(f'value="{code.strip()}"', "").replace('value="&#39;; --"', "")
        for answer, code in zip(answers, typed, strict=True)
    }
    assert {answer.status_code for answer in answers} == {422}
    assert len(pages) == 1
    assert "This code can" in pages.pop()
    assert balance(app) == 0


def test_code_that_was_refused_stays_in_the_field(person: Person) -> None:
    page = person.send("/credit-code", {"code": "NOSUCHCODE"})

    assert 'value="NOSUCHCODE"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert 'href="#billing-code"' in page.text


def test_guessing_is_slowed_down(app: Flask, person: Person, stranger: Person) -> None:
    make(app, "WELCOME2026")
    for number in range(10):
        assert person.send("/credit-code", {"code": f"GUESS{number}"}).status_code == 422

    guess = person.send("/credit-code", {"code": "GUESS10"})
    with clock.moved(lambda: NOW + timedelta(minutes=20, seconds=0.5)):
        right = person.send("/credit-code", {"code": "WELCOME2026"})
    other = stranger.send("/credit-code", {"code": "WELCOME2026"})

    assert (guess.status_code, right.status_code, other.status_code) == (429, 429, 303)
    assert "Try again in an hour." in guess.text
    assert (guess.headers["Retry-After"], right.headers["Retry-After"]) == ("3600", "2400")
    assert "Retry-After" not in other.headers
    assert balance(app) == 0
    with clock.moved(lambda: NOW + timedelta(hours=2)):
        assert person.send("/credit-code", {"code": "WELCOME2026"}).status_code == 303


def test_form_is_hidden_from_those_who_may_not_manage(app: Flask, person: Person) -> None:
    app.config["HOST_CAN_MANAGE"] = False

    assert "credit-code" not in person.page().text
