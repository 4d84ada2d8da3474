"""Without a secret key billing is off: all may be created, pages say so, nobody is called."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, render_template_string
from sqlalchemy import func, insert, select

from flask_billing import BillingDisabled, BillingInfo, PaymentMethod, guard, payment_methods
from flask_billing.sandbox import Sandbox
from tests.host import Project, Server, billing, create_app, db

PAGES = [
    ("GET", ""),
    ("GET", "/"),
    ("POST", "/payment-methods"),
    ("GET", "/return?session_id=cs_test_1"),
    ("GET", "/details"),
    ("POST", "/details"),
    ("GET", "/payment-methods/0197f000-0000-7000-8000-000000000001/remove"),
    ("POST", "/payment-methods/0197f000-0000-7000-8000-000000000001/remove"),
    ("POST", "/payment-methods/0197f000-0000-7000-8000-000000000001/move"),
]


@pytest.fixture(params=[None, ""], ids=["absent", "empty"])
def app(
    request: pytest.FixtureRequest, sqlite_url: str, stripe_sandbox: Sandbox
) -> Iterator[Flask]:
    app = create_app(
        sqlite_url, STRIPE_SECRET_KEY=request.param, STRIPE_API_BASE=stripe_sandbox.url
    )
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=1, name="one"), Project(id=2, name="two")])
        db.session.commit()
    yield app
    assert len(stripe_sandbox.requests) == 0


def count() -> int:
    return db.session.scalar(select(func.count()).select_from(Server)) or 0


def test_guard_is_open_in_every_way(app: Flask) -> None:
    with app.app_context():
        db.session.add(Server(project_id=1))
        db.session.flush()
        db.session.bulk_save_objects([Server(project_id=1)])
        db.session.execute(insert(Server), [{"project_id": 1, "name": "a"}])
        db.session.execute(insert(Server.__table__).values(project_id=2, name="b"))
        db.session.add(Project(name="new", servers=[Server()]))
        db.session.commit()

        assert count() == 5


def test_predicates_say_that_everything_can_be_created(app: Flask) -> None:
    with app.test_request_context():
        project = db.session.get_one(Project, 1)

        assert project.can_create_resources
        assert guard.decide(project, Server, 1000) == guard.Decision(True, "off")
        assert render_template_string("{{ billing_can_create(p) }}", p=project) == "True"


def test_nothing_is_saved_as_far_as_can_be_seen(app: Flask) -> None:
    with app.app_context():
        info = BillingInfo(stripe_id="cus_1")
        project = Project(name="once on", billing_info=info)
        db.session.add_all([project, PaymentMethod(stripe_id="pm_1", billing_info=info)])
        db.session.commit()

        assert project.payment_methods == []
        assert not project.has_payment_method
        assert project.can_create_resources


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_every_page_answers_501_with_one_sentence(app: Flask, method: str, path: str) -> None:
    response = app.test_client().open(f"/projects/1/billing{path}", method=method)

    assert response.status_code == 501
    assert "off" in response.text
    assert "STRIPE" not in response.text


def test_stylesheet_of_that_page_is_served(app: Flask) -> None:
    with app.test_request_context():
        address = app.url_for("billing.static", filename="billing.css")

    response = app.test_client().get(address)

    assert response.status_code == 200
    response.close()


def test_guarded_view_lets_everyone_in(app: Flask) -> None:
    @app.get("/projects/<int:project_id>/servers/new")
    @billing.payment_method_required
    def form(project_id: int) -> str:
        return "the form"

    assert app.test_client().get("/projects/1/servers/new").text == "the form"


def test_verbs_that_need_the_processor_say_that_billing_is_off(app: Flask) -> None:
    with app.app_context():
        project = db.session.get_one(Project, 1)

        with pytest.raises(BillingDisabled):
            payment_methods.start(project, return_url="http://x.test/", cancel_url="http://x.test/")


def test_sweeper_has_nothing_to_do(app: Flask) -> None:
    with app.app_context():
        report = payment_methods.sweep()

    assert not any(vars(report).values())


@pytest.mark.parametrize("key", ["", "sk_test_1", "sk_live_1"])
def test_setting_up_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str, key: str
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("init_app opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    app = create_app(sqlite_url, STRIPE_SECRET_KEY=key)

    assert app.test_client().get("/projects/x/billing").status_code == (404 if key else 501)


def test_sdk_is_not_even_imported(run_python: Callable[[str], str]) -> None:
    printed = run_python(
        """
        import sys

        from tests.host import create_app

        app = create_app("sqlite://")
        status = app.test_client().get("/projects/1/billing").status_code
        print(status, "stripe" in sys.modules)
        """
    )

    assert printed.split() == ["501", "False"]
