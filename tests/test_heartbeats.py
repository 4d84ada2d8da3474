"""Processes say that they are at work, so that a silence is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import MetaData, text

from flask_billing import clock, heartbeats
from flask_billing.heartbeats import Heart, Pulse
from flask_billing.models import BillingWorker
from tests.host import Project, create_app, db

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    app = create_app(database_url, STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context():
        db.create_all()
        yield app


def test_processes_live_until_they_are_silent_or_have_ended(app: Flask) -> None:
    silent, ended, living = Heart("run"), Heart("run"), Heart("celery")
    with clock.moved(lambda: NOW):
        silent.beat("events")
        ended.beat("events")
        living.beat("events")
    with clock.moved(lambda: NOW + timedelta(minutes=4)):
        living.beat("closing")
        ended.beat("closing")
        ended.stop()

    with clock.moved(lambda: NOW + timedelta(minutes=6)):
        found = heartbeats.living()

    assert [(each.id, each.kind, each.part) for each in found] == [(living.id, "celery", "closing")]
    assert [each.started_at for each in found] == [NOW]


def test_last_one_seen_may_have_ended(app: Flask) -> None:
    assert heartbeats.last_seen() is None
    with clock.moved(lambda: NOW):
        Heart("run").beat()
    with clock.moved(lambda: NOW + timedelta(minutes=1)):
        once = Heart("once")
        once.beat()
        once.stop()

    last = heartbeats.last_seen()

    assert last is not None
    assert (last.id, last.kind, last.seen_at) == (once.id, "once", NOW + timedelta(minutes=1))


def test_only_those_of_over_a_week_ago_are_forgotten(app: Flask) -> None:
    for days in (8, 6):
        with clock.moved(lambda days=days: NOW - timedelta(days=days)):
            Heart("run").beat()

    with clock.moved(lambda: NOW):
        gone = heartbeats.prune()

    assert gone == 1
    assert db.session.query(BillingWorker).one().seen_at == NOW - timedelta(days=6)


def test_pulse_beats_once_in_a_while_and_in_any_thread(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = Pulse("run")

    def work() -> None:
        with app.app_context():
            pulse.beat()

    pulse.beat("events")
    pulse.beat("closing")
    first = seen()
    monkeypatch.setattr(heartbeats, "_BETWEEN", 0)
    later = Pulse("run")
    later.beat("events")
    thread = Thread(target=work)
    thread.start()
    thread.join()
    later.beat("closing")
    later.beat()

    assert first == [("run", "events")]
    assert seen() == [("run", "closing"), ("run", "events")]


def test_pulse_leaves_what_the_work_has_begun_alone(sqlite_url: str) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context():
        db.create_all()
        db.session.add(Project(name="one"))

        Pulse("run").beat("events")
        db.session.rollback()

        assert seen() == [("run", "events")]
        assert db.session.query(Project).count() == 0


def test_beat_that_fails_stops_nothing_and_is_made_up_for(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "_BETWEEN", 0)
    pulse = Pulse("run")
    db.session.execute(text("ALTER TABLE billing_worker RENAME TO away"))
    db.session.commit()

    pulse.beat("events")
    db.session.execute(text("ALTER TABLE away RENAME TO billing_worker"))
    db.session.commit()
    pulse.beat("closing")

    assert "A heartbeat was not written: " in caplog.text
    assert "INSERT" not in caplog.text
    assert seen() == [("run", "closing")]


def seen() -> list[tuple[str, str | None]]:
    db.session.rollback()
    query = db.select(BillingWorker).order_by(BillingWorker.part)
    return [(each.kind, each.part) for each in db.session.scalars(query)]
