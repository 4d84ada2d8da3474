"""The host stops and starts the billing of a resource, and of a whole project."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flask_billing import BilledProjectRow, BillingPause, CurrencyFixed, alerts, invoicing
from flask_billing.models import table_of
from tests.host import Machine, Project, Server, db
from tests.metering.conftest import NOON, Ids, Time
from tests.metering.spans import running, spans


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Any:
    with app.app_context():
        yield
        db.session.rollback()


def _machine(project_id: int, **values: Any) -> Machine:
    machine = Machine(project_id=project_id, **values)
    db.session.add(machine)
    db.session.commit()
    return machine


def _pauses() -> list[Any]:
    return list(db.session.scalars(select(table_of(BillingPause).c.resource_id)))


def test_stopped_resource_is_not_metered_until_it_is_started(ids: Ids, time: Time) -> None:
    machine, other = _machine(ids.one, disk=2), _machine(ids.one)
    stopped = time.pass_by(hours=1)
    machine.stop_billing()
    db.session.commit()
    machine.disk = 7
    db.session.commit()
    assert {span[0] for span in running()} == {str(other.id)}
    started = time.pass_by(hours=1)

    machine.start_billing()
    db.session.commit()

    found = [(s.slot, s.quantity, s.started_at, s.ended_at) for s in spans()]
    assert found[:4] == [
        ("compute", 1, NOON, stopped),
        ("compute", 1, started, None),
        ("disk", 2, NOON, stopped),
        ("disk", 7, started, None),
    ]
    assert _pauses() == []


def test_stopping_and_starting_twice_is_as_once(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one)
    time.pass_by(hours=1)
    machine.stop_billing()
    machine.stop_billing()
    time.pass_by(hours=1)
    machine.start_billing()
    machine.start_billing()
    db.session.commit()

    assert [s.ended_at is None for s in spans()] == [False, True]


def test_stopping_saves_what_is_unsaved_and_does_not_commit(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one)
    before = spans()
    time.pass_by(hours=1)
    machine.disk = 3

    machine.stop_billing()
    assert machine not in db.session.dirty
    db.session.rollback()

    assert (spans(), _pauses(), machine.disk) == (before, [], 0)


def test_resource_can_be_stopped_before_it_is_created(ids: Ids, time: Time) -> None:
    machine, other = Machine(project_id=ids.one), Machine(project_id=ids.one)
    machine.stop_billing()
    db.session.add_all([machine, other])
    db.session.commit()
    machine.disk = 1
    db.session.commit()
    assert {s.resource for s in spans()} == {str(other.id)}

    machine.start_billing()
    db.session.commit()

    assert len(running()) == 3


def test_resource_that_is_started_before_it_is_created_is_metered(ids: Ids) -> None:
    machine = Machine(project_id=ids.one)
    db.session.add(machine)
    machine.stop_billing()
    machine.start_billing()

    db.session.commit()

    assert len(running()) == 1


def test_pause_goes_with_its_resource(ids: Ids) -> None:
    machine = _machine(ids.one)
    key = machine.id
    machine.stop_billing()
    db.session.delete(machine)
    db.session.commit()

    _machine(ids.other, id=key)

    assert len(running()) == 1


def test_stopping_what_is_not_metered_is_a_mistake(ids: Ids) -> None:
    with pytest.raises(TypeError, match="billing_rates"):
        Server(project_id=ids.one).stop_billing()


def test_stopping_a_detached_resource_is_a_mistake(ids: Ids) -> None:
    machine = _machine(ids.one)
    db.session.expunge(machine)

    with pytest.raises(RuntimeError, match="detached"):
        machine.stop_billing()


def test_internal_project_is_not_metered(ids: Ids, time: Time) -> None:
    one, other = _machine(ids.one, disk=1), _machine(ids.other)
    ended = time.pass_by(hours=3)
    db.session.get_one(Project, ids.one).billable = False
    db.session.commit()
    _machine(ids.one)
    one.disk = 4
    db.session.commit()

    assert {span[0] for span in running()} == {str(other.id)}
    assert {s.ended_at for s in spans() if s.project == str(ids.one)} == {ended}


def test_project_that_is_billed_again_is_metered_from_then_on(ids: Ids, time: Time) -> None:
    project = db.session.get_one(Project, ids.one)
    project.billable = False
    db.session.commit()
    one = _machine(ids.one, disk=4)
    paused = _machine(ids.one)
    paused.stop_billing()
    db.session.commit()
    again = time.pass_by(hours=3)

    project.billable = True
    new = Machine(project_id=ids.one, size="large")
    db.session.add(new)
    db.session.commit()

    assert running() == {
        (str(one.id), "compute", "machine.small", 1),
        (str(one.id), "disk", "disk.gb", 4),
        (str(new.id), "compute", "machine.large", 1),
    }
    assert {s.started_at for s in spans()} == {again}


def test_deleted_project_ends_and_so_does_all_that_ran_for_it(ids: Ids, time: Time) -> None:
    machine, other = _machine(ids.one), _machine(ids.other)
    end = time.pass_by(days=2)
    db.session.delete(machine)
    db.session.delete(db.session.get_one(Project, ids.one))
    db.session.commit()

    row = db.session.get_one(BilledProjectRow, str(ids.one))
    assert row.ended_at == end
    assert {span[0] for span in running()} == {str(other.id)}
    assert db.session.get_one(BilledProjectRow, str(ids.other)).ended_at is None


def test_currency_can_be_chosen_until_something_is_counted(ids: Ids) -> None:
    project, other = (db.session.get_one(Project, key) for key in (ids.one, ids.other))
    assert project.billing_currency == "usd"
    project.billing_currency = "EUR"
    db.session.commit()
    assert (project.billing_currency, other.billing_currency) == ("eur", "usd")

    _machine(ids.one)
    with pytest.raises(CurrencyFixed, match=str(ids.one)):
        project.billing_currency = "usd"

    project.billing_currency = "eur"
    other.billing_currency = "eur"
    db.session.commit()
    assert (project.billing_currency, other.billing_currency) == ("eur", "eur")


def test_adjustment_fixes_the_currency(ids: Ids) -> None:
    invoicing.adjust(str(ids.one), 500, reason="goodwill")
    project, other = (db.session.get_one(Project, key) for key in (ids.one, ids.other))

    with pytest.raises(CurrencyFixed, match="an adjustment or an invoice in usd"):
        project.billing_currency = "eur"

    other.billing_currency = "eur"
    assert (project.billing_currency, other.billing_currency) == ("usd", "eur")


def test_currency_does_not_change_under_a_spending_alert(ids: Ids) -> None:
    alert = alerts.set_alert(str(ids.one), 1000)
    project = db.session.get_one(Project, ids.one)

    with pytest.raises(CurrencyFixed, match="spending alerts in usd"):
        project.billing_currency = "eur"

    alerts.remove_alert(str(ids.one), alert.id)
    project.billing_currency = "eur"
    assert project.billing_currency == "eur"


def test_currency_can_be_chosen_before_the_project_is_created(ids: Ids) -> None:
    info = db.session.get_one(Project, ids.one).billing_info
    project = Project(name="new", billing_info=info)
    project.billing_currency = "eur"
    assert project.billing_currency == "eur"
    db.session.add_all([project, Machine(project=project)])

    db.session.commit()

    assert db.session.get_one(BilledProjectRow, str(project.id)).currency == "eur"


@pytest.mark.parametrize("value", ["", "euro", "e1r", None, 7])
def test_currency_is_three_letters(ids: Ids, value: Any) -> None:
    with pytest.raises(ValueError, match="three-letter"):
        db.session.get_one(Project, ids.one).billing_currency = value
