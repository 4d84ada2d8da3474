"""Rates are written down when they are first used, and never change after that."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select

from flask_billing import BillingRate, Rate, RateBook, RateChanged, projects
from flask_billing.metering import registry
from tests.at_once import at_once
from tests.host import create_app, db

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

RATES = Path(__file__).parents[1] / "rates.toml"


EVERYWHERE = pytest.mark.parametrize(
    "app",
    [
        pytest.param(name, marks=pytest.mark.database)
        for name in ("sqlite", "postgresql", "mariadb")
    ],
    indirect=True,
)


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[Flask]:
    """A host with rates in two currencies; on SQLite, unless the test runs everywhere."""
    url = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    app = create_app(url, BILLING_RATES=str(RATES), STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()


@pytest.fixture
def book(app: Flask) -> RateBook:
    rates: RateBook = app.extensions["billing"].settings.rates
    return rates


def ensure(*rates: Rate) -> None:
    registry.ensure(projects.connection(db.session), rates)


def restart(app: Flask, rates: RateBook | None = None) -> None:
    """What a new process knows: nothing, and perhaps another file of rates."""
    state = app.extensions["billing"]
    state.known_rates.clear()
    state.rates_written.clear()
    if rates is not None:
        state.settings = replace(state.settings, rates=rates)


def changed(book: RateBook, rate: Rate, **changes: Any) -> RateBook:
    """The same file with another content of one rate."""
    return RateBook(replace(one, **changes) if one.id == rate.id else one for one in book)


def names() -> list[str]:
    return sorted(db.session.scalars(select(BillingRate.name)))


@contextmanager
def statements(within: Engine) -> Iterator[list[str]]:
    """Collects the statements that the block runs."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement.split(maxsplit=1)[0])

    event.listen(within, "before_cursor_execute", note)
    yield seen
    event.remove(within, "before_cursor_execute", note)


@EVERYWHERE
def test_rate_is_written_down_as_it_is(book: RateBook) -> None:
    ensure(*book)
    db.session.commit()

    rows = {row.id: row for row in db.session.scalars(select(BillingRate))}
    assert rows.keys() == {rate.id for rate in book}
    for rate in book:
        row = rows[rate.id]
        assert (row.name, row.unit, row.unit_price) == (rate.name, rate.unit, rate.unit_price)
        assert (row.currency, row.active_from, row.group_name) == (
            rate.currency,
            rate.active_from,
            rate.group,
        )


def test_only_what_is_used_is_written_down(book: RateBook) -> None:
    ensure(*book.versions("tokens", "usd"))
    ensure(*book.versions("disk.gb", "usd"), *book.versions("tokens", "usd"))
    db.session.commit()

    assert names() == ["disk.gb", "tokens"]


def test_rate_that_was_seen_committed_costs_no_statement(app: Flask, book: RateBook) -> None:
    ensure(*book)
    db.session.commit()
    ensure(*book)
    db.session.commit()

    with statements(db.engine) as seen:
        ensure(*book)
        ensure()

    assert seen == []


@EVERYWHERE
def test_new_process_asks_once(app: Flask, book: RateBook) -> None:
    ensure(*book)
    db.session.commit()
    restart(app)

    with statements(db.engine) as seen:
        ensure(*book)
        ensure(*book)

    assert seen == ["SELECT"]


def test_rollback_leaves_no_wrong_memory(book: RateBook) -> None:
    ensure(*book)
    ensure(*book)
    db.session.rollback()
    assert names() == []

    ensure(*book)
    db.session.commit()

    assert len(names()) == len(book)


@EVERYWHERE
def test_rollback_to_a_savepoint_leaves_no_wrong_memory(book: RateBook) -> None:
    savepoint = db.session.begin_nested()
    ensure(*book)
    ensure(*book)
    savepoint.rollback()
    db.session.commit()
    assert names() == []

    ensure(*book)
    db.session.commit()

    assert len(names()) == len(book)


@EVERYWHERE
def test_transaction_around_the_session_leaves_no_wrong_memory(book: RateBook) -> None:
    with db.engine.connect() as connection:
        outer = connection.begin()
        # On SQLite a transaction begins with its first write.
        projects.ensure_row(connection, "north", None)
        for _ in range(3):
            with connection.begin_nested():
                registry.ensure(connection, list(book))
        outer.rollback()
    assert names() == []

    ensure(*book)
    db.session.commit()

    assert len(names()) == len(book)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"unit_price": Decimal("0.0003843752")},
            "unit_price was 0.0003843751 and is 0.0003843752",
        ),
        ({"unit": "count"}, "unit was minute and is count"),
        ({"group": "servers"}, "group was machines and is servers"),
    ],
)
def test_changed_rate_is_refused(
    app: Flask, book: RateBook, change: dict[str, Any], told: str
) -> None:
    rate, _ = book.versions("machine.small", "usd")
    ensure(*book)
    db.session.commit()
    restart(app)

    with pytest.raises(RateChanged) as refused:
        ensure(replace(rate, **change))

    assert told in str(refused.value)
    assert "machine.small (usd), which holds from 2026-01-01 on," in str(refused.value)
    assert "a new entry with a later date" in str(refused.value)


def test_change_is_refused_although_the_process_wrote_the_row_itself(book: RateBook) -> None:
    [rate] = book.versions("tokens", "usd")
    ensure(rate)

    with pytest.raises(RateChanged):
        ensure(replace(rate, unit_price=Decimal(1)))


@EVERYWHERE
@pytest.mark.parametrize("change", [{"description": "Kleine Maschine"}, {"unit_price": "longer"}])
def test_description_and_zeros_at_the_end_may_change(
    app: Flask, book: RateBook, change: dict[str, Any]
) -> None:
    rate, _ = book.versions("machine.small", "usd")
    if "unit_price" in change:
        change = {"unit_price": rate.unit_price.quantize(Decimal("1e-12"))}
    ensure(rate)
    db.session.commit()
    restart(app, changed(book, rate, **change))

    ensure(replace(rate, **change))

    assert registry.check(projects.connection()) == []


def test_file_that_only_grew_has_no_differences(app: Flask, book: RateBook) -> None:
    before = registry.check(projects.connection())
    ensure(*book)
    db.session.commit()
    new = replace(*book.versions("tokens", "usd"), id=UUID(int=1), name="images")

    restart(app, RateBook([*book, new]))

    assert before == registry.check(projects.connection()) == []


@EVERYWHERE
def test_changed_and_vanished_rates_are_found(app: Flask, book: RateBook) -> None:
    small, large = book.versions("machine.small", "usd")[0], *book.versions("machine.large", "usd")
    ensure(*book)
    db.session.commit()
    without = RateBook(rate for rate in book if rate.id != large.id)

    restart(app, changed(without, small, unit_price=Decimal("0.5")))
    vanished, different = registry.check(projects.connection())

    assert (vanished.kind, vanished.rate_id) == ("vanished", large.id)
    assert "machine.large (usd)" in vanished.text
    assert "Put it back" in vanished.text
    assert (different.kind, different.rate_id) == ("changed", small.id)
    assert "unit_price was 0.0003843751 and is 0.5" in different.text


def test_rate_whose_date_was_moved_has_vanished(book: RateBook, tmp_path: Path) -> None:
    [tokens] = book.versions("tokens", "usd")
    ensure(tokens)
    db.session.commit()
    path = tmp_path / "rates.toml"
    path.write_text(RATES.read_text().replace("2026-01-01", "2026-01-02"))

    [found] = registry.check(projects.connection(), RateBook.load(path))

    assert (found.kind, found.rate_id) == ("vanished", tokens.id)


def test_other_file_can_be_compared_before_it_is_used(book: RateBook) -> None:
    ensure(*book)
    db.session.commit()

    assert len(registry.check(projects.connection(), RateBook())) == len(book)
    assert registry.check(projects.connection(), book) == []


def test_looking_writes_nothing(book: RateBook) -> None:
    registry.check(projects.connection())
    db.session.commit()

    assert names() == []


@EVERYWHERE
@pytest.mark.concurrency
def test_those_who_use_a_rate_first_at_once_do_not_disturb_each_other(
    app: Flask, book: RateBook
) -> None:
    def use(rates: list[Rate]) -> None:
        ensure(*rates)
        db.session.commit()

    outcomes = at_once(app, *(partial(use, list(book)[::way]) for way in (1, -1, 1, -1)))

    assert outcomes == [None] * 4
    assert len(names()) == len(book)


@EVERYWHERE
@pytest.mark.concurrency
def test_rate_that_another_is_about_to_write_is_compared_with_what_is_written(
    app: Flask, book: RateBook
) -> None:
    [tokens] = book.versions("tokens", "usd")
    written = threading.Event()

    def first() -> None:
        ensure(tokens)
        written.set()
        time.sleep(0.2)
        db.session.commit()

    def second() -> None:
        written.wait(timeout=30)
        ensure(replace(tokens, unit_price=Decimal(7)))
        db.session.commit()

    outcomes = at_once(app, first, second)
    restart(app)
    [row] = db.session.scalars(select(BillingRate))

    assert outcomes[0] is None
    assert row.unit_price == tokens.unit_price
    # A repeatable read hides the other's row; the next use or the next check tells of it.
    assert outcomes[1] is None or isinstance(outcomes[1], RateChanged)
    assert db.engine.dialect.name != "postgresql" or isinstance(outcomes[1], RateChanged)
