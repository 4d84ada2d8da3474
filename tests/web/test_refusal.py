"""How a refusal of the guard is answered: a page for people, a problem for programs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from flask_billing import PaymentMethodRequired
from tests.host import Server, billing, db
from tests.web.conftest import OWN, Person, flashes

FORM = "/projects/1/servers/new"


@pytest.fixture
def app(app: Flask) -> Flask:
    @app.get("/projects/<int:project_id>/servers/new")
    @billing.payment_method_required(model=Server)
    def new_server(project_id: int) -> str:
        return "the form"

    @app.route("/projects/<int:project_id>/servers", methods=["POST"])
    def create_server(project_id: int) -> str:
        db.session.add(Server(project_id=project_id))
        db.session.commit()
        return "created"

    @app.get("/nobody")
    def nobody() -> str:
        raise PaymentMethodRequired(resource="<b>server</b>")

    return app


def test_person_is_sent_to_the_billing_page_with_a_way_back(person: Person) -> None:
    response = person.client.get(f"{FORM}?name=secret")

    parts = urlsplit(response.location)
    assert response.status_code == 303
    assert parts.path == "/projects/1/billing"
    assert parse_qs(parts.query) == {"next": [FORM]}
    assert flashes(person) == ["This server needs a payment method before it can be created."]


def test_refused_form_leads_back_to_the_page_it_was_on(person: Person) -> None:
    response = person.client.post(
        "/projects/1/servers", headers={"Referer": f"http://localhost{FORM}?name=secret"}
    )

    assert response.status_code == 303
    assert parse_qs(urlsplit(response.location).query) == {"next": [FORM]}


@pytest.mark.parametrize(
    "referrer",
    [
        "https://evil.example/projects/1/servers/new",
        "http://localhost.evil.example/",
        "http://localhost//evil.example/",
        "http://localhost/\\evil.example",
        "",
    ],
)
def test_page_of_another_site_is_no_way_back(person: Person, referrer: str) -> None:
    response = person.client.post("/projects/1/servers", headers={"Referer": referrer})

    assert response.location == "/projects/1/billing"


@pytest.mark.parametrize(
    "request_like",
    [
        {"json": {}},
        {"headers": {"Accept": "application/json"}},
        {"headers": {"Accept": "application/problem+json"}},
        {"headers": {"Accept": "application/json, text/html;q=0.5"}},
    ],
)
def test_program_gets_a_problem_document(person: Person, request_like: dict[str, Any]) -> None:
    response = person.client.post("/projects/1/servers", **request_like)

    assert response.status_code == 402
    assert response.content_type == "application/problem+json"
    assert response.json == {
        "type": "urn:flask-billing:payment-method-required",
        "title": "A payment method is required",
        "status": 402,
        "detail": "This server needs a payment method before it can be created.",
        "resource": "server",
        "billing_url": "http://localhost/projects/1/billing",
    }
    assert flashes(person) == []


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "*/*", ""])
def test_browser_is_not_taken_for_a_program(person: Person, accept: str) -> None:
    response = person.client.post("/projects/1/servers", headers={"Accept": accept})

    assert response.status_code == 303


def test_problem_names_no_host_that_is_not_trusted(person: Person) -> None:
    response = person.client.post("/projects/1/servers", json={}, headers={"Host": "evil.example"})

    assert response.json is not None
    assert response.json["billing_url"] == "/projects/1/billing"


def test_refusal_without_a_known_project_is_a_plain_page(person: Person) -> None:
    response = person.client.get("/nobody")

    assert response.status_code == 402
    assert "<b>" not in response.text


def test_refusal_without_a_known_project_names_no_page_to_programs(person: Person) -> None:
    response = person.client.get("/nobody", headers={"Accept": "application/json"})

    assert response.status_code == 402
    assert response.json is not None
    assert "billing_url" not in response.json


def test_person_comes_back_to_the_form_after_saving_a_card(person: Person) -> None:
    refused = person.client.get(FORM)
    page = person.client.get(refused.location)
    assert f'name="next" value="{FORM}"' in page.text

    session_id = person.begin(next=FORM)
    response = person.come_back(person.sandbox.complete_checkout(session_id))

    assert response.location == FORM
    assert person.client.get(FORM).text == "the form"


def test_way_back_is_used_once(person: Person) -> None:
    session_id = person.begin(next=FORM)
    address = person.sandbox.complete_checkout(session_id)
    person.come_back(address)

    again = person.come_back(address)

    assert again.location == f"/projects/{OWN}/billing"


@pytest.mark.parametrize(
    "hostile",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%0d%0aSet-Cookie:x=1\r\nX: y",
        "\\\\evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "///evil.example",
        " //evil.example",
        "/\t/evil.example",
        "/" + "a" * 500,
        "relative",
    ],
)
def test_hostile_way_back_is_ignored(person: Person, hostile: str) -> None:
    page = person.page(query_string={"next": hostile})
    session_id = person.begin(next=hostile)
    response = person.come_back(person.sandbox.complete_checkout(session_id))

    assert 'name="next"' not in page.text
    assert response.location == f"/projects/{OWN}/billing"


def test_way_back_keeps_the_path_only(person: Person) -> None:
    session_id = person.begin(next="/servers?name=secret#part")

    with person.client.session_transaction() as session:
        assert "secret" not in str(dict(session))
    response = person.come_back(person.sandbox.complete_checkout(session_id))
    assert response.location == "/servers"


def test_session_never_fills_up_with_ways_back(person: Person, app: Flask) -> None:
    for number in range(2):
        person.project_id = number + 1
        person.begin(next="/" + "a" * 499)

    with person.client.session_transaction() as session:
        assert len(session["_billing_next"]) == 2
    page = person.page(query_string={"next": "/servers"})
    assert page.status_code == 200
