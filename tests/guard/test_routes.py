"""People are stopped before they fill in a form; a refusal is answered in two ways."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.testing import FlaskClient

from tests.host import Project, Server, Zone, billing, create_app, db


@pytest.fixture
def client(sqlite_url: str) -> FlaskClient:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_routes")

    @app.get("/projects/<int:project_id>/servers/new")
    @billing.payment_method_required(model=Server)
    def new_server(project_id: int) -> str:
        return "form"

    @app.get("/projects/<int:project_id>/zones/new")
    @billing.payment_method_required(model=Zone)
    def new_zone(project_id: int) -> str:
        return "form"

    @app.get("/projects/<int:project_id>/plain")
    @billing.payment_method_required
    def plain(project_id: int) -> str:
        return "form"

    @app.post("/projects/<int:project_id>/servers")
    def create_server(project_id: int) -> str:
        body: dict[str, Any] = request.get_json(silent=True) or request.form
        db.session.add(Server(project_id=project_id, name=body.get("name", "web-1")))
        db.session.commit()
        return "created"

    walled = Blueprint("walled", __name__)

    @walled.get("/projects/<int:project_id>/walled")
    def inside(project_id: int) -> str:
        return "inside"

    app.register_blueprint(billing.payment_method_required(walled))
    return _with_projects(app)


def _with_projects(app: Flask) -> FlaskClient:
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=1, name="poor"), Project(id=2, name="internal")])
        db.session.commit()
        db.session.get_one(Project, 2).billable = False
        db.session.commit()
    return app.test_client()


@pytest.mark.parametrize(
    "path", ["/projects/1/servers/new", "/projects/1/plain", "/projects/1/walled"]
)
def test_person_is_sent_to_the_billing_page(client: FlaskClient, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 303
    assert response.location.startswith("/projects/1/billing")
    assert response.location.endswith(f"next={path}")


@pytest.mark.parametrize(
    "path",
    ["/projects/2/servers/new", "/projects/2/plain", "/projects/2/walled", "/projects/1/zones/new"],
)
def test_who_may_create_sees_the_form(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_project_that_nobody_may_see_is_not_found(client: FlaskClient) -> None:
    assert client.get("/projects/99/servers/new").status_code == 404


def test_refusal_out_of_a_flush_is_a_redirect_for_a_page(client: FlaskClient) -> None:
    response = client.post("/projects/1/servers", data={"name": "web-1"})

    assert response.status_code == 303
    assert response.location.startswith("/projects/1/billing")


@pytest.mark.parametrize(
    "asked", [{"json": {"name": "web-1"}}, {"headers": {"Accept": "application/json"}}]
)
def test_refusal_is_a_problem_for_a_program(client: FlaskClient, asked: dict[str, Any]) -> None:
    response = client.post("/projects/1/servers", **asked)

    assert response.status_code == 402
    assert response.mimetype == "application/problem+json"
    problem = response.get_json()
    assert problem["status"] == 402
    assert problem["type"].startswith("urn:flask-billing:")
    assert problem["billing_url"].endswith("/projects/1/billing")
    assert "server" in problem["detail"]


def test_nothing_is_left_behind_by_a_refusal(client: FlaskClient) -> None:
    client.post("/projects/1/servers", data={"name": "web-1"})

    with client.application.app_context():
        assert db.session.query(Server).count() == 0
