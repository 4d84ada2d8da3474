"""Usage that is told at once, or while a month is being closed, counts once and on one side."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from flask_billing import BilledProjectRow, UsageRow, clock
from flask_billing.models import Usage, UsageTotal, table_of
from tests.at_once import at_once
from tests.host import Machine, Project, billing, db
from tests.metering.conftest import NOON, Ids, Time, make_app, make_projects

pytestmark = [pytest.mark.database, pytest.mark.concurrency]

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)
AT_ONCE = 6


@pytest.fixture(params=["postgresql", "mariadb"])
def app(request: pytest.FixtureRequest, time: Time) -> Iterator[Flask]:
    """The host on a database that lets several write; with more connections than Flask takes."""
    url = request.getfixturevalue(f"{request.param}_url")
    app = make_app(url, SQLALCHEMY_ENGINE_OPTIONS={"pool_size": AT_ONCE + 2})
    with app.app_context():
        yield app
        db.session.remove()
        db.drop_all()


@pytest.fixture
def ids(app: Flask) -> Ids:
    return make_projects()


def record(*rows: UsageRow) -> list[str]:
    results = billing.record_usage_batch(rows)
    db.session.commit()
    return [result.reason or result.state for result in results]


def calls(keys: list[int], numbers: list[int]) -> list[UsageRow]:
    return [UsageRow(keys[n % len(keys)], "api.call", n + 1, f"event-{n}") for n in numbers]


def sums() -> tuple[Any, Any, Any, Any]:
    """Count and quantity of all events, then of all totals."""
    of_events = select(func.count(), func.sum(Usage.quantity))
    of_totals = select(func.sum(UsageTotal.event_count), func.sum(UsageTotal.quantity))
    return (*db.session.execute(of_events).one(), *db.session.execute(of_totals).one())


def test_batches_with_the_same_events_count_once_and_do_not_deadlock(app: Flask, ids: Ids) -> None:
    keys, numbers = [ids.one, ids.other], list(range(40))
    shuffle = random.Random(4).sample
    for turn in range(4):
        mine = [number + turn * 40 for number in numbers]
        batches = [calls(keys, shuffle(mine, 30)) for _ in range(AT_ONCE)]

        outcomes = at_once(app, *(lambda rows=rows: record(*rows) for rows in batches))

        told = {row.event_id for rows in batches for row in rows}
        states = [state for outcome in outcomes for state in outcome]
        assert set(states) == {"recorded", "duplicate"}
        assert states.count("recorded") == len(told)

    stored = [int(event_id[6:]) for event_id in db.session.scalars(select(Usage.event_id))]
    quantity = sum(number + 1 for number in stored)
    assert sums() == (len(stored), quantity, len(stored), quantity)
    assert len(stored) == len(set(stored))


def test_the_same_event_at_once_counts_once(app: Flask, ids: Ids) -> None:
    for number in range(8):
        event = UsageRow(ids.one, "tokens", 5, f"event-{number}")

        outcomes = at_once(app, *[lambda event=event: record(event)] * AT_ONCE)

        assert sorted(outcomes) == [["duplicate"]] * (AT_ONCE - 1) + [["recorded"]]

    assert sums() == (8, 40, 8, 40)


def test_other_content_at_once_is_a_conflict(app: Flask, ids: Ids) -> None:
    events = [UsageRow(ids.one, "tokens", quantity, "event-1") for quantity in range(1, 5)]

    outcomes = at_once(app, *(lambda event=event: record(event) for event in events))

    assert sorted(outcomes) == [["conflict"]] * 3 + [["recorded"]]
    assert sums()[0] == 1


def test_event_lands_where_another_rolled_it_back(app: Flask, ids: Ids) -> None:
    event = UsageRow(ids.one, "tokens", 5, "event-1")

    def change_ones_mind() -> list[str]:
        results = billing.record_usage_batch([event])
        db.session.rollback()
        return [result.state for result in results]

    outcomes = at_once(app, *[change_ones_mind] * 2, *[lambda: record(event)] * 3)

    assert sorted(outcomes[2:]) == [["duplicate"], ["duplicate"], ["recorded"]]
    assert sums() == (1, 5, 1, 5)


def test_creating_and_counting_in_one_transaction_ends_in_no_deadlock(app: Flask, ids: Ids) -> None:
    numbers = iter(range(1000))

    def create_and_count() -> str:
        event = UsageRow(ids.one, "api.call", 1, f"event-{next(numbers)}")
        billing.record_usage_batch([event])
        db.session.add(Machine(project_id=ids.one))
        db.session.commit()
        return "done"

    for _ in range(3):
        assert at_once(app, *[create_and_count] * AT_ONCE) == ["done"] * AT_ONCE

    assert sums() == (18, 18, 18, 18)


def test_projects_older_than_billing_are_met_at_once(app: Flask, ids: Ids) -> None:
    rows = [{"id": 70 + number, "name": "old", "billing_info_id": None} for number in range(4)]
    db.session.connection().execute(Project.__table__.insert(), rows)
    db.session.commit()
    keys = [row["id"] for row in rows]
    batches = [calls(keys, list(range(turn * 8, turn * 8 + 8))) for turn in range(AT_ONCE)]

    outcomes = at_once(app, *(lambda rows=rows: record(*rows) for rows in batches))

    assert outcomes == [["recorded"] * 8] * AT_ONCE
    assert sums()[0] == sums()[2] == 8 * AT_ONCE


# A month that is being closed


def lock_alone(key: int, *, nowait: bool = False) -> None:
    """Take a project as closing does."""
    table = table_of(BilledProjectRow)
    locked = select(table.c.closed_until).where(table.c.project_key == str(key))
    db.session.connection().execute(locked.with_for_update(nowait=nowait)).one()


def close_june(key: int) -> None:
    table = table_of(BilledProjectRow)
    ours = table.c.project_key == str(key)
    until = datetime(2026, 7, 1, tzinfo=UTC)
    db.session.connection().execute(update(table).where(ours).values(closed_until=until))


def test_event_waits_for_a_closing_and_counts_after_it(app: Flask, ids: Ids, time: Time) -> None:
    record(UsageRow(ids.one, "api.call", 1, "before"))
    time.now = datetime(2026, 7, 2, tzinfo=UTC)
    began, finished = threading.Event(), threading.Event()
    states: list[Any] = []

    def tell() -> None:
        with app.app_context():
            # On MariaDB this is where the transaction's snapshot is taken, before June is closed.
            db.session.execute(select(Usage)).all()
            began.set()
            states.extend(record(UsageRow(ids.one, "api.call", 1, "late", NOON)))
            finished.set()
            db.session.remove()

    lock_alone(ids.one)
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    assert began.wait(timeout=30)
    waits = not finished.wait(timeout=0.5)
    close_june(ids.one)
    db.session.commit()
    teller.join(timeout=30)

    assert (waits, states) == (True, ["recorded"])
    found = db.session.execute(select(Usage.event_id, Usage.counted_in).order_by(Usage.event_id))
    assert [tuple(row) for row in found] == [("before", JUNE), ("late", JULY)]


def test_closing_has_to_wait_for_an_open_event(app: Flask, ids: Ids) -> None:
    told, looked = threading.Event(), threading.Event()

    def tell() -> None:
        with app.app_context():
            billing.record_usage(ids.one, "api.call", 1, "open")
            told.set()
            looked.wait(timeout=30)
            db.session.commit()
            db.session.remove()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    assert told.wait(timeout=30)
    with pytest.raises(OperationalError):
        lock_alone(ids.one, nowait=True)
    db.session.rollback()
    lock_alone(ids.other, nowait=True)
    db.session.rollback()
    looked.set()
    teller.join(timeout=30)

    lock_alone(ids.one)
    assert [event.counted_in for event in db.session.scalars(select(Usage))] == [JUNE]
    assert clock.now() == NOON
