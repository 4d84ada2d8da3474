"""Where the setting says so, a web app processes what it took in, after it has answered."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import stripe
from sqlalchemy import text

from flask_billing import events
from flask_billing.events import Notice
from tests.events.world import PATH, World, event_rows, made_up, serving
from tests.gateways.notices import SECRET, event, header, written
from tests.host import billing, db

PRODUCT = {"id": "prod_1", "object": "product"}


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_EVENT_PROCESSING": "after_response"}


def states(world: World) -> list[str]:
    with world.app.app_context():
        return [row.state for row in event_rows()]


def post(world: World, number: int = 1) -> int:
    return world.post(event(PRODUCT, id=f"evt_{number}", type="product.updated"))


def test_event_is_processed_once_the_answer_is_out(outside: World) -> None:
    go_on = threading.Event()

    @billing.on("product.updated")
    def slow(notice: Notice) -> None:
        go_on.wait(10)

    body = written(event(PRODUCT, type="product.updated"))
    with serving(outside.app) as url:
        http = stripe.RequestsClient(timeout=5)
        answer = http.request("POST", url + PATH, {"Stripe-Signature": header(body)}, body)
        before = states(outside)
        go_on.set()
        http.close()  # type: ignore[no-untyped-call]
        wait_for(outside, "processed")

    assert answer[1] == 200
    assert before == ["pending"]
    assert states(outside) == ["processed"]


def wait_for(world: World, state: str) -> None:
    until = time.monotonic() + 10
    while states(world) != [state] and time.monotonic() < until:
        time.sleep(0.02)


def test_change_at_the_processor_is_in_the_rows_soon(outside: World) -> None:
    with outside.app.app_context():
        project = outside.project()
        card = outside.card(project).stripe_id
    with serving(outside.app) as url:
        outside.sandbox.webhooks.register(url + PATH, SECRET)
        outside.stripe.v1.payment_methods.detach(card)
        outside.sandbox.webhooks.deliver()
        wait_for(outside, "processed")

    with outside.app.app_context():
        assert outside.differences() == []


def test_failure_afterwards_does_not_break_the_answer(outside: World) -> None:
    @billing.on("product.updated")
    def fail(notice: Notice) -> None:
        raise LookupError

    assert [post(outside, 1), post(outside, 2)] == [200, 200]
    assert states(outside) == ["pending", "pending"]


def test_broken_database_afterwards_does_not_break_the_answer(
    outside: World, caplog: pytest.LogCaptureFixture
) -> None:
    @billing.on("product.updated")
    def work(notice: Notice) -> None: ...

    with outside.app.app_context():
        db.session.execute(text("DROP TABLE billing_event_handling"))
        db.session.commit()

    assert post(outside) == 200
    assert states(outside) == ["pending"]
    assert "OperationalError" in caplog.text


def test_session_of_the_request_is_over_before(outside: World) -> None:
    """What a host left unsaved in a request must not stop the work that follows."""
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))

    @outside.app.after_request
    def leave_something(response: Any) -> Any:
        db.session.execute(text("UPDATE project SET name = 'changed'"))
        return response

    assert post(outside) == 200
    assert seen == ["evt_1"]


def test_refused_notification_processes_nothing(outside: World) -> None:
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))

    assert outside.post(event(PRODUCT, type="product.updated"), secret="whsec_wrong") == 400
    assert seen == []


def test_one_answer_is_followed_by_a_few_events_only(outside: World) -> None:
    with outside.app.app_context():
        billing.on("product.updated", name="see")(lambda notice: None)
        for number in range(20, 30):
            events.store(made_up(number))

    assert post(outside) == 200
    assert states(outside).count("processed") == 5


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_PROCESSING": "worker"}], ids=["worker"])
def test_app_whose_workers_poll_only_stores(outside: World) -> None:
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))

    assert post(outside) == 200
    assert seen == []
    assert states(outside) == ["pending"]
