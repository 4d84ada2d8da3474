"""Codes: once for each project, never more often than meant, and nothing to learn by guessing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from flask_billing import (
    BilledProjectRow,
    CodeRefused,
    Credit,
    CreditCode,
    CreditEntry,
    TooManyAttempts,
    UnknownProject,
    credits,
)
from tests.at_once import at_once
from tests.credits.conftest import Time
from tests.host import Project, db

HOUR = timedelta(hours=1)


def refusal(key: str, code: str) -> CodeRefused:
    with pytest.raises(CodeRefused) as refused:
        credits.redeem(key, code)
    return refused.value


def uses(code: CreditCode) -> int:
    db.session.expire_all()
    return code.uses


def test_code_grants_its_credit(app: Flask, time: Time) -> None:
    with app.app_context():
        code = credits.make_code(2500, credit_days=30, made_by="staff-7")
        credits.make_code(700)

        credit = credits.redeem("1", code.code)

        assert (credit.amount, credit.remaining, credit.currency) == (2500, 2500, "usd")
        assert (credit.reason, credit.code_id) == ("code", code.id)
        assert credit.expires_at == time.now + timedelta(days=30)
        assert (credits.balance("1"), credits.balance("2")) == (2500, 0)
        assert uses(code) == 1
        kinds = db.session.scalars(select(CreditEntry.kind)).all()
        assert kinds == ["granted"]


def test_code_is_used_once_by_each_project(app: Flask) -> None:
    with app.app_context():
        code = credits.make_code(100)
        credits.redeem("1", code.code)
        credits.redeem("2", code.code)

        refused = refusal("1", code.code)

        assert (refused.reason, refused.status) == ("used", 422)
        assert (credits.balance("1"), credits.balance("2"), uses(code)) == (100, 100, 2)


@pytest.mark.parametrize(
    "typed", ["WELCOME26", "welcome26", " Welcome 26 ", "welc-ome-26", "WELC\u201326\u2011".lower()]
)
def test_capitals_spaces_and_dashes_do_not_matter(small_app: Flask, typed: str) -> None:
    with small_app.app_context():
        credits.make_code(100, code="Welcome-26")
        credits.make_code(100, code="welc26")

        assert credits.redeem("1", typed).amount == 100


def test_random_code_is_hard_to_guess_and_easy_to_read(small_app: Flask) -> None:
    with small_app.app_context():
        codes = {credits.make_code(100).code for _ in range(20)}

        assert len(codes) == 20
        assert all(len(code) == 16 and not set(code) & set("01OILU") for code in codes)
        assert credits.written_code("ABCDEFGH23456789") == "ABCD-EFGH-2345-6789"


def test_unknown_expired_used_up_blank_and_foreign_codes_look_the_same(
    app: Flask, time: Time
) -> None:
    with app.app_context():
        expired = credits.make_code(1, expires_at=time.now + HOUR).code
        used_up = credits.make_code(1, max_uses=1).code
        foreign = credits.make_code(1, currency="eur").code
        ended = credits.make_code(1).code
        credits.end_code(ended)
        credits.redeem("2", used_up)
        time.now += HOUR

        typed = [expired, used_up, foreign, ended, "", "  -  ", "NOSUCHCODE", "x" * 10_000, "'; --"]
        refusals = [refusal("1", code) for code in typed]

        assert len({(type(r), str(r), r.reason, r.status) for r in refusals}) == 1
        assert credits.balance("1") == 0


def test_code_for_another_currency_is_refused_where_the_project_has_one(app: Flask) -> None:
    with app.app_context():
        db.session.execute(
            update(BilledProjectRow)
            .where(BilledProjectRow.project_key == "1")
            .values(currency="eur")
        )
        db.session.commit()
        dollars, euros = (
            credits.make_code(1, currency=currency).code for currency in ("usd", "EUR")
        )

        assert refusal("1", dollars).reason == "unknown"
        assert credits.redeem("1", euros).currency == "eur"


def test_code_fixes_the_projects_currency(small_app: Flask) -> None:
    with small_app.app_context():
        credits.redeem("1", credits.make_code(1).code)

        assert db.session.get_one(BilledProjectRow, "1").currency == "usd"
        assert db.session.get_one(BilledProjectRow, "2").currency is None


def test_no_more_projects_than_meant_use_a_code_at_once(app: Flask) -> None:
    with app.app_context():
        db.session.add_all([Project(id=n, name=f"p{n}") for n in range(3, 7)])
        db.session.commit()
        code = credits.make_code(100, max_uses=3).code

        acts = [lambda key=str(n): credits.redeem(key, code).amount for n in range(1, 7)]
        outcomes = at_once(app, *acts)

        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            *["CodeRefused"] * 3,
            *["int"] * 3,
        ]
        assert db.session.scalar(select(func.count()).select_from(Credit)) == 3
        assert db.session.scalars(select(CreditCode.uses)).all() == [3]


def test_one_project_uses_a_code_once_at_once(app: Flask) -> None:
    with app.app_context():
        code = credits.make_code(100).code

        outcomes = at_once(app, *[lambda: credits.redeem("1", code).amount] * 4)

        assert sorted(map(str, outcomes)).count("100") == 1
        assert {o.reason for o in outcomes if isinstance(o, CodeRefused)} == {"used"}
        assert credits.balance("1") == 100
        assert db.session.scalars(select(CreditCode.uses)).all() == [1]


# Guessing.


def test_ten_failures_are_enough_for_an_hour(app: Flask, time: Time) -> None:
    with app.app_context():
        code = credits.make_code(100).code
        for n in range(10):
            refusal("1", f"GUESS{n}")
            time.now += timedelta(minutes=5)

        refused = refusal("1", code)
        other = credits.redeem("2", code)

        assert (type(refused), refused.status) == (TooManyAttempts, 429)
        assert other.amount == 100
        time.now += timedelta(minutes=54, seconds=59)
        assert isinstance(refusal("1", code), TooManyAttempts)
        time.now += timedelta(seconds=1)
        assert credits.redeem("1", code).amount == 100


def test_no_hour_has_more_than_ten_failures(small_app: Flask, time: Time) -> None:
    with small_app.app_context():
        failed_at = []
        for n in range(200):
            if not isinstance(refusal("1", f"GUESS{n}"), TooManyAttempts):
                failed_at.append(time.now)
            time.now += timedelta(minutes=1 + n % 13)

        most = max(
            sum(start <= moment < start + HOUR for moment in failed_at) for start in failed_at
        )
        assert most == 10


def test_failures_an_hour_apart_do_not_add_up(small_app: Flask, time: Time) -> None:
    with small_app.app_context():
        for n in range(30):
            assert not isinstance(refusal("1", f"GUESS{n}"), TooManyAttempts)
            time.now += HOUR


def test_guessing_at_once_does_not_get_more_tries(app: Flask) -> None:
    with app.app_context():
        for n in range(7):
            refusal("1", f"GUESS{n}")

        guesses = [lambda n=n: credits.redeem("1", f"AGAIN{n}") for n in range(6)]
        outcomes = at_once(app, *guesses)

        assert sum(type(outcome) is CodeRefused for outcome in outcomes) == 3
        assert sum(type(outcome) is TooManyAttempts for outcome in outcomes) == 3


def test_using_a_code_again_is_no_guess(small_app: Flask) -> None:
    with small_app.app_context():
        code = credits.make_code(100).code
        credits.redeem("1", code)

        assert {type(refusal("1", code)) for _ in range(15)} == {CodeRefused}


def test_unknown_project_redeems_nothing(small_app: Flask) -> None:
    with small_app.app_context():
        code = credits.make_code(100)

        with pytest.raises(UnknownProject):
            credits.redeem("3", code.code)

        assert uses(code) == 0


# Making and ending.


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"amount": 0}, "above 0"),
        ({"currency": "euro"}, "three letters"),
        ({"code": "AB1"}, "4 to 40"),
        ({"code": "Ärger26"}, "4 to 40"),
        ({"code": "A" * 41}, "4 to 40"),
        ({"code": "TAKEN"}, "such a code already"),
        ({"code": "ta-ken"}, "such a code already"),
        ({"max_uses": 0}, "above 0"),
        ({"credit_days": -1}, "above 0"),
        ({"expires_at": datetime(2026, 6, 15, 12, tzinfo=UTC)}, "expired already"),
        ({"made_by": "ann@example.com"}, "by an id"),
    ],
)
def test_code_that_cannot_be_meant_is_refused(
    small_app: Flask, values: dict[str, Any], message: str
) -> None:
    given = {"amount": 100, **values}
    with small_app.app_context():
        credits.make_code(5, code="Taken")

        with pytest.raises(ValueError, match=message):
            credits.make_code(given.pop("amount"), **given)

        assert len(credits.all_codes(ended=True)) == 1


def test_ended_code_is_used_no_more_and_keeps_what_it_gave(app: Flask, time: Time) -> None:
    with app.app_context():
        code, other = credits.make_code(100, code="SPRING"), credits.make_code(7)
        credits.redeem("1", "SPRING")

        ended = credits.end_code("spring")
        time.now += HOUR
        again = credits.end_code("spring")

        assert ended.expires_at == again.expires_at == time.now - HOUR
        assert refusal("2", "SPRING").reason == "unknown"
        assert credits.balance("1") == 100
        assert credits.all_codes() == [other]
        assert set(credits.all_codes(ended=True)) == {code, other}
        with pytest.raises(LookupError):
            credits.end_code("summer")
