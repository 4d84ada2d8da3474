"""People who change resources at the same moment, and somebody who closes a month meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, insert, select, update

from flask_billing import BilledProjectRow, BillingRate, BillingRecord, metering
from flask_billing.models import table_of
from tests import at_once as together
from tests.host import Machine, Project, db
from tests.metering.conftest import NOON, Ids, Time, make_app, make_projects
from tests.metering.spans import running, spans

JULY = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.database) for name in ("postgresql", "mariadb")]
)
def app(request: pytest.FixtureRequest, time: Time) -> Iterator[Flask]:
    app = make_app(request.getfixturevalue(f"{request.param}_url"))
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()


@pytest.fixture
def ids(app: Flask) -> Ids:
    with app.app_context():
        return make_projects()


def _create(app: Flask, *project_ids: int) -> list[int]:
    with app.app_context():
        machines = [Machine(project_id=project_id) for project_id in project_ids]
        db.session.add_all(machines)
        db.session.commit()
        return [machine.id for machine in machines]


def _fill_the_ends(app: Flask, ids: Ids) -> None:
    """Have a record behind all that has ended, and one in front of all that runs.

    Where the two meet in MariaDB's index, the last resource waits for the first; but only those.
    """
    _create(app, ids.one)
    record = table_of(BillingRecord)
    with app.app_context():
        values = {
            "project_key": str(ids.one),
            "resource_id": "1",
            "slot": "a",
            "quantity": 1,
            "started_at": NOON,
            "rate_id": db.session.scalar(select(BillingRate.id)),
        }
        first = {"resource_type": "a", "open_marker": 1, "ended_at": None}
        last = {"resource_type": "zzz", "open_marker": None, "ended_at": NOON}
        db.session.execute(insert(record).values(values | first))
        db.session.execute(insert(record).values(values | last))
        db.session.commit()


@contextmanager
def _closing(app: Flask, key: int) -> Iterator[None]:
    """Close a project until July, as far as the locks are concerned."""
    row = table_of(BilledProjectRow)
    mine = row.c.project_key == str(key)
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(select(row).where(mine).with_for_update())
        yield
        connection.execute(update(row).where(mine).values(closed_until=JULY))


@contextmanager
def _meanwhile(app: Flask, act: Callable[[], Any]) -> Iterator[threading.Event]:
    """Do something in another thread, and wait for its end after the block."""
    done, failures = threading.Event(), []

    def run() -> None:
        try:
            with app.app_context():
                act()
                db.session.commit()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield done
    thread.join(timeout=60)
    assert failures == []
    assert done.is_set()


def _at_once(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    with app.app_context():
        return together.at_once(app, *acts)


def _resize(id_: int) -> None:
    db.session.get_one(Machine, id_).size = "large"
    db.session.flush()


def _delete(id_: int) -> None:
    db.session.delete(db.session.get_one(Machine, id_))
    db.session.flush()


def _turn_on(id_: int) -> None:
    db.session.get_one(Machine, id_).state = "on"
    db.session.flush()


@pytest.mark.parametrize("change", [_resize, _delete])
def test_change_waits_for_the_closing_and_counts_behind_it(
    app: Flask, ids: Ids, change: Callable[[int], None]
) -> None:
    [machine] = _create(app, ids.one)

    with _closing(app, ids.one):
        waiting = _meanwhile(app, lambda: change(machine))
        done = waiting.__enter__()
        assert not done.wait(0.5)
    waiting.__exit__(None, None, None)

    with app.app_context():
        ends = [(s.started_at, s.ended_at) for s in spans()]
    assert ends == [(NOON, JULY), (JULY, None)][: len(ends)]


def test_opening_alone_waits_for_the_closing_too(app: Flask, ids: Ids) -> None:
    [machine] = _create(app, ids.one)
    with app.app_context():
        db.session.get_one(Machine, machine).state = "off"
        db.session.commit()

    with _closing(app, ids.one):
        waiting = _meanwhile(app, lambda: _turn_on(machine))
        done = waiting.__enter__()
        assert not done.wait(0.5)
    waiting.__exit__(None, None, None)

    with app.app_context():
        assert [s.started_at for s in spans(running=True)] == [JULY]


@pytest.mark.parametrize("change", [_resize, _delete])
def test_closing_waits_for_a_change_that_is_not_committed(
    app: Flask, ids: Ids, change: Callable[[int], None]
) -> None:
    [machine] = _create(app, ids.one)

    def close() -> None:
        with _closing(app, ids.one):
            pass

    with app.app_context():
        change(machine)
        with _meanwhile(app, close) as done:
            assert not done.wait(0.5)
            db.session.commit()
        assert [s.ended_at for s in spans()][:1] == [NOON]


def test_closing_of_one_project_does_not_keep_another_waiting(app: Flask, ids: Ids) -> None:
    [machine] = _create(app, ids.other)

    with _closing(app, ids.one), _meanwhile(app, lambda: _resize(machine)) as done:
        assert done.wait(20)


def test_changes_at_the_same_moment_do_not_end_in_deadlocks(app: Flask, ids: Ids) -> None:
    """Neighbours, in one project and in two, with several resources in a flush."""
    _fill_the_ends(app, ids)
    machines = _create(app, *[ids.one, ids.other] * 8)
    rounds = 8

    def change(mine: int, project_id: int) -> Callable[[], str]:
        def act() -> str:
            born = None
            for turn in range(rounds):
                with db.session.no_autoflush:
                    for id_ in machines[mine::4]:
                        machine = db.session.get_one(Machine, id_)
                        machine.size = ("large", "small")[turn % 2]
                        machine.disk = turn
                    if born is not None:
                        db.session.delete(born)
                db.session.commit()
                born = Machine(project_id=project_id, disk=turn)
                db.session.add(born)
                db.session.commit()
            return "done"

        return act

    acts = [change(mine, (ids.one, ids.other)[mine % 2]) for mine in range(4)]
    outcomes = _at_once(app, *acts)

    assert outcomes == ["done"] * 4
    with app.app_context():
        told: list[metering.Drift] = []
        metering.reconcile(tell=told.append)
        assert [drift.resource_type for drift in told] == ["a"]
        assert len([s for s in spans(running=True) if s.slot == "compute"]) == 17 + 4


def test_creating_and_changing_in_one_transaction_does_not_end_in_deadlocks(
    app: Flask, ids: Ids
) -> None:
    """The guard locks for what is new, metering for what changes."""
    machines = _create(app, *[ids.one] * 4)

    def change(id_: int) -> Callable[[], str]:
        def act() -> str:
            for turn in range(10):
                db.session.get_one(Machine, id_).disk = turn + 1
                db.session.flush()
                db.session.add(Machine(project_id=ids.one))
                db.session.flush()
                db.session.get_one(Machine, id_).size = ("large", "small")[turn % 2]
                db.session.commit()
            return "done"

        return act

    outcomes = _at_once(app, *[change(id_) for id_ in machines])

    assert outcomes == ["done"] * 4
    with app.app_context():
        assert metering.reconcile().left == 0


def test_resource_that_is_stopped_while_it_changes_is_stopped(app: Flask, ids: Ids) -> None:
    machines = _create(app, *[ids.one] * 6)

    def resize() -> str:
        for id_ in machines:
            db.session.get_one(Machine, id_).size = "large"
            db.session.commit()
        return "done"

    def stop() -> str:
        for id_ in machines:
            db.session.get_one(Machine, id_).stop_billing()
            db.session.commit()
        return "done"

    assert _at_once(app, resize, stop) == ["done"] * 2
    with app.app_context():
        assert running() == set()


def test_reconciling_while_others_work_finds_and_breaks_nothing(app: Flask, ids: Ids) -> None:
    machines = _create(app, *[ids.one] * 8)

    def work() -> str:
        for turn in range(6):
            for id_ in machines[:-1]:
                db.session.get_one(Machine, id_).disk = turn
                db.session.commit()
        db.session.delete(db.session.get_one(Machine, machines[-1]))
        db.session.commit()
        return "done"

    def compare() -> int:
        return sum(metering.reconcile(mend=True).mended for _ in range(4))

    assert _at_once(app, work, compare) == ["done", 0]
    with app.app_context():
        assert metering.reconcile().left == 0
        assert db.session.get(Project, ids.one) is not None


@contextmanager
def _beside(statement: str, app: Flask, act: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread as soon as this one has sent a statement."""
    me, waiting = threading.get_ident(), []

    def after(connection: Any, cursor: Any, sent: str, *_: Any) -> None:
        mine = threading.get_ident() == me and " ".join(sent.split()).startswith(statement)
        if mine and not waiting:
            waiting.append(_meanwhile(app, act))
            waiting[0].__enter__().wait(0.7)

    event.listen(Engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", after)
    [started] = waiting
    started.__exit__(None, None, None)


def test_flush_that_changes_and_one_that_also_creates_do_not_end_in_a_deadlock(
    app: Flask, ids: Ids
) -> None:
    """One writes the row first and the other locks the project first, unless both do the latter."""
    machine, _ = _create(app, ids.one, ids.one)

    def create_too() -> None:
        db.session.add(Machine(project_id=ids.one))
        db.session.get_one(Machine, machine).disk = 9

    with app.app_context():
        changed = db.session.get_one(Machine, machine)
        changed.disk = 7
        with _beside("UPDATE machine", app, create_too):
            db.session.commit()

        assert (str(machine), "disk", "disk.gb", 9) in running()
        assert metering.reconcile().left == 0


def test_stopping_and_changing_do_not_end_in_a_deadlock(app: Flask, ids: Ids) -> None:
    [machine] = _create(app, ids.one)

    with app.app_context():
        stopped = db.session.get_one(Machine, machine)
        with _beside("SELECT machine.id FROM machine", app, lambda: _resize(machine)):
            stopped.stop_billing()
            db.session.commit()

        assert running() == set()


@pytest.mark.parametrize("change", [_resize, _delete])
def test_change_that_waits_for_a_migration_of_rates_finds_what_runs(
    app: Flask, ids: Ids, time: Time, change: Callable[[int], None]
) -> None:
    [machine] = _create(app, ids.one)
    time.now = JULY + timedelta(days=1)

    with app.app_context():
        with _beside("INSERT INTO billing_record", app, lambda: change(machine)):
            assert metering.migrate("machine.small", at=JULY).moved == 1

        assert metering.reconcile().left == 0
        went_on = [s for s in spans() if s.started_at == JULY]
        assert [(s.rate, s.ended_at) for s in went_on] == [("machine.small", time.now)]


def test_project_that_becomes_billable_meters_what_is_just_changing(app: Flask, ids: Ids) -> None:
    [machine] = _create(app, ids.one)
    with app.app_context():
        db.session.get_one(Project, ids.one).billable = False
        db.session.commit()

    def bill() -> None:
        db.session.get_one(Project, ids.one).billable = True

    with app.app_context():
        _resize(machine)
        with _meanwhile(app, bill) as done:
            assert not done.wait(0.7)
            db.session.commit()

        assert running() == {(str(machine), "compute", "machine.large", 1)}
