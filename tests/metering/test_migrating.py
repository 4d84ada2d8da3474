"""Running records keep their price, unless somebody moves them to a newer one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from flask_billing import BilledProjectRow, BillingRate, BillingRecord, UnknownRate, metering
from flask_billing.metering import migrating
from flask_billing.models import table_of
from tests.host import Machine, Project, db
from tests.metering.conftest import NOON, Ids, Time
from tests.metering.spans import spans

JULY = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Any:
    with app.app_context():
        yield
        db.session.rollback()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "_BATCH", 2)


def _machines(project_id: int, *disks: int) -> None:
    db.session.add_all([Machine(project_id=project_id, disk=disk) for disk in disks])
    db.session.commit()


def _prices() -> list[tuple[str, str, bool]]:
    """The price of each record of a machine, since when it ran, and whether it runs."""
    record, rate = table_of(BillingRecord), table_of(BillingRate)
    query = (
        select(rate.c.unit_price, record.c.started_at, record.c.open_marker)
        .join(rate, rate.c.id == record.c.rate_id)
        .where(record.c.slot == "compute")
        .order_by(record.c.resource_id, record.c.started_at)
    )
    return [
        (f"{price.normalize():f}", f"{start:%m-%d}", marker == 1)
        for price, start, marker in db.session.execute(query)
    ]


def test_running_records_go_on_at_the_newer_price(ids: Ids, time: Time) -> None:
    _machines(ids.one, 0, 3, 0)
    time.now = JULY + timedelta(days=9)

    done = metering.migrate("machine.small", at=JULY)

    assert (done.moved, done.closed) == (3, 0)
    assert _prices() == [("0.0003843751", "06-15", False), ("0.0004", "07-01", True)] * 3
    assert {s.ended_at for s in spans() if s.slot == "compute"} == {JULY, None}
    assert [s.ended_at for s in spans() if s.slot == "disk"] == [None]
    assert metering.migrate("machine.small", at=JULY).moved == 0


def test_dry_run_only_counts(ids: Ids, time: Time) -> None:
    _machines(ids.one, 0, 0, 0)
    before = spans()
    time.now = JULY + timedelta(days=9)

    assert metering.migrate("machine.small", at=JULY, dry_run=True).moved == 3
    assert spans() == before


def test_record_that_began_after_the_cut_off_moves_from_its_beginning(ids: Ids, time: Time) -> None:
    """Such as where the newer price came into the file late."""
    _machines(ids.one, 0)
    record = table_of(BillingRecord)
    later = JULY + timedelta(days=3)
    db.session.execute(update(record).values(started_at=later))
    db.session.commit()
    time.now = JULY + timedelta(days=9)

    assert metering.migrate("machine.small", at=JULY).moved == 1

    assert {(s.started_at, s.ended_at) for s in spans()} == {(later, later), (later, None)}


def test_project_that_is_closed_until_later_is_left(ids: Ids, time: Time) -> None:
    _machines(ids.one, 0, 0)
    _machines(ids.other, 0)
    time.now = JULY + timedelta(days=40)
    row = table_of(BilledProjectRow)
    closed = update(row).where(row.c.project_key == str(ids.one))
    db.session.execute(closed.values(closed_until=JULY + timedelta(days=31)))
    db.session.commit()

    done = metering.migrate("machine.small", at=JULY)

    assert (done.moved, done.closed) == (1, 2)


def test_each_currency_moves_to_its_own_version(ids: Ids, time: Time) -> None:
    project = db.session.get_one(Project, ids.one)
    project.billing_currency = "eur"
    db.session.commit()
    _machines(ids.one, 0)
    _machines(ids.other, 0)
    time.now = JULY + timedelta(days=1)

    assert metering.migrate("machine.small", at=JULY).moved == 1
    assert sorted(p for p, _, runs in _prices() if runs) == ["0.00035", "0.0004"]


@pytest.mark.parametrize(
    ("name", "at", "error"),
    [
        ("machine.small", NOON + timedelta(seconds=1), ValueError),
        ("api.call", NOON, ValueError),
        ("machine.unheard-of", NOON, UnknownRate),
        ("machine.small", datetime(2025, 1, 1, tzinfo=UTC), UnknownRate),
    ],
)
def test_cut_off_that_can_not_be_meant_is_refused(
    ids: Ids, name: str, at: datetime, error: type[Exception]
) -> None:
    with pytest.raises(error):
        metering.migrate(name, at=at)
