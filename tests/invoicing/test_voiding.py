"""An invoice never changes; one that is void gives back what it took, and can be issued anew."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from flask_billing import (
    CorrectionRefused,
    Credit,
    CreditEntry,
    UnknownProject,
    credits,
    invoice_closed,
    invoice_voided,
    invoicing,
)
from flask_billing.invoicing import CloseReport
from tests.host import Project, db
from tests.invoicing.books import (
    at,
    credit,
    everything,
    invoices,
    month,
    new_project,
    now,
    remaining,
    row_of,
    set_row,
    usage,
)

FIELDS = ("period_start", "period_end", "subtotal", "carried_in", "adjusted", "credit_used", "due")


def figures(invoice: Any) -> list[Any]:
    return [getattr(invoice, name) for name in FIELDS]


def test_void_invoice_gives_back_what_it_took(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 2), 100_000)
        credit(each, 600, at(6, 3))
        set_row(each, carried=20)
        with now(at(6, 4)):
            invoicing.adjust(each, 50, reason="setup_fee")
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)
        assert (invoice.due, remaining(key), row_of(key).carried) == (470, [0], 0)

        invoicing.void(invoice.id, reason="wrong_price", made_by="42")

    assert (invoice.state, invoice.live_marker, invoice.voided_at) == ("void", None, at(7, 5))
    assert (invoice.void_reason, invoice.voided_by) == ("wrong_price", "42")
    assert (remaining(key), row_of(key).carried) == ([600], 20)
    assert [a.amount for a in invoicing.adjustments_of(key)] == [50]
    assert (remaining(other), invoices(other)[0].state) == ([0], "closed")


def test_period_of_a_void_invoice_is_issued_anew_with_the_same_amounts(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 2), 100_000)
        usage(each, at(7, 2), 2_000)
        credit(each, 600, at(6, 3), expires=at(7, 10))
        with now(at(6, 4)):
            invoicing.adjust(each, 50, reason="setup_fee")
    with now(at(8, 5)):
        invoicing.close()
        june = invoices(key)[0]
        invoicing.void(june.id, reason="wrong_price")

        report = invoicing.close(month(6), key)
        again = invoicing.close(month(6), key)

    assert (report, again) == (CloseReport(closed=1, invoiced=1), CloseReport())
    voided, reissued = sorted(invoices(key)[:2], key=lambda invoice: invoice.state == "closed")
    assert (voided.state, reissued.state) == ("void", "closed")
    assert figures(voided) == figures(reissued)
    assert (row_of(key).closed_until, row_of(key).carried) == (at(8), 20)
    assert len(invoices(other)) == 2


def test_what_later_months_carried_is_not_taken_by_an_earlier_one(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    usage(key, at(7, 2), 3_000)
    with now(at(8, 5)):
        invoicing.close()
        invoicing.void(invoices(key)[0].id, reason="wrong_price")

        invoicing.close(month(6), key)

    assert [i.carried_in for i in invoices(key)] == [0, 0, 0]
    assert row_of(key).carried == 30


def test_invoice_is_made_void_once(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)
        invoicing.void(invoice.id, reason="wrong_price")
        before = everything()

        with pytest.raises(CorrectionRefused, match="void already"):
            invoicing.void(invoice.id, reason="wrong_price")

    assert everything() == before


def test_what_was_carried_on_has_to_come_back_first(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 3_000)
    usage(key, at(8, 2), 100_000)
    with now(at(9, 5)):
        invoicing.close()
        june, august = invoices(key)

        with pytest.raises(CorrectionRefused, match=str(august.id)):
            invoicing.void(june.id, reason="wrong_price")
        invoicing.void(august.id, reason="wrong_price")
        invoicing.void(june.id, reason="wrong_price")

    assert row_of(key).carried == 0


def test_credit_of_a_negative_sum_has_to_be_whole(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(6, 3)):
        invoicing.adjust(key, -3000, reason="outage")
    with now(at(7, 5)):
        invoicing.close()
        june = invoices(key)[0]
    usage(key, at(7, 2), 100_000)
    with now(at(8, 5)):
        invoicing.close()
        july = invoices(key)[1]

        with pytest.raises(CorrectionRefused, match="used already"):
            invoicing.void(june.id, reason="wrong_price")
        unchanged = june.state
        invoicing.void(july.id, reason="wrong_price")
        invoicing.void(june.id, reason="wrong_price")

    assert unchanged == "closed"
    assert remaining(key) == [0]
    assert [a.amount for a in invoicing.adjustments_of(key)] == [-3000]


def test_credit_of_a_negative_sum_that_staff_reversed_is_no_hindrance(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        with now(at(6, 3)):
            invoicing.adjust(each, -3000, reason="outage")
    with now(at(7, 5)):
        invoicing.close()
        [given] = db.session.scalars(select(Credit).where(Credit.project_key == key))
        credits.reverse(given.id, reason="mistake")

        for each in (key, other):
            invoicing.void(invoices(each)[0].id, reason="wrong_price")

    assert [invoices(each)[0].state for each in (key, other)] == ["void", "void"]
    assert (remaining(key), remaining(other)) == ([0], [0])
    kinds = select(CreditEntry.kind, CreditEntry.amount).where(CreditEntry.credit_id == given.id)
    assert sorted(map(tuple, db.session.execute(kinds))) == [("granted", 3000), ("reversed", -3000)]


def test_adjustment_of_the_last_moment_is_on_the_last_invoice(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 2), 100_000)
        # The clocks of two hosts differ a little.
        with now(at(6, 20, 0, 1)):
            invoicing.adjust(each, 50, reason="setup_fee")
    with now(at(6, 20)):
        db.session.delete(db.session.get_one(Project, int(key)))
        db.session.commit()
        with pytest.raises(CorrectionRefused, match="is gone"):
            invoicing.adjust(key, 70, reason="setup_fee")

    with now(at(7, 5)):
        invoicing.close()

    assert [invoices(each)[0].adjusted for each in (key, other)] == [50, 50]
    assert invoicing.adjustments_of(key) == []


def test_unknown_invoice_is_told(app: Flask) -> None:
    with pytest.raises(LookupError):
        invoicing.void(uuid4(), reason="wrong_price")


@pytest.mark.parametrize(
    "signature",
    [
        {"reason": "Ann asked for it"},
        {"reason": "wrong_price", "made_by": "ann@example.com"},
        {"reason": "wrong_price", "made_by": "Ann Smith"},
    ],
)
def test_nothing_personal_is_kept_of_who_and_why(app: Flask, signature: dict[str, str]) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        with pytest.raises(ValueError, match=r"reason|id of yours"):
            invoicing.void(invoices(key)[0].id, **signature)
        with pytest.raises(ValueError, match=r"reason|id of yours"):
            invoicing.adjust(key, 100, **signature)

    assert invoicing.adjustments_of(key) == []


@pytest.mark.parametrize("amount", [0, True, 1.5, 10**15, "7"])
def test_adjustment_has_a_whole_amount(app: Flask, amount: Any) -> None:
    key = new_project()

    with pytest.raises(ValueError, match=r"amount|is above or below 0"):
        invoicing.adjust(key, amount, reason="outage")


def test_adjustment_needs_a_project_that_is_billed_once_more(app: Flask) -> None:
    key = new_project()
    set_row(key, ended_at=at(6, 20))

    with pytest.raises(CorrectionRefused, match="is gone"):
        invoicing.adjust(key, 100, reason="outage")
    with pytest.raises(UnknownProject):
        invoicing.adjust("77", 100, reason="outage")


def test_adjustment_fixes_the_currency(app: Flask) -> None:
    key, other = new_project(), new_project()
    set_row(other, currency="eur")

    made = [invoicing.adjust(each, 100, reason="setup_fee").currency for each in (key, other)]

    assert made == [row_of(key).currency, row_of(other).currency] == ["usd", "eur"]


def test_closing_and_voiding_are_told_after_they_are_written(app: Flask) -> None:
    told: list[tuple[str, str, bool]] = []

    def closed(sender: Flask, *, invoice: Any, **extra: Any) -> None:
        told.append(("closed", invoice.project_key, db.session().in_transaction()))
        db.session.rollback()

    def voided(sender: Flask, *, invoice: Any, **extra: Any) -> None:
        told.append(("voided", invoice.project_key, invoice.state == "void"))

    keys = [new_project(), new_project()]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    with (
        invoice_closed.connected_to(closed, app),
        invoice_voided.connected_to(voided, app),
        now(at(7, 5)),
    ):
        invoicing.close()
        invoicing.void(invoices(keys[0])[0].id, reason="wrong_price")

    assert [each[:2] for each in told] == [
        ("closed", keys[0]),
        ("closed", keys[1]),
        ("voided", keys[0]),
    ]
    assert len(invoices(keys[1])) == 1


def test_receiver_that_fails_does_not_stop_the_others(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def fail(sender: Flask, *, invoice: Any, **extra: Any) -> None:
        told.append(invoice.project_key)
        raise RuntimeError("ann@example.com")

    keys = [new_project(), new_project()]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    with invoice_closed.connected_to(fail, app), now(at(7, 5)):
        report = invoicing.close()

    assert report == CloseReport(closed=2, invoiced=2)
    assert told == keys
    assert "A receiver of invoice_closed failed: RuntimeError" in caplog.text
    assert "ann@example.com" not in caplog.text
