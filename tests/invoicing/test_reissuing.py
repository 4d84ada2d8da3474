"""A month that is issued anew has what it had; later ones wait, and take nothing of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask import Flask

from flask_billing import ClosingRefused, Invoice, invoicing
from flask_billing.invoicing import CloseReport
from tests.host import Project, db
from tests.invoicing.books import (
    at,
    credit,
    invoices,
    month,
    new_project,
    now,
    remaining,
    row_of,
    set_row,
    usage,
)


def used_and_due(key: str) -> list[tuple[str, int, int]]:
    """The state, the credit used and what is due of each invoice, by month; void ones first."""
    found = sorted(invoices(key), key=lambda each: (each.period_start, each.state == "closed"))
    return [(each.state, each.credit_used, each.due) for each in found]


def void(key: str, number: int, when: datetime, *, reissue: bool = True) -> Invoice:
    """Make the invoice of a month void."""
    [invoice] = [i for i in invoices(key) if i.period_start == at(number) and i.live_marker]
    with now(when):
        return invoicing.void(invoice.id, reason="wrong_price", reissue=reissue)


def two_months(granted: int = 1000, expires: datetime | None = None) -> tuple[str, str]:
    """Two projects that use 10.00 in June and in July each, with credit for one of the months."""
    keys = new_project(), new_project()
    for key in keys:
        credit(key, granted, at(6, 3), expires)
        for number in (6, 7):
            usage(key, at(number, 2), 100_000)
    return keys


def test_later_month_waits_for_what_was_given_back(anywhere: Flask) -> None:
    key, other = two_months()
    with now(at(7, 5)):
        invoicing.close()
    void(key, 6, at(7, 6))

    with now(at(8, 5)):
        waiting = invoicing.close()
        with pytest.raises(ClosingRefused, match="issued anew"):
            invoicing.close(project_key=key)
        anew = invoicing.close(month(6), key)
        rest = invoicing.close()

    once = CloseReport(closed=1, invoiced=1)
    assert (waiting, anew, rest) == (once, once, once)
    assert used_and_due(other) == [("closed", 1000, 0), ("closed", 0, 1000)]
    assert used_and_due(key) == [("void", 1000, 0), *used_and_due(other)]
    assert (row_of(key).parked_reason, row_of(key).parked_at) == (None, None)


def test_adjustments_and_what_was_carried_wait_too(app: Flask) -> None:
    key = new_project()
    set_row(key, carried=20)
    with now(at(6, 4)):
        invoicing.adjust(key, 50, reason="setup_fee")
    for number in (6, 7):
        usage(key, at(number, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
    void(key, 6, at(7, 6))

    with now(at(8, 5)):
        invoicing.close()
        invoicing.close(month(6), key)
        invoicing.close()

    assert [(i.carried_in, i.adjusted, i.due) for i in invoices(key) if i.live_marker] == [
        (20, 50, 1070),
        (0, 0, 1000),
    ]


def test_credit_that_expires_meanwhile_pays_for_the_same_month_again(anywhere: Flask) -> None:
    key, other = two_months(1500, expires=at(7, 15))
    usage(key, at(8, 2), 100_000)
    with now(at(8, 5)):
        invoicing.close()
    void(key, 6, at(8, 6))

    with now(at(9, 5)):
        invoicing.close()
        invoicing.close(month(6), key)
        invoicing.close()

    assert used_and_due(key)[:2] == [("void", 1000, 0), ("closed", 1000, 0)]
    assert [i.due for i in invoices(key) if i.live_marker] == [0, 1000, 1000]
    assert (remaining(key), remaining(other)) == ([0], [0])


def test_later_months_wait_for_every_void_invoice(anywhere: Flask) -> None:
    key, other = two_months()
    usage(key, at(8, 2), 100_000)
    with now(at(8, 5)):
        invoicing.close()
    void(key, 7, at(8, 6))
    void(key, 6, at(8, 7))

    with now(at(9, 5)):
        with pytest.raises(ClosingRefused, match="--period 2026-06"):
            invoicing.close(month(7), key)
        closed = [invoicing.close(month(6), key).closed, invoicing.close().closed]
        still = row_of(key).parked_reason
        closed += [invoicing.close(month(7), key).closed, invoicing.close().closed]

    assert (closed, still) == ([1, 1, 1, 1], "awaits_reissue")
    assert [i.credit_used for i in invoices(key) if i.live_marker] == [1000, 0, 0]
    assert used_and_due(other) == [("closed", 1000, 0), ("closed", 0, 1000)]


def test_what_is_void_for_good_is_for_later_months(anywhere: Flask) -> None:
    key, other = two_months()
    with now(at(7, 5)):
        invoicing.close()
    void(key, 6, at(7, 6), reissue=False)

    with now(at(8, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=2)
    assert used_and_due(key) == [("void", 1000, 0), ("closed", 1000, 0)]
    assert used_and_due(other) == [("closed", 1000, 0), ("closed", 0, 1000)]


def test_staff_may_accept_that_it_stays_void(app: Flask) -> None:
    key, other = two_months()
    with now(at(7, 5)):
        invoicing.close()
    for each in (key, other):
        void(each, 6, at(7, 6))

    with now(at(7, 7)):
        early = invoicing.close(project_key=key, accept=True)
        released = row_of(key).parked_reason
    with now(at(8, 5)):
        late = invoicing.close(project_key=other, accept=True)
        rest = invoicing.close()

    once = CloseReport(closed=1, invoiced=1)
    assert (early, released) == (CloseReport(), None)
    assert (late, rest) == (once, once)
    assert used_and_due(key) == used_and_due(other) == [("void", 1000, 0), ("closed", 1000, 0)]


def test_who_accepts_that_has_not_looked_at_the_amount(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    usage(key, at(7, 2), 100_000)
    usage(key, at(8, 2), 9_000_000)
    with now(at(8, 5)):
        invoicing.close()
    void(key, 7, at(8, 6))

    with now(at(9, 5)):
        report = invoicing.close(project_key=key, accept=True)

    assert report == CloseReport(parked=1)
    assert row_of(key).parked_reason == "unusual_total"


def test_nothing_waits_for_the_last_invoice_of_a_project(app: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 2), 100_000)
    with now(at(6, 20)):
        db.session.delete(db.session.get_one(Project, int(key)))
        db.session.commit()
    with now(at(7, 5)):
        invoicing.close()
    for each in (key, other):
        void(each, 6, at(7, 6))

    assert [row_of(each).parked_reason for each in (key, other)] == [None, "awaits_reissue"]
    with now(at(7, 7)):
        assert invoicing.close(month(6), key).invoiced == 1
