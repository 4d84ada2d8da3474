"""Prometheus is told how billing stands, read from the database when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import MetaData, text
from sqlalchemy import event as sqlalchemy_event

from flask_billing import InvoiceRefund, Notification, clock, collecting
from flask_billing.metrics import BillingCollector
from flask_billing.models import BillingEvent, BillingWorker
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.host import create_app, db

NOW = datetime(2026, 10, 2, 12, tzinfo=UTC)
#: One for each table, two for that of the workers, and no more however much there is.
STATEMENTS = 7

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata


@pytest.fixture
def app(database_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        database_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
    )
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()


def read(app: Flask) -> Samples:
    """What the text says that a Prometheus server is given."""
    registry = CollectorRegistry()
    registry.register(BillingCollector(app))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name.removeprefix("flask_billing_"), *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_waits_and_for_how_long_is_told(app: Flask, stripe_sandbox: Sandbox) -> None:
    with app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        due = [world.new_invoice(owner, 1000, month=m) for m in (world.JULY, world.AUGUST)]
        parked = world.new_invoice(owner, 1000)
        collecting.mend()
        for minutes, invoice_id in zip((5, 15), due, strict=True):
            world.set_collection(invoice_id, next_try_at=NOW - timedelta(minutes=minutes))
        world.set_collection(parked, state="parked", next_try_at=NOW - timedelta(days=1))
        save_some_of_everything(NOW)

    with clock.moved(lambda: NOW):
        told = read(app)

    assert told["up",] == 1
    assert told["due", "invoices"] == 2
    assert told["due_oldest_seconds", "invoices"] == 900
    assert told["due", "events"] == 1
    assert told["due_oldest_seconds", "events"] == 600
    assert told["events", "pending"] == 2
    assert told["events", "failed"] == 1
    assert told["due", "notifications"] == 1
    assert told["notifications", "sent"] == 1
    assert told["workers", "run"] == 1
    assert told["worker_seen_seconds",] == 60


def test_money_is_told_by_state_and_currency(app: Flask, stripe_sandbox: Sandbox) -> None:
    with app.app_context():
        good, bad = (world.new_owner(stripe_sandbox, card) for card in (world.VISA, world.BAD))
        paid = world.new_invoice(good, 1000)
        unpaid = world.new_invoice(bad, 300)
        yen = world.new_invoice(good, 500, month=world.AUGUST, currency="jpy")
        collecting.collect()
        other = world.new_invoice(good, 70, month=world.JULY)
        collecting.mend()
        world.set_collection(other, state="a_state_of_tomorrow", next_try_at=None)
        db.session.add_all(refunds_of(paid, yen))
        db.session.commit()
        assert world.states(unpaid) == ["declined"]

    told = read(app)

    assert told["invoiced_minor_units", "paid", "usd"] == 1000
    assert told["invoiced_minor_units", "jpy", "paid"] == 500
    assert told["invoiced_minor_units", "open", "usd"] == 300
    assert told["open_minor_units", "usd", "waiting"] == 300
    assert told["open_minor_units", "other", "usd"] == 70
    assert ("open_minor_units", "done", "usd") not in told
    assert told["invoices", "done"] == 2
    assert told["invoices", "waiting"] == 1
    assert told["invoices", "other"] == 1
    assert told["invoices", "parked"] == 0
    assert told["payment_attempts", "succeeded"] == 2
    assert told["payment_attempts", "declined"] == 1
    assert told["refunds", "succeeded"] == 1
    assert told["refunded_minor_units", "succeeded", "usd"] == 40
    assert told["refunded_minor_units", "jpy", "pending"] == 50
    assert told["due", "refunds"] == 1


def test_rows_of_the_other_mode_are_not_counted(app: Flask, stripe_sandbox: Sandbox) -> None:
    with app.app_context():
        invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)
        collecting.collect()
        world.set_collection(invoice_id, livemode=True)
        db.session.add(an_event(1, "pending", NOW, livemode=True))
        db.session.commit()

    told = read(app)

    assert told["invoices", "done"] == 0
    assert told["payment_attempts", "succeeded"] == 0
    assert told["events", "pending"] == 0
    assert not [key for key in told if key[0] == "invoiced_minor_units"]


def test_statements_do_not_grow_with_what_there_is(
    app: Flask, stripe_sandbox: Sandbox, statements: Callable[[], list[str]]
) -> None:
    read(app)
    with app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        for month in (world.JULY, world.AUGUST, world.SEPTEMBER):
            world.new_invoice(owner, 1000, month=month)
        collecting.mend()
    statements()

    read(app)

    assert len(statements()) == STATEMENTS


def test_database_that_fails_is_told_and_its_words_are_not(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        db.session.execute(text("DROP TABLE billing_notification"))
        db.session.commit()

    told = read(app)

    assert told == {("up",): 0}
    assert "Metrics could not be read: " in caplog.text
    assert "SELECT" not in caplog.text


def test_registering_asks_the_database_nothing(
    app: Flask, statements: Callable[[], list[str]]
) -> None:
    CollectorRegistry(auto_describe=True).register(BillingCollector(app))

    assert statements() == []


def test_billing_that_is_off_has_no_figures(database_url: str) -> None:
    assert read(create_app(database_url)) == {}


def test_package_does_without_prometheus(run_python: Callable[[str], str]) -> None:
    printed = run_python(
        """
        import sys

        import flask_billing

        print(any(name.startswith("prometheus") for name in sys.modules))
        """
    )

    assert printed == "False\n"


@pytest.fixture
def statements(app: Flask) -> Iterator[Callable[[], list[str]]]:
    """Gives the statements since it was asked last, without those of the transaction."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("SELECT") and "billing" in statement:
            seen.append(statement)

    def taken() -> list[str]:
        found = seen[:]
        seen.clear()
        return found

    with app.app_context():
        engine = db.engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    yield taken
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)


def an_event(number: int, state: str, at: datetime, **values: Any) -> BillingEvent:
    given = {"next_try_at": at if state == "pending" else None, "livemode": False}
    return BillingEvent(
        stripe_id=f"evt_{number}",
        type="customer.updated",
        object_id="cus_1",
        object_type="customer",
        created_at=at,
        received_at=at,
        state=state,
        **given | values,
    )


def save_some_of_everything(now: datetime) -> None:
    """Save some of everything that waits."""
    db.session.add_all(
        [
            an_event(1, "pending", now - timedelta(minutes=10)),
            an_event(2, "pending", now + timedelta(minutes=10)),
            an_event(3, "failed", now),
            Notification(kind="receipt", topic="one", role="members", next_try_at=now),
            Notification(kind="receipt", topic="two", role="members", state="sent"),
            BillingWorker(kind="run", seen_at=now - timedelta(minutes=1)),
            BillingWorker(kind="run", seen_at=now - timedelta(minutes=6)),
            BillingWorker(kind="celery", seen_at=now - timedelta(minutes=2), stopped_at=now),
        ]
    )
    db.session.commit()


def refunds_of(first: Any, second: Any) -> list[InvoiceRefund]:
    given = {"reason": "goodwill"}
    return [
        InvoiceRefund(
            invoice_id=first,
            state="succeeded",
            amount=40,
            currency="usd",
            next_try_at=None,
            **given,
        ),
        InvoiceRefund(invoice_id=second, state="pending", amount=50, currency="jpy", **given),
    ]
