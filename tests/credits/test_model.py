"""Any order of grants, uses, returns and reversals: what is left follows, and is never negative."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from flask_billing import Credit, CreditEntry, CreditRefused, Invoice, credits, projects
from tests.credits.conftest import Time
from tests.host import db

START = datetime(2026, 6, 1, tzinfo=UTC)
KEYS = st.sampled_from(["1", "2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), KEYS, st.integers(1, 500)),
        st.tuples(st.just("use"), KEYS, st.integers(1, 700)),
        st.tuples(st.just("void"), KEYS, st.integers(0, 5)),
        st.tuples(st.just("reverse"), KEYS, st.integers(0, 5)),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture
def world(small_app: Flask, time: Time) -> Iterator[Flask]:
    with small_app.app_context():
        yield small_app


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_what_is_left_follows_from_what_was_done(
    world: Flask, time: Time, steps: list[tuple[str, str, int]]
) -> None:
    for model in (CreditEntry, Credit, Invoice):
        db.session.execute(delete(model))
    db.session.commit()
    left: dict[str, list[int]] = {"1": [], "2": []}
    granted: dict[str, list[Credit]] = {"1": [], "2": []}
    invoices: dict[str, list[tuple[Invoice, dict[int, int]]]] = {"1": [], "2": []}

    for step, key, number in steps:
        time.now += timedelta(seconds=1)
        if step == "grant":
            granted[key].append(credits.grant(key, number, reason="goodwill"))
            left[key].append(number)
        elif step == "use" and granted[key]:
            invoices[key].append(use(key, number, granted[key], left[key]))
        elif step == "void" and invoices[key]:
            invoice, used = invoices[key][number % len(invoices[key])]
            credits.give_back(projects.connection(), invoice.id, reason="mistake")
            db.session.commit()
            for place, amount in used.items():
                left[key][place] += amount
            used.clear()
        elif step == "reverse" and granted[key]:
            place = number % len(granted[key])
            reverse(granted[key][place], left[key], place)

    for key, credits_of_key in granted.items():
        assert [credit.remaining for credit in credits_of_key] == left[key]
        assert credits.balance(key) == sum(left[key])
    sums = select(CreditEntry.credit_id, func.sum(CreditEntry.amount)).group_by(
        CreditEntry.credit_id
    )
    kept = {credit.id: credit.remaining for credit in db.session.scalars(select(Credit))}
    assert {credit_id: int(total) for credit_id, total in db.session.execute(sums)} == kept


def use(
    key: str, wanted: int, granted: list[Credit], left: list[int]
) -> tuple[Invoice, dict[int, int]]:
    """Let an invoice use as much as is there, the oldest first, and try to take one more."""
    count = db.session.scalar(select(func.count()).select_from(Invoice)) or 0
    start = START + timedelta(days=count)
    invoice = Invoice(
        project_key=key,
        period_start=start,
        period_end=start + timedelta(days=1),
        currency="usd",
        gross=0,
        subtotal=0,
        due=0,
        line_count=0,
    )
    db.session.add(invoice)
    db.session.commit()
    used = {}
    for place, available in enumerate(left):
        amount = min(wanted, available)
        wanted -= amount
        if amount:
            used[place] = amount
            left[place] -= amount
    uses = [credits.Use(granted[place].id, amount, invoice.id) for place, amount in used.items()]
    credits.spend(projects.connection(), uses)
    db.session.commit()
    with pytest.raises(DBAPIError):
        credits.spend(projects.connection(), [credits.Use(granted[0].id, left[0] + 1, invoice.id)])
    db.session.rollback()
    return invoice, used


def reverse(credit: Credit, left: list[int], place: int) -> None:
    if left[place]:
        credits.reverse(credit.id, reason="mistake")
        left[place] = 0
    else:
        with pytest.raises(CreditRefused):
            credits.reverse(credit.id, reason="mistake")
