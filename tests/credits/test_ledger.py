"""Credit is a ledger: what is left is the sum of its entries, and nobody gets more than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from flask_billing import (
    BilledProjectRow,
    Credit,
    CreditEntry,
    CreditRefused,
    UnknownProject,
    alerts,
    credits,
    invoicing,
    projects,
)
from flask_billing.ids import uuid7
from flask_billing.models import Invoice
from flask_billing.transactions import fresh_connection
from tests.at_once import at_once
from tests.credits.conftest import Time
from tests.host import db

DAY = timedelta(days=1)


def entries(credit: Credit) -> list[tuple[str, int]]:
    query = select(CreditEntry.kind, CreditEntry.amount).order_by(CreditEntry.created_at)
    found = db.session.execute(query.where(CreditEntry.credit_id == credit.id))
    return [(kind, amount) for kind, amount in found]


def close_until(moment: datetime) -> None:
    db.session.execute(update(BilledProjectRow).values(closed_until=moment))
    db.session.commit()


def invoice(key: str = "1", **values: object) -> Invoice:
    """An invoice of May."""
    may = {"period_start": datetime(2026, 5, 1, tzinfo=UTC)}
    may["period_end"] = datetime(2026, 6, 1, tzinfo=UTC)
    amounts = {"gross": 0, "subtotal": 0, "due": 0, "line_count": 0}
    row = Invoice(project_key=key, currency="usd", **{**may, **amounts, **values})
    db.session.add(row)
    db.session.commit()
    return row


def test_credit_is_granted_to_one_project_and_no_other(app: Flask) -> None:
    with app.app_context():
        credit = credits.grant("1", 2500, reason="goodwill", made_by="staff-7")

        assert (credit.amount, credit.remaining, credit.currency) == (2500, 2500, "usd")
        assert (credit.reason, credit.granted_by) == ("goodwill", "staff-7")
        assert entries(credit) == [("granted", 2500)]
        assert credits.balance("1") == 2500
        assert credits.balance("2") == 0


def test_balance_is_what_can_be_used_at_the_moment(app: Flask, time: Time) -> None:
    with app.app_context():
        granted_at = time.now
        credits.grant("1", 100, reason="goodwill", expires_at=granted_at + DAY)
        credits.grant("1", 20, reason="goodwill")

        assert credits.balance("1", granted_at - DAY) == 0
        assert credits.balance("1", granted_at) == 120
        assert credits.balance("1", granted_at + DAY) == 20


def test_first_credit_fixes_the_projects_currency(app: Flask) -> None:
    with app.app_context():
        credits.grant("1", 100, currency="EUR", reason="goodwill")

        assert db.session.get_one(BilledProjectRow, "1").currency == "eur"
        with pytest.raises(CreditRefused, match="billed in EUR"):
            credits.grant("1", 100, currency="usd", reason="goodwill")
        assert credits.grant("1", 50, reason="goodwill").currency == "eur"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"amount": 0}, "above 0"),
        ({"amount": -1}, "above 0"),
        ({"amount": True}, "whole number"),
        ({"reason": "Gave Ann a gift"}, "one word"),
        ({"reason": ""}, "one word"),
        ({"made_by": "ann@example.com"}, "no e-mail"),
        ({"made_by": "Ann Example"}, "by an id"),
        ({"made_by": ""}, "by an id"),
        ({"expires_at": datetime(2026, 6, 15, 12, tzinfo=UTC)}, "expired already"),
    ],
)
def test_credit_that_cannot_be_meant_is_refused(
    small_app: Flask, values: dict[str, object], message: str
) -> None:
    given: dict[str, object] = {"amount": 100, "reason": "goodwill", **values}
    with small_app.app_context():
        with pytest.raises(ValueError, match=message):
            credits.grant("1", given.pop("amount"), **given)  # type: ignore[arg-type]

        assert db.session.scalar(select(func.count()).select_from(Credit)) == 0


def test_credit_can_be_charged_in_its_currency(small_app: Flask) -> None:
    with small_app.app_context():
        db.session.execute(update(BilledProjectRow).values(currency="bhd"))
        db.session.commit()

        with pytest.raises(ValueError, match="multiples of 10"):
            credits.grant("1", 15, reason="goodwill")

        assert credits.grant("1", 20, currency="bhd", reason="goodwill").amount == 20


def test_unknown_project_gets_nothing(app: Flask) -> None:
    with app.app_context():
        for key in ("3", "no such project"):
            with pytest.raises(UnknownProject):
                credits.grant(key, 100, reason="goodwill")


def test_unsaved_changes_of_the_host_are_not_committed_along(small_app: Flask) -> None:
    with small_app.app_context():
        db.session.get_one(BilledProjectRow, "1").carried = 7

        with pytest.raises(RuntimeError, match="Commit or roll back"):
            credits.grant("1", 100, reason="goodwill")


def test_reversal_takes_what_is_left(app: Flask) -> None:
    with app.app_context():
        credit, other = (credits.grant("1", n, reason="goodwill") for n in (100, 20))
        use = credits.Use(credit.id, 30, invoice().id)
        credits.spend(projects.connection(), [use])
        db.session.commit()

        reversed_credit = credits.reverse(credit.id, reason="mistake", made_by="staff-7")

        assert reversed_credit.remaining == 0
        assert entries(credit) == [("granted", 100), ("used", -30), ("reversed", -70)]
        assert credits.balance("1") == other.remaining == 20
        with pytest.raises(CreditRefused, match="Nothing is left"):
            credits.reverse(credit.id, reason="mistake")


def test_reversal_waits_for_the_months_that_have_ended(app: Flask, time: Time) -> None:
    with app.app_context():
        credit = credits.grant("1", 100, reason="goodwill")
        time.now = datetime(2026, 7, 1, tzinfo=UTC)

        with pytest.raises(CreditRefused, match="flask billing close"):
            credits.reverse(credit.id, reason="mistake")
        close_until(time.now)
        credits.reverse(credit.id, reason="mistake")

        assert credits.balance("1") == 0


def test_reversal_waits_for_the_end_of_a_deleted_project(small_app: Flask, time: Time) -> None:
    with small_app.app_context():
        credit = credits.grant("1", 100, reason="goodwill")
        time.now += DAY
        db.session.execute(update(BilledProjectRow).values(ended_at=time.now))
        db.session.commit()

        with pytest.raises(CreditRefused, match="flask billing close"):
            credits.reverse(credit.id, reason="mistake")
        close_until(time.now)

        assert credits.reverse(credit.id, reason="mistake").remaining == 0


def test_unknown_credit_is_no_credit(small_app: Flask) -> None:
    with small_app.app_context(), pytest.raises(LookupError):
        credits.reverse(uuid7(), reason="mistake")


def test_two_who_reverse_at_once_take_it_once(app: Flask) -> None:
    with app.app_context():
        credit_id = credits.grant("1", 100, reason="goodwill").id

    def act() -> int:
        return credits.reverse(credit_id, reason="mistake").remaining

    with app.app_context():
        outcomes = at_once(app, act, act, act)

        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            "CreditRefused",
            "CreditRefused",
            "int",
        ]
        assert entries(db.session.get_one(Credit, credit_id))[1:] == [("reversed", -100)]


# How closing uses it.


def test_open_credits_are_those_of_the_periods_end(app: Flask, time: Time) -> None:
    end = datetime(2026, 7, 1, tzinfo=UTC)
    with app.app_context():
        kept = credits.grant("1", 1, reason="goodwill").id
        credits.grant("1", 2, reason="goodwill", expires_at=end)
        later = credits.grant("1", 4, reason="goodwill", expires_at=end + DAY / 86_400).id
        other = credits.grant("2", 8, reason="goodwill").id
        time.now = end
        credits.grant("1", 16, reason="goodwill")

        found = credits.open_credits(projects.connection(), {"1": end, "2": end})

        assert {key: {facts.id for facts in each} for key, each in found.items()} == {
            "1": {kept, later},
            "2": {other},
        }


def test_more_than_is_left_can_not_be_spent(app: Flask) -> None:
    with app.app_context():
        credit = credits.grant("1", 100, reason="goodwill")
        issued = invoice()
        connection = projects.connection()

        with pytest.raises(DBAPIError):
            credits.spend(connection, [credits.Use(credit.id, 101, issued.id)])
        db.session.rollback()

        assert entries(credit) == [("granted", 100)]
        assert credits.balance("1") == 100


def test_what_is_there_is_spent_once_at_once(app: Flask) -> None:
    with app.app_context():
        credit_id = credits.grant("1", 100, reason="goodwill").id
        credits.grant("1", 100, reason="goodwill")
        invoice_id = invoice().id

        def spend() -> str:
            connection = fresh_connection()
            credits.spend(connection, [credits.Use(credit_id, 40, invoice_id)])
            db.session.commit()
            return "spent"

        outcomes = at_once(app, *[spend] * 4)

        assert [isinstance(outcome, str) for outcome in outcomes].count(True) == 2
        credit = db.session.get_one(Credit, credit_id, populate_existing=True)
        assert credit.remaining == 20
        assert entries(credit) == [("granted", 100), ("used", -40), ("used", -40)]


def test_what_an_invoice_used_is_given_back_once(app: Flask) -> None:
    with app.app_context():
        credit, other = (credits.grant("1", n, reason="goodwill") for n in (100, 20))
        issued, kept = invoice(), invoice("2")
        connection = projects.connection()
        credits.spend(connection, [credits.Use(credit.id, 60, issued.id)])
        credits.spend(connection, [credits.Use(other.id, 20, issued.id)])
        credits.spend(connection, [credits.Use(credit.id, 5, kept.id)])

        back = credits.give_back(connection, issued.id, reason="mistake", made_by="staff-7")
        again = credits.give_back(connection, issued.id, reason="mistake")
        db.session.commit()

        assert (back, again) == (80, 0)
        assert (credit.remaining, other.remaining) == (95, 20)


def test_credit_expires_with_the_period_that_it_outlived(app: Flask, time: Time) -> None:
    end = datetime(2026, 7, 1, tzinfo=UTC)
    with app.app_context():
        gone = credits.grant("1", 100, reason="goodwill", expires_at=end)
        kept = credits.grant("1", 20, reason="goodwill", expires_at=end + DAY)
        other = credits.grant("2", 3, reason="goodwill", expires_at=end)
        time.now = end + 40 * DAY

        credits.expire(projects.connection(), {"1": end, "2": end - DAY})
        credits.expire(projects.connection(), {"1": end, "2": end - DAY})
        db.session.commit()

        assert (gone.remaining, kept.remaining, other.remaining) == (0, 20, 3)
        assert entries(gone) == [("granted", 100), ("expired", -100)]


def test_negative_sum_is_credit_from_the_periods_end_on(app: Flask, time: Time) -> None:
    end = datetime(2026, 6, 1, tzinfo=UTC)
    with app.app_context():
        issued, other = invoice(), invoice("2")
        connection = projects.connection()
        rests = [credits.Rest("1", 40, "usd", issued.id, end)]
        rests.append(credits.Rest("2", 5, "usd", other.id, end))
        credits.grant_rests(connection, rests)

        assert credits.open_credits(connection, {"1": end}) == {}
        assert credits.open_credits(connection, {"1": end + DAY})["1"][0].remaining == 40
        assert credits.take_back(connection, issued.id, reason="mistake")
        assert (credits.balance("1"), credits.balance("2")) == (0, 5)


def test_negative_sum_that_was_used_is_not_taken_back(app: Flask) -> None:
    with app.app_context():
        issued, next_one = invoice(), invoice("2")
        connection = projects.connection()
        credits.grant_rests(
            connection, [credits.Rest("1", 40, "usd", issued.id, issued.period_end)]
        )
        [facts] = credits.open_credits(connection, {"1": issued.period_end + DAY})["1"]
        credits.spend(connection, [credits.Use(facts.id, 1, next_one.id)])

        assert not credits.take_back(connection, issued.id, reason="mistake")
        assert credits.balance("1") == 39


def test_what_is_left_is_the_sum_of_the_entries(app: Flask, time: Time) -> None:
    with app.app_context():
        first, second = (credits.grant("1", n, reason="goodwill") for n in (100, 50))
        issued = invoice()
        connection = projects.connection()
        uses = [credits.Use(first.id, 100, issued.id), credits.Use(second.id, 10, issued.id)]
        credits.spend(connection, uses)
        credits.give_back(connection, issued.id, reason="mistake")
        db.session.commit()
        credits.reverse(second.id, reason="mistake")

        sums = select(CreditEntry.credit_id, func.sum(CreditEntry.amount))
        left = {key: int(n) for key, n in db.session.execute(sums.group_by(CreditEntry.credit_id))}
        assert left == {
            credit.id: credit.remaining for credit in db.session.scalars(select(Credit))
        }
        assert credits.balance("1") == 100


@pytest.mark.parametrize(
    "key",
    ["99999999999999999999999999", "2147483648", "-2147483649", "a\x00b", "\ud800", " 1", "", "x"],
)
def test_key_that_no_project_can_have_is_unknown(app: Flask, key: str) -> None:
    with app.app_context():
        with pytest.raises(UnknownProject, match="There is no project"):
            credits.grant(key, 100, reason="goodwill")
        with pytest.raises(UnknownProject, match="There is no project"):
            invoicing.close(project_key=key)


def test_credit_is_in_a_currency_that_something_is_billed_in(small_app: Flask) -> None:
    with small_app.app_context():
        with pytest.raises(ValueError, match="one of: eur, usd"):
            credits.grant("1", 100, currency="zzz", reason="goodwill")
        with pytest.raises(ValueError, match="one of: eur, usd"):
            credits.make_code(100, currency="xyz")

        assert credits.grant("1", 100, currency="EUR", reason="goodwill").currency == "eur"


def test_credit_does_not_change_the_currency_of_alerts(app: Flask) -> None:
    with app.app_context():
        alerts.set_alert("1", 1000)

        with pytest.raises(CreditRefused, match="billed in USD"):
            credits.grant("1", 100, currency="eur", reason="goodwill")

        assert credits.grant("2", 100, currency="eur", reason="goodwill").currency == "eur"
