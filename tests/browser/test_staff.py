"""The staff pages in a real browser: both themes, all widths, a strict policy and no script."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response
from playwright.sync_api import expect
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_billing.ids import uuid7
from flask_billing.models import BillingEvent, BillingEventHandling
from tests.browser.inspection import inspect
from tests.browser.person import click_through
from tests.host import billing, create_app, db

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def app(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A host on which everybody is staff."""
    monkeypatch.setattr(billing._hooks, "staff_required", lambda: True)
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_1", WTF_CSRF_ENABLED=True)

    @app.after_request
    def strict(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status=204)

    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def staff(app: Flask) -> Iterator[str]:
    """The address of the staff pages."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/billing/staff"
    server.shutdown()
    thread.join()
    server.server_close()


def seed(app: Flask) -> None:
    """Store more than a page of events; some of them are stuck in each way there is."""
    now = datetime.now(UTC)
    types = ["payment_method.attached", "customer.updated", "checkout.session.completed"]
    rows = [
        event(f"evt_{number:024}", types[number % 3], now - timedelta(hours=number + 1))
        for number in range(60)
    ]
    rows[1] |= {"state": "ignored", "reason": "not_ours"}
    hour = timedelta(hours=1)
    stuck = {"state": "pending", "ended_at": None}
    unavailable = {"error_class": "GatewayUnavailable", "error_code": "rate_limit"}
    rows[2] |= {"state": "failed", "attempts": 12, "error_class": "ValueError"}
    rows[3] |= stuck | unavailable | {"attempts": 3, "next_try_at": now + hour}
    rows[4] |= stuck | {"attempts": 0, "next_try_at": now - hour}
    rows[5] |= stuck | {"attempts": 1, "next_try_at": now + hour, "claimed_by": uuid7()}
    rows[6] |= stuck | {"attempts": 0, "next_try_at": now}
    with app.app_context():
        db.session.add_all([BillingEvent(**row) for row in rows])
        db.session.flush()
        failed = db.session.query(BillingEvent).filter_by(state="failed").one()
        done = [f"orchard.notifications.{name}" for name in ("tell_owner", "tell_support")]
        handling = [BillingEventHandling(event_id=failed.id, handler=name) for name in done]
        db.session.add_all(handling)
        db.session.commit()


def event(stripe_id: str, type: str, at: datetime) -> dict[str, Any]:
    return {
        "stripe_id": stripe_id,
        "type": type,
        "object_id": f"pm_{stripe_id[4:]}",
        "object_type": "payment_method",
        "customer_id": "cus_UX4mJ2kQ1b7Zf0",
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "created_at": at.replace(microsecond=0),
        "received_at": at,
        "state": "processed",
        "attempts": 1,
        "ended_at": at + timedelta(seconds=1),
    }


def test_list_of_events(app: Flask, staff: str, page: Page) -> None:
    page.goto(f"{staff}/events")
    expect(page.locator("main")).to_contain_text("Nothing has arrived yet")
    inspect(page, "staff-none")
    seed(app)

    page.goto(f"{staff}/events")

    expect(page.locator("main")).to_contain_text("Some events are stuck.")
    inspect(page, "staff-events")
    click_through(page.get_by_role("link", name="Older events"))
    inspect(page, "staff-events-older")


def test_filters_stay_in_the_address(app: Flask, staff: str, page: Page) -> None:
    seed(app)
    page.goto(f"{staff}/events")

    page.get_by_label("Type").fill("customer.*")
    page.get_by_label("State", exact=True).select_option("Processed")
    click_through(page.get_by_role("button", name="Find events"))

    assert "type=customer.*" in page.url
    assert "state=processed" in page.url
    assert page.get_by_label("Type").input_value() == "customer.*"
    assert page.locator("tbody tr").count() == 18
    inspect(page, "staff-filtered")
    click_through(page.get_by_role("link", name="Show all"))
    click_through(page.get_by_role("link", name="Failed 1"))
    assert page.locator("tbody tr").count() == 1


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_event_in_every_situation(app: Flask, staff: str, page: Page, number: int) -> None:
    seed(app)

    page.goto(f"{staff}/events/evt_{number:024}")

    inspect(page, f"staff-event-{number}")


def test_event_is_repeated_without_scripts(
    app: Flask, staff: str, page_without_scripts: Page
) -> None:
    page = page_without_scripts
    seed(app)
    page.goto(f"{staff}/events?state=failed")
    click_through(page.get_by_role("link", name=f"evt_{2:024}"))

    click_through(page.get_by_role("button", name="Repeat this event"))

    expect(page.locator("main")).to_contain_text("The event is processed once more")
    expect(page.locator("main")).to_contain_text("waiting")


def test_event_in_german(app: Flask, staff: str, page: Page) -> None:
    seed(app)
    page.set_extra_http_headers({"Accept-Language": "de"})

    page.goto(f"{staff}/events")
    inspect(page, "staff-events-german")
    page.goto(f"{staff}/events/evt_{2:024}")
    inspect(page, "staff-event-german")
    expect(page.locator("main")).to_contain_text("Ereignis")
