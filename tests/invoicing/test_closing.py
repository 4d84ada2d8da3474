"""Each month of each project is closed once, in order, whatever happened in between."""

from __future__ import annotations

from decimal import Decimal

import pytest
from flask import Flask

from flask_billing import BillingRate, ClosingRefused, UnknownProject, invoicing
from flask_billing.invoicing import CloseReport
from tests.host import db
from tests.invoicing.books import (
    at,
    everything,
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


def test_month_becomes_an_invoice_with_its_lines(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    record(key, at(6), quantity=2)
    record(other, at(6, 6), rate="machine.large")

    with now(at(7, 1, 1)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=2)
    [invoice], [others] = invoices(key), invoices(other)
    assert (invoice.period_start, invoice.period_end) == (at(6), at(7))
    assert (invoice.subtotal, invoice.due, invoice.currency) == (3100, 3100, "usd")
    assert others.subtotal == 5535
    [line] = lines(invoice)
    assert (line.minutes, line.quantity, line.amount) == (40_320, Decimal(2), 3100)
    assert line.gross == line.net == Decimal("30.996008064")
    assert (line.resource_type, line.resource_id, line.slot) == ("machine", f"of-{key}", "compute")
    assert [row_of(each).closed_until for each in (key, other)] == [at(7)] * 2
    assert [row_of(each).currency for each in (key, other)] == ["usd"] * 2


def test_closing_twice_changes_nothing(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    record(key, at(6))
    record(other, at(6))
    with now(at(7, 2)):
        invoicing.close()
        before = everything()

        report = invoicing.close()

    assert report == CloseReport()
    assert everything() == before


def test_month_waits_for_late_events_before_it_is_closed(app: Flask) -> None:
    key = new_project()
    record(key, at(6))

    with now(at(7, 1, 0, 59)):
        early = invoicing.close()
    with now(at(7, 1, 1)):
        in_time = invoicing.close()

    assert (early, in_time) == (CloseReport(), CloseReport(closed=1, invoiced=1))


def test_months_of_silence_are_caught_up_in_order(anywhere: Flask) -> None:
    key, other = new_project(at(1, 15)), new_project(at(3, 31, 23))
    for each in (key, other):
        record(each, at(4), quantity=3)

    with now(at(7, 20)):
        report = invoicing.close()

    assert report == CloseReport(closed=6 + 4, invoiced=6)
    spans = [(i.period_start, i.period_end) for i in invoices(key)]
    assert spans == [(at(4), at(5)), (at(5), at(6)), (at(6), at(7))]
    assert row_of(key).closed_until == row_of(other).closed_until == at(7)


def test_first_period_begins_where_the_project_did(app: Flask) -> None:
    key = new_project(at(2, 15))
    record(key, at(2, 15))

    with now(at(3, 2)):
        invoicing.close()

    [invoice] = invoices(key)
    assert (invoice.period_start, invoice.period_end) == (at(2, 15), at(3))
    assert lines(invoice)[0].minutes == 14 * 24 * 60


def test_month_without_usage_has_no_invoice(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    record(other, at(6))
    set_row(key, carried=20)

    with now(at(7, 2)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=1)
    assert invoices(key) == []
    assert (row_of(key).closed_until, row_of(key).carried, row_of(key).currency) == (
        at(7),
        20,
        None,
    )


def test_deleted_project_gets_a_final_invoice(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        record(each, at(6), at(7, 10, 12))
        set_row(each, ended_at=at(7, 10, 12))

    with now(at(7, 10, 12, 59)):
        invoicing.close()
        early = [len(invoices(each)) for each in (key, other)]
    with now(at(7, 10, 13)):
        report = invoicing.close()

    assert early == [1, 1]
    assert report == CloseReport(closed=2, invoiced=2)
    last = invoices(key)[-1]
    assert (last.period_start, last.period_end) == (at(7), at(7, 10, 12))
    assert row_of(key).closed_until == at(7, 10, 12)


def test_deleted_project_is_closed_to_its_end_and_no_further(anywhere: Flask) -> None:
    key = new_project()
    record(key, at(6), at(7, 10))
    set_row(key, ended_at=at(7, 10))

    with now(at(12, 5)):
        report = invoicing.close()
        again = invoicing.close()

    assert (report, again) == (CloseReport(closed=2, invoiced=2), CloseReport())
    assert row_of(key).closed_until == at(7, 10)


def test_deleted_project_does_not_carry_what_is_too_small_to_charge(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 5), 2_000)
        usage(each, at(7, 5), 2_500)
    set_row(key, ended_at=at(7, 10))

    with now(at(8, 5)):
        invoicing.close()
        [_, last] = invoices(key)
        invoicing.void(last.id, reason="mistake")
        invoicing.close(month(7), key)

    def sums(project: str) -> list[tuple[int, int, int]]:
        live = [invoice for invoice in invoices(project) if invoice.live_marker]
        return [(each.carried_in, each.carried_out, each.waived) for each in live]

    assert sums(key) == [(0, 20, 0), (20, 0, 45)]
    assert sums(other) == [(0, 20, 0), (20, 45, 0)]


def test_project_that_ended_as_it_began_a_month_is_done(app: Flask) -> None:
    key = new_project()
    record(key, at(6), at(7))
    set_row(key, ended_at=at(7))

    with now(at(8, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1)


def test_named_month_is_closed_and_no_later_one(app: Flask) -> None:
    key, other = new_project(at(5)), new_project(at(5))
    for each in (key, other):
        record(each, at(5))

    with now(at(8, 5)):
        invoicing.close(month(6))

    assert [row_of(each).closed_until for each in (key, other)] == [at(7)] * 2
    assert len(invoices(key)) == 2


@pytest.mark.parametrize("number", [7, 8])
def test_month_that_has_not_ended_is_refused(app: Flask, number: int) -> None:
    key = new_project()
    record(key, at(6))

    with now(at(8, 1, 0, 30)), pytest.raises(ClosingRefused, match=f"2026-0{number} can't be"):
        invoicing.close(month(number))

    assert invoices(key) == []


def test_one_project_is_closed_alone(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        record(each, at(6))

    with now(at(8, 5)):
        report = invoicing.close(project_key=key)

    assert report == CloseReport(closed=2, invoiced=2)
    assert invoices(other) == []


def test_unknown_project_is_told(app: Flask) -> None:
    with now(at(8, 5)), pytest.raises(UnknownProject):
        invoicing.close(project_key="77")


def test_limit_and_stop_end_early_and_the_next_run_goes_on(app: Flask) -> None:
    keys = [new_project() for _ in range(5)]
    for key in keys:
        record(key, at(6))

    with now(at(7, 2)):
        stopped = invoicing.close(stop=lambda: True)
        limited = invoicing.close(limit=2)
        rest = invoicing.close()

    assert [r.closed for r in (stopped, limited, rest)] == [0, 2, 3]
    assert [len(invoices(key)) for key in keys] == [1] * 5


def test_batches_are_cut_by_the_number_of_records(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [new_project() for _ in range(6)]
    for place, key in enumerate(keys):
        for resource in range(place):
            record(key, at(6), resource=f"{key}-{resource}")
    monkeypatch.setattr("flask_billing.invoicing.batch.RECORDS", 4)

    with now(at(7, 2)):
        reports = list(invoicing.batches())

    assert len(reports) > 2
    assert sum(reports, start=CloseReport()) == CloseReport(closed=6, invoiced=5)
    assert [i.line_count for key in keys for i in invoices(key)] == [1, 2, 3, 4, 5]


def test_nothing_is_closed_while_a_rate_has_changed(app: Flask) -> None:
    key = new_project()
    record(key, at(6))
    db.session.query(BillingRate).update({"unit_price": Decimal("0.5")})
    db.session.commit()

    with now(at(7, 5)), pytest.raises(ClosingRefused, match="machine"):
        invoicing.close()

    assert invoices(key) == []


def test_unsaved_changes_of_the_host_are_not_committed(app: Flask) -> None:
    key = new_project()
    row_of(key).currency = "eur"

    with now(at(7, 5)), pytest.raises(RuntimeError, match="Commit or roll back"):
        invoicing.close()


def test_period_of_a_project_can_have_one_live_invoice(anywhere: Flask) -> None:
    key = new_project()
    record(key, at(6))
    with now(at(7, 5)):
        invoicing.close()
    set_row(key, closed_until=at(6))

    with now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(parked=1)
    assert row_of(key).parked_reason == "failed"
    assert len(invoices(key)) == 1


def test_row_of_an_older_release_begins_where_it_was_made(app: Flask) -> None:
    key = new_project(at(6, 10))
    set_row(key, closed_until=None)
    record(key, at(6, 10))

    with now(at(7, 5)):
        invoicing.close()

    assert invoices(key)[0].period_start == at(6, 10)
