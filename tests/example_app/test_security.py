"""What browsers are told, and what they may not send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.example_app.visitor import Page, Visitor, new_project

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeVisitor = Callable[[], Visitor]

POSTS = ["/sign-in", "/sign-up", "/sign-out", "/projects", "/tokens"]


@pytest.mark.parametrize("page", ["/sign-in", "/static/harbour.css", "/nothing", "/api/projects"])
def test_every_answer_has_the_headers(visit: MakeVisitor, stripe_url: str, page: str) -> None:
    headers = visit().get(page).headers

    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        f"form-action 'self' {stripe_url}; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_https_is_remembered_only_over_https(visit: MakeVisitor) -> None:
    plain, secure = visit(), visit()
    secure.session.headers["X-Forwarded-Proto"] = "https"

    assert "Strict-Transport-Security" not in plain.get("/sign-in").headers
    assert "max-age" in secure.get("/sign-in").headers["Strict-Transport-Security"]


def test_stripes_pages_are_where_forms_may_lead_without_a_local_stripe(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        from example_app.security import content_security_policy

        print(content_security_policy(None))
        """
    )

    allowed = "form-action 'self' https://checkout.stripe.com https://invoice.stripe.com;"
    assert allowed in printed


def test_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visit: MakeVisitor) -> None:
    cookie = visit().get("/sign-in").headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_page_is_not_kept_by_the_browser(sign_up: MakeVisitor) -> None:
    assert sign_up().get("/projects").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("target", POSTS)
def test_form_without_its_token_is_refused(sign_up: MakeVisitor, target: str) -> None:
    person = sign_up()

    refused = person.post(target, csrf_token="", name="Forged", email="x@example.com")

    assert refused.status_code == 400
    assert person.get("/projects").status_code == 200
    assert "Forged" not in person.get("/projects").text


def test_no_page_needs_what_the_policy_forbids(sign_up: MakeVisitor, visit: MakeVisitor) -> None:
    person, visitor = sign_up(), visit()
    project = new_project(person)
    inside = ["/projects", "/projects/new", "/tokens", "/nothing", project, f"{project}/members"]
    inside += [f"{project}/dns-zones/new", f"{project}/billing"]
    pages = [person.get(page) for page in inside]
    pages += [visitor.get(page) for page in ("/sign-in", "/sign-up")]

    tags = [tag for page in pages for tag in Page(page).tags]

    assert [tag for tag, values in tags if tag in {"script", "style", "iframe"}] == []
    assert [values for tag, values in tags if "style" in values or "onclick" in values] == []


def test_app_without_a_secret_key_does_not_start(run_python: Callable[[str], str]) -> None:
    printed = run_python(
        """
        from example_app import create_app

        try:
            create_app()
        except RuntimeError as error:
            print(error)
        """
    )

    assert printed.startswith("Set SECRET_KEY")
