"""A project that takes the key of one that is gone takes nothing of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from flask_billing import (
    Adjustment,
    BilledProjectRow,
    BillingInfo,
    BillingRecord,
    Credit,
    SetupSession,
    UsageRow,
)
from tests.host import Machine, Project, billing, db
from tests.metering.conftest import NOON, Ids, Time
from tests.metering.spans import Statements, running, spans


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Any:
    with app.app_context():
        yield
        db.session.rollback()


def _row(key: int) -> BilledProjectRow:
    return db.session.get_one(BilledProjectRow, str(key))


def _former(key: int) -> BilledProjectRow:
    """The row of the project that had the key before."""
    rows = db.session.scalars(select(BilledProjectRow)).all()
    return next(row for row in rows if row.project_key.startswith(f"{key}~"))


def _leave_behind(key: int) -> None:
    """Have a project run, owe and own something."""
    text_key = str(key)
    db.session.add_all(
        [
            Machine(project_id=key, disk=3),
            Credit(project_key=text_key, amount=9, remaining=9, currency="usd", reason="gift"),
            Adjustment(project_key=text_key, amount=5, currency="usd", reason="support"),
            SetupSession(project_key=text_key, state="open"),
        ]
    )
    row = _row(key)
    row.currency, row.carried, row.parked_reason = "usd", 40, "total"
    db.session.commit()


def test_new_project_begins_now_with_nothing(app: Flask, time: Time) -> None:
    with Statements() as statements:
        project = Project(name="new")
        db.session.add(project)
        db.session.commit()

    row = _row(project.id)
    assert (row.closed_until, row.created_at, row.carried, row.ended_at) == (NOON, NOON, 0, None)
    assert [statement.split()[0] for statement in statements] == ["INSERT", "INSERT"]


@pytest.mark.parametrize("by_sql", [False, True])
def test_key_that_is_used_again_begins_anew(ids: Ids, time: Time, by_sql: bool) -> None:
    _leave_behind(ids.one)
    gone_at = time.pass_by(days=1)
    db.session.execute(text(f"DELETE FROM machine WHERE project_id = {ids.one}"))
    if by_sql:
        db.session.execute(text(f"DELETE FROM project WHERE id = {ids.one}"))
    else:
        db.session.delete(db.session.get_one(Project, ids.one))
    db.session.commit()
    db.session.expunge_all()
    born_at = time.pass_by(days=1)

    project = Project(id=ids.one, name="next", billing_info=db.session.scalars(_info()).one())
    project.billing_currency = "eur"
    db.session.add(project)
    db.session.commit()
    db.session.add(Machine(project_id=ids.one))
    db.session.commit()

    row, former = _row(ids.one), _former(ids.one)
    assert (row.currency, row.carried, row.closed_until, row.ended_at) == ("eur", 0, born_at, None)
    assert (row.parked_reason, row.billable) == (None, True)
    ended_at = born_at if by_sql else gone_at
    assert (former.currency, former.carried, former.ended_at) == ("usd", 40, ended_at)
    assert (former.closed_until, former.parked_reason) == (NOON, "total")
    assert {s.project for s in spans(running=True)} == {str(ids.one)}
    assert {s.ended_at for s in spans() if s.project == former.project_key} == {ended_at}
    assert len(running()) == 1
    for model in (Credit, Adjustment, SetupSession):
        keys = db.session.scalars(select(model.project_key)).all()
        assert keys == [former.project_key]
    assert db.session.scalars(select(SetupSession)).one().state == "superseded"


def test_row_in_the_session_is_read_anew(ids: Ids, time: Time) -> None:
    row = _row(ids.one)
    row.carried = 7
    db.session.commit()
    assert row.carried == 7
    db.session.delete(db.session.get_one(Project, ids.one))
    db.session.flush()

    db.session.add(Project(id=ids.one, name="next"))
    db.session.flush()

    assert (row.carried, row.ended_at) == (0, None)


def test_third_project_of_a_key_has_two_before_it(ids: Ids, time: Time) -> None:
    for name in ("second", "third"):
        time.pass_by(hours=1)
        db.session.delete(db.session.get_one(Project, ids.one))
        db.session.commit()
        db.session.add(Project(id=ids.one, name=name))
        db.session.commit()

    rows = db.session.scalars(select(BilledProjectRow)).all()
    assert len([row for row in rows if row.project_key.startswith(f"{ids.one}~")]) == 2
    assert _row(ids.other).closed_until == NOON


def test_birth_that_is_rolled_back_gives_the_key_back(ids: Ids, time: Time) -> None:
    _leave_behind(ids.one)
    db.session.execute(text("DELETE FROM machine"))
    db.session.delete(db.session.get_one(Project, ids.one))
    db.session.commit()
    db.session.add(Project(id=ids.one, name="next"))
    db.session.flush()

    db.session.rollback()

    assert _row(ids.one).carried == 40
    assert {r.project_key for r in db.session.scalars(select(BillingRecord))} == {str(ids.one)}


def test_event_of_the_former_project_is_not_the_new_ones(ids: Ids, time: Time) -> None:
    used_at = NOON + timedelta(hours=1)
    time.pass_by(hours=1)
    billing.record_usage(ids.one, "api.call", 1, "event-1")
    db.session.commit()
    ended_at = time.pass_by(hours=1)
    db.session.delete(db.session.get_one(Project, ids.one))
    db.session.commit()
    born_at = time.pass_by(minutes=3)
    db.session.add(Project(id=ids.one, name="next"))
    db.session.commit()

    told = [(1, used_at), (2, ended_at - timedelta.resolution), (3, ended_at), (4, born_at)]
    results = billing.record_usage_batch(
        UsageRow(ids.one, "api.call", 1, f"event-{number}", at=at) for number, at in told
    )

    assert [result.reason or result.state for result in results] == [
        "before_project",
        "before_project",
        "recorded",
        "recorded",
    ]


def test_clock_that_is_behind_loses_no_event_of_a_new_project(ids: Ids, time: Time) -> None:
    db.session.delete(db.session.get_one(Project, ids.one))
    db.session.commit()
    born_at = time.pass_by(days=1)
    db.session.add(Project(id=ids.one, name="next"))
    db.session.commit()

    told = [("event-1", timedelta(minutes=5)), ("event-2", timedelta(minutes=5, microseconds=1))]
    results = [
        billing.record_usage(ids.one, "api.call", 1, event_id, at=born_at - before)
        for event_id, before in told
    ]

    assert [result.reason for result in results] == [None, "before_project"]


def test_project_that_is_new_as_its_key_may_tell_of_before(ids: Ids) -> None:
    result = billing.record_usage(ids.one, "api.call", 1, "event-1", at=NOON - timedelta(days=9))

    assert result.state == "recorded"


def _info() -> Any:
    return select(BillingInfo)
