"""What the host wrote or deleted by SQL is found, and mended where somebody says so."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from flask_billing import BilledProjectRow, BillingPause, BillingRecord, metering
from flask_billing.metering import Drift
from flask_billing.metering.reconciling import drifts, gone, living
from flask_billing.models import table_of
from tests.host import Machine, Project, billing, db
from tests.metering.conftest import NOON, Ids, Time
from tests.metering.spans import Span, running, spans


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Any:
    with app.app_context():
        yield
        db.session.rollback()


@pytest.fixture(params=[1, 500])
def _pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once with pages of one, so that their borders lie everywhere."""
    for module in (drifts, gone, living):
        monkeypatch.setattr(module, "PAGE", request.param)


def _machines(project_id: int, *disks: int) -> list[int]:
    machines = [Machine(project_id=project_id, disk=disk) for disk in disks]
    db.session.add_all(machines)
    db.session.commit()
    return [machine.id for machine in machines]


def _sql(statement: str) -> None:
    db.session.execute(text(statement))
    db.session.commit()
    db.session.expunge_all()


def _found(*, mend: bool = False, project_key: str | None = None) -> list[tuple[Any, ...]]:
    """Kind, resource, slot and whether it was mended."""
    told: list[Drift] = []
    done = metering.reconcile(project_key, mend=mend, tell=told.append)
    assert (done.mended, done.left) == ((len(told), 0) if mend else (0, len(told)))
    return sorted((d.kind, d.resource_id or d.project_key, d.slot or "") for d in told)


@pytest.mark.usefixtures("_pages")
def test_all_is_well_where_the_unit_of_work_did_it(ids: Ids) -> None:
    _machines(ids.one, 0, 1, 2)
    _machines(ids.other, 3)
    before = spans()

    assert _found(mend=True) == []
    assert spans() == before


@pytest.mark.usefixtures("_pages")
def test_drift_of_every_kind_is_told_and_mended(ids: Ids, time: Time) -> None:
    same, resized, moved, dead, smaller = _machines(ids.one, 5, 5, 5, 5, 5)
    with billing.metering_deferred():
        db.session.execute(insert(Machine), [{"project_id": ids.one, "id": 900, "disk": 2}])
    _sql(f"UPDATE machine SET size = 'large' WHERE id = {resized}")
    _sql(f"UPDATE machine SET project_id = {ids.other} WHERE id = {moved}")
    _sql(f"UPDATE machine SET disk = 0 WHERE id = {smaller}")
    _sql(f"DELETE FROM machine WHERE id = {dead}")
    now = time.pass_by(days=1)
    wrong = [
        ("differing", str(resized), "compute"),
        ("differing", str(moved), "compute"),
        ("differing", str(moved), "disk"),
        ("missing", "900", "compute"),
        ("missing", "900", "disk"),
        ("orphaned", str(dead), ""),
        ("unwanted", str(smaller), "disk"),
    ]
    before = spans()

    assert _found() == sorted(wrong)
    assert spans() == before
    assert _found(mend=True) == sorted(wrong)

    assert _found() == []
    assert running() == {
        (str(same), "compute", "machine.small", 1),
        (str(same), "disk", "disk.gb", 5),
        (str(resized), "compute", "machine.large", 1),
        (str(resized), "disk", "disk.gb", 5),
        (str(moved), "compute", "machine.small", 1),
        (str(moved), "disk", "disk.gb", 5),
        (str(smaller), "compute", "machine.small", 1),
        ("900", "compute", "machine.small", 1),
        ("900", "disk", "disk.gb", 2),
    }
    assert {s.ended_at for s in spans()} == {None, now}
    assert {s.started_at for s in spans()} == {NOON, now}


def test_only_the_project_that_is_named_is_looked_at(ids: Ids) -> None:
    with billing.metering_deferred():
        rows = [{"project_id": key, "id": key + 50} for key in (ids.one, ids.other)]
        db.session.execute(insert(Machine), rows)
        db.session.commit()

    assert _found(project_key=str(ids.one), mend=True) == [
        ("missing", str(ids.one + 50), "compute")
    ]
    assert _found() == [("missing", str(ids.other + 50), "compute")]


def test_internal_project_and_paused_resource_want_nothing(ids: Ids) -> None:
    [internal] = _machines(ids.one, 0)
    [paused] = _machines(ids.other, 0)
    db.session.execute(
        update(table_of(BilledProjectRow)).where(_key_is(ids.one)).values(billable=False)
    )
    pause = {"resource_type": "machine", "resource_id": str(paused), "created_at": NOON}
    db.session.execute(insert(table_of(BillingPause)).values(pause))
    db.session.commit()
    wrong = sorted([("unwanted", str(internal), "compute"), ("unwanted", str(paused), "compute")])

    assert _found(mend=True) == wrong

    assert running() == set()
    assert _found() == []


def test_pause_of_what_is_gone_is_an_orphan(ids: Ids) -> None:
    pause = {"resource_type": "machine", "resource_id": "77", "created_at": NOON}
    db.session.execute(insert(table_of(BillingPause)).values(pause))
    db.session.commit()

    assert _found(mend=True) == [("orphaned", "77", "")]

    _sql("SELECT 1")
    db.session.add(Machine(id=77, project_id=ids.one))
    db.session.commit()
    assert len(running()) == 1


def test_project_that_sql_deleted_ends(ids: Ids, time: Time) -> None:
    [machine] = _machines(ids.one, 0)
    [other] = _machines(ids.other, 0)
    _sql("DELETE FROM machine WHERE id = " + str(machine))
    _sql(f"DELETE FROM project WHERE id = {ids.one}")
    end = time.pass_by(days=1)

    assert ("project_gone", str(ids.one), "") in _found()
    assert ("project_gone", str(ids.one), "") in _found(mend=True)

    assert _found() == []
    row = db.session.get_one(BilledProjectRow, str(ids.one))
    assert row.ended_at == end
    assert [s.ended_at for s in spans() if s.resource == str(machine)] == [end]
    assert {span[0] for span in running()} == {str(other)}


def test_project_without_a_row_of_ours_gets_one(ids: Ids) -> None:
    db.session.execute(delete(table_of(BilledProjectRow)))
    db.session.commit()
    with billing.metering_deferred():
        db.session.execute(insert(Machine), [{"project_id": ids.one, "id": 5}])
        db.session.commit()

    assert _found(mend=True) == [("missing", "5", "compute")]

    assert len(running()) == 1
    row = db.session.get_one(BilledProjectRow, str(ids.one))
    assert row.billing_info_id == db.session.get_one(Project, ids.one).billing_info_id


def test_records_of_a_table_that_no_model_has_are_left_to_a_person(ids: Ids) -> None:
    [machine] = _machines(ids.one, 0)
    db.session.execute(update(table_of(BillingRecord)).values(resource_type="forgotten"))
    db.session.add(Machine(project_id=ids.one))
    db.session.commit()
    told: list[Drift] = []

    done = metering.reconcile(mend=True, tell=told.append)

    assert [(d.kind, d.resource_type, d.mended) for d in told] == [
        ("missing", "machine", True),
        ("unknown", "forgotten", False),
    ]
    assert (done.mended, done.left) == (1, 1)
    kept: list[Span] = [s for s in spans(running=True) if s.resource == str(machine)]
    assert len(kept) == 2


def test_unsaved_changes_are_not_committed_on_the_way(ids: Ids) -> None:
    db.session.add(Machine(project_id=ids.one))

    with pytest.raises(RuntimeError, match="Commit or roll back"):
        metering.reconcile(mend=True)


@pytest.mark.usefixtures("_pages")
def test_project_that_sql_wrote_on_a_used_key_begins_anew(ids: Ids, time: Time) -> None:
    project = db.session.get_one(Project, ids.one)
    info = project.billing_info_id
    ended_at = time.pass_by(days=1)
    db.session.delete(project)
    db.session.delete(db.session.get_one(Project, ids.other))
    db.session.commit()
    db.session.execute(
        insert(Project.__table__).values(id=ids.one, name="next", billing_info_id=info)
    )
    db.session.commit()
    [machine] = _machines(ids.one, 0)
    assert running() == set()
    now = time.pass_by(days=1)

    assert _found() == [("project_back", str(ids.one), "")]
    assert _found(mend=True) == [
        ("missing", str(machine), "compute"),
        ("project_back", str(ids.one), ""),
    ]

    assert _found() == []
    assert running() == {(str(machine), "compute", "machine.small", 1)}
    row = db.session.get_one(BilledProjectRow, str(ids.one))
    assert (row.ended_at, row.closed_until, row.usage_from) == (None, now, ended_at)
    assert row.billing_info_id == info
    told = [billing.record_usage(ids.one, "api.call", 1, "e", at=ended_at - NOON.resolution)]
    told.append(billing.record_usage(ids.one, "api.call", 1, "e", at=ended_at))
    assert [result.reason for result in told] == ["before_project", None]


def test_what_the_database_broke_off_is_tried_again() -> None:
    left = [DBAPIError("", {}, Exception(code, "")) for code in (1213, 1213)]

    def act() -> str:
        if left:
            raise left.pop()
        return "done"

    assert drifts.persistently(act) == "done"


@pytest.mark.parametrize(("code", "tries"), [(1213, 5), (1205, 1)])
def test_trying_again_comes_to_an_end(code: int, tries: int) -> None:
    tried = []

    def act() -> None:
        tried.append(code)
        raise DBAPIError("", {}, Exception(code, ""))

    with pytest.raises(DBAPIError):
        drifts.persistently(act)

    assert len(tried) == tries


def _key_is(key: int) -> Any:
    return table_of(BilledProjectRow).c.project_key == str(key)
