"""Who may see and change the pages, and what no page lets through."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask_wtf import CSRFProtect

from flask_billing.sandbox import Sandbox
from flask_billing.web.addresses import absolute, return_address
from tests.host import billing, create_app
from tests.web.conftest import OTHER, Person, method_ids

CHANGES = [
    ("POST", "/payment-methods"),
    ("GET", "/return?session_id=cs_test_1"),
    ("GET", "/details"),
    ("POST", "/details"),
    ("POST", "/payment-methods/0197f000-0000-7000-8000-000000000001/move"),
    ("GET", "/payment-methods/0197f000-0000-7000-8000-000000000001/remove"),
    ("POST", "/payment-methods/0197f000-0000-7000-8000-000000000001/remove"),
    ("GET", "/credit-code"),
    ("POST", "/credit-code"),
    ("POST", "/invoices/0197f000-0000-7000-8000-000000000001/pay"),
    ("POST", "/invoices/0197f000-0000-7000-8000-000000000001/pay-on-page"),
]
# What whoever sees the project may see and do.
SEEN = [
    ("GET", ""),
    ("GET", "/usage"),
    ("GET", "/usage.csv"),
    ("GET", "/invoices"),
    ("GET", "/invoices/0197f000-0000-7000-8000-000000000001"),
    ("GET", "/invoices/0197f000-0000-7000-8000-000000000001.csv"),
    ("GET", "/alerts"),
    ("POST", "/alerts"),
    ("POST", "/alerts/0197f000-0000-7000-8000-000000000001/remove"),
]
ALL = [*SEEN, *CHANGES]


@pytest.mark.parametrize(("method", "path"), ALL)
def test_without_a_key_every_page_answers_501_with_one_sentence(
    sqlite_url: str, method: str, path: str
) -> None:
    app = create_app(sqlite_url)

    response = app.test_client().open(f"/projects/1/billing{path}", method=method)

    assert response.status_code == 501
    assert "Billing is switched off on this site" in response.text


def test_stylesheet_is_served_while_billing_is_off(sqlite_url: str) -> None:
    app = create_app(sqlite_url)

    response = app.test_client().get("/billing/static/billing.css")

    assert response.status_code == 200
    assert response.content_type.startswith("text/css")
    response.close()


@pytest.mark.parametrize(("method", "path"), ALL)
def test_project_that_the_loader_does_not_find_is_404(
    person: Person, method: str, path: str
) -> None:
    response = person.client.open(f"/projects/99/billing{path}", method=method)

    assert response.status_code == 404


@pytest.mark.parametrize(("method", "path"), ALL)
def test_project_that_the_loader_forbids_is_403(person: Person, method: str, path: str) -> None:
    response = person.client.open(f"/projects/forbidden/billing{path}", method=method)

    assert response.status_code == 403


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_changes_are_refused_to_those_who_may_not_manage(
    app: Flask, person: Person, method: str, path: str
) -> None:
    app.config["HOST_CAN_MANAGE"] = False

    response = person.client.open(f"/projects/1/billing{path}", method=method)

    assert response.status_code == 403


def test_buttons_are_hidden_from_those_who_may_not_manage(app: Flask, person: Person) -> None:
    person.save_card()
    app.config["HOST_CAN_MANAGE"] = False

    page = person.page()

    assert page.status_code == 200
    assert "Visa ending in 4242" in page.text
    assert "<form" not in page.text
    assert "/details" not in page.text
    assert "/remove" not in page.text


def test_missing_loader_is_an_error_that_names_the_decorator(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing._hooks, "project_loader", None)

    with pytest.raises(RuntimeError, match=r"@billing\.project_loader"):
        person.page()


@pytest.mark.parametrize("action", ["move", "remove"])
def test_payment_method_of_another_project_is_404(
    app: Flask, person: Person, stranger: Person, action: str
) -> None:
    person.save_card()
    person.save_card("5555555555554444")
    stranger.save_card()
    foreign = method_ids(app, OTHER)[0]

    response = person.send(f"/payment-methods/{foreign}/{action}", {"direction": "up"})

    assert response.status_code == 404
    assert method_ids(app, OTHER) == [foreign]


def test_confirmation_for_a_payment_method_of_another_project_is_404(
    app: Flask, person: Person, stranger: Person
) -> None:
    person.save_card()
    stranger.save_card()

    response = person.page(f"/payment-methods/{method_ids(app, OTHER)[0]}/remove")

    assert response.status_code == 404


@pytest.mark.parametrize(
    "path",
    ["", "/details", "/return?session_id=cs_no", "/usage", "/usage.csv", "/invoices", "/alerts"],
)
def test_pages_are_kept_out_of_caches_and_addresses_from_other_sites(
    person: Person, path: str
) -> None:
    response = person.page(path)
    response.get_data()

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("ending", ["", "/"])
def test_billing_page_answers_with_and_without_a_slash(person: Person, ending: str) -> None:
    assert person.page(ending).status_code == 200


class TestWithCsrf:
    """Our forms bring and check a token of their own, whatever the host has set up."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"WTF_CSRF_ENABLED": True}

    @pytest.mark.parametrize(
        "path",
        [
            "/payment-methods",
            "/payment-methods/0197f000-0000-7000-8000-000000000001/move",
            "/payment-methods/0197f000-0000-7000-8000-000000000001/remove",
            "/alerts/0197f000-0000-7000-8000-000000000001/remove",
        ],
    )
    def test_post_without_token_is_400(self, person: Person, path: str) -> None:
        response = person.send(path, {"direction": "up"})

        assert response.status_code == 400

    def test_button_of_the_page_brings_the_token(self, person: Person) -> None:
        response = person.send("/payment-methods", {"csrf_token": token_on(person.page())})

        assert response.status_code == 303
        assert response.location.startswith(person.sandbox.url)

    def test_token_of_the_page_passes_the_protection_of_the_host(
        self, app: Flask, person: Person
    ) -> None:
        CSRFProtect(app)

        refused = person.send("/payment-methods")
        passed = person.send("/payment-methods", {"csrf_token": token_on(person.page())})

        assert (refused.status_code, passed.status_code) == (400, 303)

    def test_details_without_token_keep_what_was_typed(self, person: Person) -> None:
        person.come_back(
            person.sandbox.complete_checkout(person.begin(csrf_token=token_on(person.page())))
        )

        response = person.send("/details", {"name": "Grace Hopper", "country": "US"})

        assert response.status_code == 422
        assert 'value="Grace Hopper"' in response.text
        assert "The page was open for too long" in response.text

    @pytest.mark.parametrize(
        ("path", "typed"), [("/alerts", {"amount": "50"}), ("/credit-code", {"code": "ABCD-EFGH"})]
    )
    def test_forms_without_token_keep_what_was_typed(
        self, person: Person, path: str, typed: dict[str, str]
    ) -> None:
        response = person.send(path, typed)

        assert response.status_code == 422
        assert all(f'value="{value}"' in response.text for value in typed.values())
        assert "The page was open for too long" in response.text


def token_on(page: Any) -> str:
    found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("config", "host", "expected"),
    [
        ({}, "localhost", "http://localhost/projects/1/billing"),
        ({}, "127.0.0.1:5000", "http://127.0.0.1:5000/projects/1/billing"),
        ({}, "[::1]:5000", "http://[::1]:5000/projects/1/billing"),
        (
            {"TRUSTED_HOSTS": ["app.example.com"]},
            "app.example.com",
            "http://app.example.com/projects/1/billing",
        ),
        (
            {"BILLING_BASE_URL": "https://app.example.com"},
            "evil.example",
            "https://app.example.com/projects/1/billing",
        ),
    ],
)
def test_processor_sends_people_back_to_an_address_that_is_known(
    sqlite_url: str, stripe_sandbox: Sandbox, config: dict[str, Any], host: str, expected: str
) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY=stripe_sandbox.secret_key, **config)
    with app.test_request_context(headers={"Host": host}):
        address = return_address("1")

    assert address == expected + "/return?session_id={CHECKOUT_SESSION_ID}"


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_host_header_of_anyone_is_not_believed(person: Person, host: str) -> None:
    with pytest.raises(RuntimeError, match="BILLING_BASE_URL"):
        person.send("/payment-methods", headers={"Host": host})


def test_host_that_flask_does_not_trust_is_400(sqlite_url: str, stripe_sandbox: Sandbox) -> None:
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        TRUSTED_HOSTS=["app.example.com"],
    )

    response = app.test_client().get("/projects/1/billing", headers={"Host": "evil.example"})

    assert response.status_code == 400


def test_base_url_holds_for_an_app_that_is_mounted_below_it(
    sqlite_url: str, stripe_sandbox: Sandbox
) -> None:
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        BILLING_BASE_URL="https://example.com/app",
    )
    with app.test_request_context(environ_overrides={"SCRIPT_NAME": "/app"}):
        address = absolute("billing.index", project_id=1)

    assert address == "https://example.com/app/projects/1/billing"


class TestUnderAnotherPrefix:
    """`BILLING_URL_PREFIX` moves the pages; the stylesheet belongs to no project."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_URL_PREFIX": "/pay/<project_id>"}

    def test_pages_and_stylesheet_answer_there(self, person: Person) -> None:
        page = person.client.get("/pay/1")

        assert page.status_code == 200
        assert 'action="/pay/1/payment-methods"' in page.text
        stylesheet = person.client.get("/billing/static/billing.css")
        assert stylesheet.status_code == 200
        stylesheet.close()
