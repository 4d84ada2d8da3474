"""Accounts: signing up, in and out, and how often one may try."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.example_app.visitor import PASSWORD, Page, Visitor, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeVisitor = Callable[[], Visitor]


def test_person_who_signs_up_is_signed_in(sign_up: MakeVisitor) -> None:
    person = sign_up()

    page = person.get("/projects")

    assert page.status_code == 200
    assert "Create your first project" in page.text


def test_address_signs_up_once(sign_up: MakeVisitor, visit: MakeVisitor) -> None:
    person, other = sign_up(), visit()

    page = other.submit(
        other.get("/sign-up"),
        "Sign up",
        name="Another Person",
        email=person.email.upper(),
        password=PASSWORD,
    )

    assert page.status_code == 422
    assert "There is an account with this address already" in page.text
    assert "Another Person" in page.text


def test_short_password_is_refused(visit: MakeVisitor) -> None:
    visitor = visit()

    page = visitor.submit(
        visitor.get("/sign-up"), "Sign up", name="X", email="x@example.com", password="short"
    )

    assert page.status_code == 422
    assert "at least 10 characters" in page.text
    assert visitor.get("/projects").status_code == 302


def test_person_signs_in_whatever_the_case_of_the_address(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    email, browser = sign_up().email, visit()

    done = sign_in(browser, f" {email.title()} ")

    assert done.status_code == 303
    assert browser.get("/projects").status_code == 200


def test_wrong_password_and_unknown_address_read_the_same(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    email, browser = sign_up().email, visit()

    wrong = sign_in(browser, email, "not the password")
    unknown = sign_in(browser, f"nobody-{email}", "not the password")

    assert wrong.status_code == unknown.status_code == 422
    message = "E-mail address and password don't match an account."
    assert message in Page(wrong).text
    assert message in Page(unknown).text


def test_signing_out_ends_the_session(sign_up: MakeVisitor) -> None:
    person = sign_up()

    left = person.submit(person.get("/projects"), "Sign out")

    assert left.headers["Location"] == "/sign-in"
    assert person.get("/projects").status_code == 302


def test_signing_out_needs_more_than_a_link(sign_up: MakeVisitor) -> None:
    person = sign_up()

    assert person.get("/sign-out").status_code == 405
    assert person.get("/projects").status_code == 200


def test_signing_in_leads_back(sign_up: MakeVisitor, visit: MakeVisitor) -> None:
    email, browser = sign_up().email, visit()

    page = browser.follow(browser.get("/tokens"))
    done = browser.submit(page, "Sign in", email=email, password=PASSWORD)

    assert done.headers["Location"] == "/tokens"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/%09/evil.example/",
        "/%09\\evil.example/",
        "//[evil.example",
        "evil.example",
        "javascript:alert(1)",
    ],
)
def test_signing_in_never_leads_to_another_site(
    sign_up: MakeVisitor, visit: MakeVisitor, target: str
) -> None:
    email, browser = sign_up().email, visit()

    page = browser.get(f"/sign-in?next={target}")
    done = browser.submit(page, "Sign in", email=email, password=PASSWORD)

    assert done.headers["Location"] == "/projects"


def test_nothing_of_the_visitors_session_lives_on_in_the_persons(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    email, browser = sign_up().email, visit()
    planted = Page(browser.get("/sign-in")).form("Sign in").fields["csrf_token"]
    sign_in(browser, email)

    refused = browser.post("/projects", csrf_token=planted, name="Planted")

    assert refused.status_code == 400


def test_account_is_closed_to_guesses_after_too_many(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    email = sign_up().email
    guesses = [sign_in(visit(), email, "a guess").status_code for _ in range(4)]

    refused = sign_in(visit(), email)

    assert guesses == [422, 422, 422, 429]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "Wait a few minutes" in refused.text


def test_address_is_refused_after_too_many_guesses_at_any_account(visit: MakeVisitor) -> None:
    guesser, other = visit(), visit()
    guesses = [
        sign_in(guesser, f"guess-{number}@example.com", "a guess").status_code
        for number in range(7)
    ]

    elsewhere = sign_in(other, "guess-0@example.com", "a guess")

    assert guesses == [422] * 6 + [429]
    assert elsewhere.status_code == 422


def test_right_password_starts_the_count_of_the_account_again(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    email = sign_up().email

    for _ in range(2):
        sign_in(visit(), email, "a guess")
        sign_in(visit(), email, "a guess")
        done = sign_in(visit(), email)

    assert done.status_code == 303


def test_window_ends(run_python: Callable[[str], str], sqlite_url: str) -> None:
    printed = run_python(
        f"""
        import time_machine
        from werkzeug.exceptions import TooManyRequests

        from example_app import create_app
        from example_app.extensions import db
        from example_app.rate_limit import count_sign_in

        app = create_app(
            {{
                "SECRET_KEY": "a secret of the tests",
                "SQLALCHEMY_DATABASE_URI": "{sqlite_url}",
                "SIGN_IN_LIMIT_PER_ACCOUNT": 1,
                "SIGN_IN_WINDOW": 300,
            }}
        )
        with app.app_context(), time_machine.travel(300_000, tick=False) as clock:
            db.create_all()
            count_sign_in("192.0.2.1", "ada@example.com")
            clock.shift(299)
            try:
                count_sign_in("192.0.2.1", "ada@example.com")
            except TooManyRequests as error:
                print("refused", error.retry_after)
            clock.shift(1)
            count_sign_in("192.0.2.1", "ada@example.com")
            print("counted")
            db.engine.dispose()
        """
    )

    assert printed.splitlines() == ["refused 1", "counted"]
