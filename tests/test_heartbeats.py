"""Processes say that they are at work, so that a silence is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from flask import Flask
from sqlalchemy import MetaData, text

from flask_billing import clock, heartbeats
from flask_billing.cli.unfinished import of_workers
from flask_billing.heartbeats import Heart, Pulse
from flask_billing.metrics import BillingCollector
from flask_billing.models import BillingWorker
from flask_billing.state import current
from flask_billing.web.staff.health import health
from flask_billing.web.staff.stuck import silent_since
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


def test_processes_are_at_work_until_they_are_silent_or_have_ended(app: Flask) -> None:
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
        found = heartbeats.at_work()

    assert [(each.id, each.kind, each.part) for each in found] == [(living.id, "celery", "closing")]
    assert [each.started_at for each in found] == [NOW]


@pytest.mark.parametrize(("kind", "minutes"), [("run", 5), ("celery", 10), ("once", 90)])
def test_silence_of_each_kind_has_its_length(app: Flask, kind: str, minutes: int) -> None:
    with clock.moved(lambda: NOW):
        Heart(kind).beat()

    after = {later: kinds_at(minutes=later) for later in (0, minutes, minutes + 1)}

    assert after == {0: [kind], minutes: [kind], minutes + 1: []}


def test_last_of_a_timer_stands_for_it_though_it_has_ended(app: Flask) -> None:
    for minute in (0, 1, 2):
        with clock.moved(lambda minute=minute: NOW + timedelta(minutes=minute)):
            once = Heart("once")
            once.beat()
            once.stop()
    with clock.moved(lambda: NOW + timedelta(minutes=3)):
        by_hand = Heart("run")
        by_hand.beat()
        by_hand.stop()

    assert kinds_at(minutes=60) == ["once"]


def test_word_of_a_clock_that_went_wrong_does_not_hold_for_ever(app: Flask) -> None:
    with clock.moved(lambda: NOW + timedelta(days=30)):
        Heart("run").beat()

    assert kinds_at(minutes=0) == []


def test_process_of_a_kind_that_is_not_known_yet_says_nothing_of_ours(app: Flask) -> None:
    with clock.moved(lambda: NOW):
        Heart("tomorrow").beat()

    assert kinds_at(minutes=0) == []


@pytest.mark.parametrize("minutes", [4, 9, 80, 100])
@pytest.mark.parametrize("has_ended", [False, True], ids=["goes on", "has ended"])
@pytest.mark.parametrize("kind", ["run", "celery", "once"])
def test_all_who_are_asked_whether_somebody_works_say_the_same(
    sqlite_url: str, kind: str, has_ended: bool, minutes: int
) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context():
        db.create_all()
        with clock.moved(lambda: NOW):
            heart = Heart(kind)
            heart.beat()
            if has_ended:
                heart.stop()

        later = clock.moved(lambda: NOW + timedelta(minutes=minutes))
        with later, db.engine.connect() as connection:
            is_so = bool(heartbeats.at_work())
            [of_check] = of_workers(current(), connection)
            of_page = silent_since()
            of_monitor = health()["failing"]["workers_silent"]
            of_prometheus = workers_told(app)

    assert of_check.mark == ("ok" if is_so else "hint")
    assert of_page == (not is_so, NOW)
    assert of_monitor == (not is_so)
    assert of_prometheus == is_so


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
    monkeypatch.setattr(heartbeats, "_BETWEEN", timedelta(0))
    later = Pulse("run")
    later.beat("events")
    thread = Thread(target=work)
    thread.start()
    thread.join()
    later.beat("closing")
    later.beat()

    assert first == [("run", "events")]
    assert seen() == [("run", "closing"), ("run", "closing")]


@pytest.mark.parametrize("jump", [timedelta(days=30), -timedelta(minutes=30)])
def test_pulse_is_heard_at_once_where_the_clock_has_jumped(app: Flask, jump: timedelta) -> None:
    now = [NOW]
    with clock.moved(lambda: now[0]):
        pulse = Pulse("run")
        pulse.beat("events")
        now[0] += timedelta(seconds=19)
        pulse.beat("closing")
        before = seen()

        now[0] += jump
        silent = heartbeats.at_work()
        db.session.rollback()
        pulse.beat("collecting")
        heard = heartbeats.at_work()

    assert before == [("run", "events")]
    assert silent == []
    assert [(each.part, each.seen_at) for each in heard] == [("collecting", now[0])]


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
    monkeypatch.setattr(heartbeats, "_BETWEEN", timedelta(0))
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


def kinds_at(*, minutes: int) -> list[str]:
    """The kinds of the processes that are at work so many minutes later."""
    with clock.moved(lambda: NOW + timedelta(minutes=minutes)):
        return [each.kind for each in heartbeats.at_work()]


def workers_told(app: Flask) -> float:
    """How many processes Prometheus is told to be at work."""
    return sum(
        sample.value
        for metric in BillingCollector(app).collect()
        for sample in metric.samples
        if sample.name == "flask_billing_workers"
    )


def seen() -> list[tuple[str, str | None]]:
    db.session.rollback()
    query = db.select(BillingWorker).order_by(BillingWorker.part)
    return [(each.kind, each.part) for each in db.session.scalars(query)]
