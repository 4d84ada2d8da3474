"""The audit log's page says every deed in words, whichever way it was done."""

from __future__ import annotations

import re

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from flask_billing import auditing
from flask_billing.web.staff import words
from tests.host import billing, create_app, db

AUDIT = "/billing/staff/audit"


@pytest.fixture
def app(sqlite_url: str) -> Flask:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def staff(app: Flask, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The browser of somebody who is staff."""
    monkeypatch.setattr(billing._hooks, "staff_required", lambda: "X-Person" in request.headers)
    client = app.test_client()
    client.environ_base["HTTP_X_PERSON"] = "staff"
    return client


def said(page: str) -> list[str]:
    return re.findall(r"<strong>(.*?)</strong>", page)


def test_every_action_is_said_in_the_readers_words(app: Flask, staff: FlaskClient) -> None:
    with app.app_context():
        for action in words._ACTIONS:
            with auditing.noted(action, "project", "17", way="cli", project_key="17"):
                pass

    english, german = (
        said(staff.get(AUDIT, headers={"Accept-Language": each}).text) for each in ("en", "de")
    )

    assert sorted(english) == sorted(words._ACTIONS.values())
    assert set(english) & set(german) == set()
    assert len(set(german)) == len(words._ACTIONS)


def test_only_an_event_by_its_id_leads_to_a_page(app: Flask, staff: FlaskClient) -> None:
    with app.app_context():
        for object_id in ("evt_1", "2 of them", "all"):
            with auditing.noted("repeat_event", "event", object_id, way="cli"):
                pass

    page = staff.get(AUDIT).text

    assert re.findall('class="billing-event" href="(.*?)"', page) == ["/billing/staff/events/evt_1"]
    assert ("event 2 of them" in page, "event all" in page) == (True, True)
