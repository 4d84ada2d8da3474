"""What must not be billed before somebody has looked is set aside, and the rest goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import insert, text, update

from flask_billing import BillingRecord, ClosingRefused, UsageTotal, closing_parked, invoicing
from flask_billing.invoicing import CloseReport
from flask_billing.models import table_of
from tests.host import create_app, db
from tests.invoicing.books import (
    SETTINGS,
    at,
    invoices,
    lines,
    month,
    new_project,
    now,
    record,
    row_of,
    set_row,
    usage,
)


def several_months(key: str, *calls: int) -> None:
    for number, quantity in enumerate(calls, 6):
        usage(key, at(number, 2), quantity)


def test_total_many_times_that_of_the_last_months_is_parked(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    several_months(key, 100_000, 2_100_000, 50_000)
    several_months(other, 100_000, 2_000_000, 50_000)

    with now(at(9, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=4, invoiced=4, parked=1)
    row = row_of(key)
    assert (row.parked_reason, row.parked_at, row.closed_until) == (
        "unusual_total",
        at(9, 5),
        at(7),
    )
    assert [len(invoices(each)) for each in (key, other)] == [1, 3]


def test_late_usage_is_judged_as_well(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    several_months(key, 100_000)
    several_months(other, 100_000)
    usage(key, at(6, 30), 2_100_000, counted_in=at(7))
    usage(other, at(6, 30), 2_000_000, counted_in=at(7))

    with now(at(8, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=3, invoiced=3, parked=1)
    assert [row_of(each).parked_reason for each in (key, other)] == ["unusual_total", None]


def test_parked_project_waits_until_it_is_accepted(anywhere: Flask) -> None:
    key = new_project()
    several_months(key, 100_000, 9_000_000, 9_000_000)
    with now(at(9, 5)):
        invoicing.close()
    with now(at(9, 6)):
        again = invoicing.close()
        with pytest.raises(ClosingRefused, match="--accept"):
            invoicing.close(project_key=key)

        accepted = invoicing.close(project_key=key, accept=True)

    assert (again, accepted) == (CloseReport(), CloseReport(closed=2, invoiced=2))
    assert [invoice.subtotal for invoice in invoices(key)] == [1000, 90_000, 90_000]
    assert (row_of(key).parked_reason, row_of(key).parked_at) == (None, None)


def test_all_that_is_parked_can_be_accepted_at_once(app: Flask) -> None:
    keys = [new_project(), new_project()]
    for key in keys:
        several_months(key, 100_000, 9_000_000)
    with now(at(8, 5)):
        invoicing.close()
    with now(at(8, 6)):
        report = invoicing.close(accept=True)

    assert report == CloseReport(closed=2, invoiced=2)


@pytest.mark.parametrize("factor", [0, 100])
def test_how_much_is_unusual_is_the_host_s_to_say(sqlite_url: str, factor: int) -> None:
    app = create_app(sqlite_url, **SETTINGS, BILLING_SANITY_FACTOR=factor)
    with app.app_context():
        db.create_all()
        key = new_project()
        several_months(key, 100_000, 9_000_000)

        with now(at(8, 5)):
            report = invoicing.close()

        assert report == CloseReport(closed=2, invoiced=2)


def test_small_amounts_are_not_unusual(app: Flask) -> None:
    key = new_project()
    several_months(key, 10_000, 1_000_000)

    with now(at(8, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=2)
    assert [invoice.subtotal for invoice in invoices(key)] == [100, 10_000]


def test_first_invoice_has_nothing_to_be_compared_with(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 500_000_000)

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1)


def test_negative_quantity_is_parked_and_does_not_stop_the_others(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    usage(key, at(6, 2), -5)
    usage(other, at(6, 2), 100_000)

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1, parked=1)
    assert row_of(key).parked_reason == "negative_quantity"
    assert row_of(key).closed_until == at(6)


def test_rate_of_another_currency_is_parked(app: Flask) -> None:
    key, other = new_project(), new_project()
    record(key, at(6), currency="eur")
    record(other, at(6))

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1, parked=1)
    assert row_of(key).parked_reason == "wrong_currency"


def test_rate_without_a_row_is_parked(app: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        record(each, at(6))
    table = table_of(BillingRecord)
    db.session.execute(update(table).where(table.c.project_key == key).values(rate_id=uuid4()))
    db.session.commit()

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1, parked=1)
    assert row_of(key).parked_reason == "rate_missing"


def test_amount_that_no_column_can_hold_is_parked_alone(anywhere: Flask) -> None:
    keys = [new_project() for _ in range(5)]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    set_row(keys[2], carried=2**63 - 5)

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=4, invoiced=4, parked=1)
    assert row_of(keys[2]).parked_reason == "failed"


def test_more_unit_minutes_than_a_whole_number_holds_are_closed(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each, quantity in ((key, 300_000_000), (other, 3)):
        record(each, at(6), rate="disk.gb", quantity=quantity, slot="disk")

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=2)
    [group] = invoicing.groups_of(invoices(key)[0])
    [line] = lines(invoices(key)[0])
    assert (group.quantity, group.free_quantity) == (300_000_000 * 40_320, 0)
    assert (line.quantity, line.minutes) == (300_000_000, 40_320)


def test_parking_is_told_once(app: Flask) -> None:
    told: list[dict[str, Any]] = []

    def note(sender: Flask, **about: Any) -> None:
        told.append(about)

    key = new_project()
    usage(key, at(6, 2), -5)
    with closing_parked.connected_to(note, app), now(at(7, 5)):
        invoicing.close()
        invoicing.close()

    assert told == [{"project_key": key, "period": month(6), "reason": "negative_quantity"}]


def test_trouble_with_the_database_parks_nobody(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100)
    db.session.execute(text("ALTER TABLE billing_discount RENAME TO elsewhere"))
    db.session.commit()

    with now(at(7, 5)), pytest.raises(Exception, match="billing_discount"):
        invoicing.close()

    assert row_of(key).parked_reason is None


def test_rest_is_closed_when_a_project_turns_bad_later(app: Flask) -> None:
    key, other = new_project(), new_project()
    for each, moment in ((key, at(6)), (other, at(7))):
        record(each, moment)
        _bad_total(each, moment)

    with now(at(9, 5)):
        report = invoicing.close()

    assert report.parked == 2
    assert [row_of(each).closed_until for each in (key, other)] == [at(6), at(7)]


def _bad_total(key: str, moment: datetime) -> None:
    row = db.session.execute(table_of(BillingRecord).select()).first()
    assert row is not None
    db.session.execute(
        insert(table_of(UsageTotal)).values(
            project_key=key,
            counted_in=moment.date(),
            day=moment.date(),
            rate_id=row.rate_id,
            resource_type="",
            resource_id="",
            quantity=1,
            event_count=1,
        )
    )
    db.session.commit()
