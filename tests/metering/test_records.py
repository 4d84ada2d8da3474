"""What a resource uses is metered in the transaction that changes it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update

from flask_billing import BilledProjectRow, BillingRate, BillingRecord, UnknownRate
from flask_billing.models import table_of
from tests.host import Machine, Project, Server, db
from tests.metering.conftest import NOON, Ids, Time, make_app
from tests.metering.spans import Statements, running, spans


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


def _use_all_rates(ids: Ids) -> None:
    """Have this process see that they are written down; what asks for them is not asked again."""
    _machine(ids.one, disk=1)
    _machine(ids.one, disk=1)


def test_records_open_when_a_resource_is_created(ids: Ids) -> None:
    one, other = _machine(ids.one), _machine(ids.other, size="large", disk=20)

    found = [(s.resource, s.slot, s.rate, s.quantity, s.project, s.ended_at) for s in spans()]
    assert found == [
        (str(one.id), "compute", "machine.small", 1, str(ids.one), None),
        (str(other.id), "compute", "machine.large", 1, str(ids.other), None),
        (str(other.id), "disk", "disk.gb", 20, str(ids.other), None),
    ]
    assert {span.started_at for span in spans()} == {NOON}


def test_records_close_when_a_resource_is_deleted(ids: Ids, time: Time) -> None:
    gone, staying = _machine(ids.one, disk=5), _machine(ids.one)
    end = time.pass_by(hours=2)

    db.session.delete(gone)
    db.session.commit()

    assert [s.ended_at for s in spans()] == [end, end, None]
    assert running() == {(str(staying.id), "compute", "machine.small", 1)}


def test_what_changed_is_reopened_and_the_rest_runs_on(ids: Ids, time: Time) -> None:
    machine, other = _machine(ids.one, disk=5), _machine(ids.one, disk=5)
    then = time.pass_by(minutes=7)

    machine.disk = 9
    db.session.commit()

    found = [(s.slot, s.quantity, s.started_at, s.ended_at) for s in spans()]
    assert found == [
        ("compute", 1, NOON, None),
        ("disk", 5, NOON, then),
        ("disk", 9, then, None),
        ("compute", 1, NOON, None),
        ("disk", 5, NOON, None),
    ]
    assert other.disk == 5


def test_slot_that_is_given_up_closes_and_one_that_is_new_opens(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one)
    time.pass_by(minutes=1)
    machine.disk = 3
    db.session.commit()
    time.pass_by(minutes=1)
    machine.disk, machine.size = 0, "large"

    db.session.commit()

    assert running() == {(str(machine.id), "compute", "machine.large", 1)}
    assert [s.slot for s in spans()] == ["compute", "compute", "disk"]


def test_resource_that_uses_nothing_has_no_running_record(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one, disk=4)
    machine.state = "off"
    db.session.commit()
    assert running() == set()
    time.pass_by(minutes=1)

    machine.state = "on"
    db.session.commit()

    assert len(running()) == 2
    assert len(spans()) == 4


def test_resource_that_moves_is_metered_for_its_new_project(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one)
    then = time.pass_by(days=1)

    machine.project = db.session.get_one(Project, ids.other)
    db.session.commit()

    assert [(s.project, s.started_at, s.ended_at) for s in spans()] == [
        (str(ids.one), NOON, then),
        (str(ids.other), then, None),
    ]


def test_change_that_means_nothing_for_billing_changes_nothing(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one, disk=4)
    before = spans()
    time.pass_by(minutes=5)

    machine.state = "restarting"
    db.session.commit()

    assert spans() == before


def test_running_record_keeps_its_rate_when_a_later_version_holds(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one, disk=4)
    time.now = datetime(2026, 7, 2, tzinfo=UTC)

    machine.disk = 5
    db.session.commit()
    new = _machine(ids.one)

    record, rate = table_of(BillingRecord), table_of(BillingRate)
    prices = db.session.execute(
        select(record.c.resource_id, rate.c.unit_price)
        .join(rate, rate.c.id == record.c.rate_id)
        .where(record.c.open_marker == 1, record.c.slot == "compute")
    )
    assert dict(map(tuple, prices)) == {
        str(machine.id): Decimal("0.0003843751"),
        str(new.id): Decimal("0.0004"),
    }


def test_rollback_leaves_no_trace(ids: Ids, time: Time) -> None:
    kept = _machine(ids.one)
    before = spans()
    time.pass_by(minutes=1)
    kept.disk = 8
    db.session.add(Machine(project_id=ids.one))
    db.session.flush()

    db.session.rollback()

    assert spans() == before


def test_savepoint_that_is_rolled_back_leaves_no_trace(ids: Ids, time: Time) -> None:
    kept, changed = _machine(ids.one), _machine(ids.one)
    time.pass_by(minutes=1)
    savepoint = db.session.begin_nested()
    db.session.delete(kept)
    changed.size = "large"
    db.session.flush()
    savepoint.rollback()
    changed.disk = 2

    db.session.commit()

    assert running() == {
        (str(kept.id), "compute", "machine.small", 1),
        (str(changed.id), "compute", "machine.small", 1),
        (str(changed.id), "disk", "disk.gb", 2),
    }


def test_orphan_that_a_flush_deletes_is_closed(ids: Ids, time: Time) -> None:
    """As `delete-orphan` does; such a row is never in the session's list of deleted ones."""
    gone, staying = _machine(ids.one), _machine(ids.one)
    time.pass_by(minutes=1)
    with db.session.no_autoflush:
        db.session.delete(gone)

    db.session.flush()
    db.session.commit()

    assert {span[0] for span in running()} == {str(staying.id)}


def test_a_new_resource_costs_one_statement_and_no_select(ids: Ids) -> None:
    _use_all_rates(ids)
    db.session.add(Machine(project_id=ids.one, disk=3))

    with Statements() as statements:
        db.session.flush()

    mine = [text for text in statements if "billing_record" in text or "billing_rate" in text]
    assert [text[:26] for text in mine] == ["INSERT INTO billing_record"]


def test_a_changed_or_deleted_resource_costs_no_select(ids: Ids, time: Time) -> None:
    _use_all_rates(ids)
    machine, other = _machine(ids.one, disk=3), _machine(ids.one, disk=3)
    db.session.refresh(machine)
    db.session.refresh(other)
    time.pass_by(minutes=1)

    machine.disk = 4
    with Statements() as changing:
        db.session.flush()
    db.session.delete(other)
    with Statements() as deleting:
        db.session.flush()

    assert [text.split()[0] for text in changing if text[:6] == "SELECT"] == []
    assert [text.split()[0] for text in deleting if text[:6] == "SELECT"] == []
    assert len([text for text in changing if "billing_record" in text]) == 2
    assert len([text for text in deleting if "billing_record" in text]) == 1


def test_many_resources_of_a_flush_are_metered_together(ids: Ids, time: Time) -> None:
    machines = [Machine(project_id=ids.one, disk=n % 3) for n in range(12)]
    db.session.add_all(machines)
    db.session.commit()
    time.pass_by(minutes=1)
    for machine in machines:
        machine.size = "large"

    db.session.commit()

    assert {span[2] for span in running()} == {"machine.large", "disk.gb"}
    assert len(running()) == 12 + 8


def test_project_and_its_resource_may_be_born_in_one_flush(app: Flask, ids: Ids) -> None:
    info = db.session.get_one(Project, ids.one).billing_info
    paying, internal = Project(name="paying", billing_info=info), Project(name="internal")
    internal.billable = False
    db.session.add_all([Machine(project=paying), Machine(project=internal)])

    db.session.commit()

    assert [span.project for span in spans()] == [str(paying.id)]


def test_key_that_sql_freed_can_be_used_again(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one, disk=6)
    key = machine.id
    db.session.execute(text("DELETE FROM machine"))
    db.session.commit()
    db.session.expunge_all()
    then = time.pass_by(hours=1)

    _machine(ids.one, id=key, disk=7)

    assert running() == {
        (str(key), "compute", "machine.small", 1),
        (str(key), "disk", "disk.gb", 7),
    }
    assert [s.ended_at for s in spans() if s.quantity == 6] == [then]


@pytest.mark.parametrize("state", ["on", "off"])
def test_pause_of_a_row_that_sql_deleted_is_not_the_next_ones(ids: Ids, state: str) -> None:
    machine = _machine(ids.one)
    key = machine.id
    machine.stop_billing()
    db.session.commit()
    db.session.execute(text("DELETE FROM machine"))
    db.session.commit()
    db.session.expunge_all()

    following = _machine(ids.one, id=key, state=state)
    following.state = "on"
    db.session.commit()

    assert running() == {(str(key), "compute", "machine.small", 1)}


def test_resource_whose_key_changes_is_metered_once(ids: Ids, time: Time) -> None:
    machine, other = _machine(ids.one), _machine(ids.one)
    former, then = str(machine.id), time.pass_by(hours=1)

    machine.id = 77
    db.session.commit()

    assert {span[0] for span in running()} == {"77", str(other.id)}
    assert [s.ended_at for s in spans() if s.resource == former] == [then]


def test_pause_follows_a_resource_whose_key_changes(ids: Ids) -> None:
    machine = _machine(ids.one)
    machine.stop_billing()
    db.session.commit()

    machine.id = 77
    db.session.commit()

    assert running() == set()
    machine.start_billing()
    db.session.commit()
    assert {span[0] for span in running()} == {"77"}


def test_row_that_takes_the_place_of_another_in_one_flush(ids: Ids, time: Time) -> None:
    machine = _machine(ids.one, disk=6)
    key, then = machine.id, time.pass_by(hours=1)
    db.session.delete(machine)
    db.session.add(Machine(id=key, project_id=ids.other, size="small", disk=0, state="on"))

    db.session.commit()

    assert [(s.project, s.slot, s.ended_at) for s in spans()] == [
        (str(ids.one), "compute", then),
        (str(ids.other), "compute", None),
        (str(ids.one), "disk", then),
    ]


def test_project_from_before_our_time_gets_its_row(ids: Ids) -> None:
    db.session.execute(delete(BilledProjectRow))
    db.session.commit()
    db.session.expunge_all()

    machine = _machine(ids.one)

    assert {span[0] for span in running()} == {str(machine.id)}


def test_nothing_is_metered_before_the_day_that_is_closed(ids: Ids, time: Time) -> None:
    """Such as where the change waited for the closing of the month."""
    machine, other = _machine(ids.one), _machine(ids.one)
    key = machine.id
    until = datetime(2026, 7, 1, tzinfo=UTC)
    row = table_of(BilledProjectRow)
    db.session.execute(update(row).values(closed_until=until))
    db.session.commit()

    db.session.delete(machine)
    other.disk = 2
    db.session.commit()
    _machine(ids.one, size="large")

    found = {(s.resource == str(key), s.slot, s.started_at, s.ended_at) for s in spans()}
    assert found == {
        (True, "compute", NOON, until),
        (False, "compute", NOON, None),
        (False, "disk", until, None),
        (False, "compute", until, None),
    }


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([("compute", 1)], TypeError),
        ({"compute": "machine.small"}, TypeError),
        ({"compute": ["machine.small", 1]}, TypeError),
        ({"compute": ("machine.small", 1.5)}, TypeError),
        ({"compute": ("machine.small", True)}, TypeError),
        ({"compute": ("machine.small", "1")}, TypeError),
        ({"compute": ("machine.small", -1)}, ValueError),
        ({"compute": ("machine.small", Decimal("NaN"))}, ValueError),
        ({"compute": ("machine.small", Decimal("Infinity"))}, ValueError),
        ({"compute": ("machine.small", Decimal("0.0000001"))}, ValueError),
        ({"compute": ("machine.small", 10**12)}, ValueError),
        ({"": ("machine.small", 1)}, ValueError),
        ({"a b": ("machine.small", 1)}, ValueError),
        ({"someone@example.com": ("machine.small", 1)}, ValueError),
        ({"x" * 101: ("machine.small", 1)}, ValueError),
        ({1: ("machine.small", 1), "b": ("machine.small", 1)}, ValueError),
        ({"compute": ("machine.unheard-of", 1)}, UnknownRate),
        ({"compute": (None, 1)}, UnknownRate),
        ({"compute": ("api.call", 1)}, ValueError),
    ],
)
def test_answer_that_can_not_be_meant_fails_the_flush(
    ids: Ids, monkeypatch: pytest.MonkeyPatch, answer: Any, error: type[Exception]
) -> None:
    monkeypatch.setattr(Machine, "billing_rates", lambda machine: answer)
    db.session.add(Machine(project_id=ids.one))

    with pytest.raises(error):
        db.session.commit()
    db.session.rollback()

    assert db.session.scalars(select(Machine)).all() == []
    assert spans() == []


@pytest.mark.parametrize("quantity", [Decimal("0.000001"), Decimal("2.50"), 10**12 - 1, 0])
def test_quantities_are_kept_exactly(
    ids: Ids, monkeypatch: pytest.MonkeyPatch, quantity: Any
) -> None:
    monkeypatch.setattr(Machine, "billing_rates", lambda _: {"disk": ("disk.gb", quantity)})

    _machine(ids.one)

    assert [span.quantity for span in spans()] == ([quantity] if quantity else [])


def test_rate_that_the_currency_lacks_fails_the_flush(ids: Ids) -> None:
    project = db.session.get_one(Project, ids.one)
    project.billing_currency = "eur"
    db.session.commit()
    db.session.add(Machine(project_id=ids.one, size="large"))

    with pytest.raises(UnknownRate, match=r"machine\.large"):
        db.session.commit()
    db.session.rollback()

    _machine(ids.one)
    assert {span.rate for span in spans()} == {"machine.small"}


def test_rate_that_does_not_hold_yet_fails_the_flush(ids: Ids, time: Time) -> None:
    time.now = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
    db.session.add(Machine(project_id=ids.one))

    with pytest.raises(UnknownRate, match=r"machine\.small"):
        db.session.commit()


def test_nothing_is_metered_while_billing_is_off(sqlite_url: str) -> None:
    off = make_app(sqlite_url, STRIPE_SECRET_KEY=None)
    with off.app_context():
        project = Project(name="one")
        db.session.add(project)
        db.session.flush()
        machine = Machine(project_id=project.id, disk=2)
        db.session.add(machine)
        db.session.commit()
        machine.disk = 3
        db.session.commit()
        db.session.delete(machine)
        db.session.commit()

        assert spans() == []


def test_resource_without_rates_is_guarded_and_not_metered(ids: Ids) -> None:
    db.session.add(Server(project_id=ids.one, name="web-1"))
    db.session.commit()

    assert spans() == []
