"""The running month and closing share their rules, and the page costs a bounded number of reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from flask_billing import Allowance, invoicing
from tests.host import db
from tests.invoicing.books import (
    at,
    credit,
    discount,
    invoices,
    lines,
    month,
    new_project,
    now,
    record,
    set_row,
    usage,
)

#: What an invoice and the running month both say.
FIELDS = (
    "gross",
    "subtotal",
    "carried_in",
    "adjusted",
    "credit_used",
    "credit_granted",
    "due",
    "carried_out",
    "waived",
)
LINE = ("kind", "slot", "quantity", "minutes", "free_quantity", "gross", "net", "amount")


def allowance(key: str | None, quantity: int, target: str, made: datetime) -> None:
    db.session.add(
        Allowance(
            project_key=key,
            scope="rate",
            target=target,
            quantity=Decimal(quantity),
            valid_from=made,
            reason="free_tier",
            created_at=made,
        )
    )
    db.session.commit()


def assert_same_as_closed(key: str, span: Any) -> None:
    """The running month at its end, and the invoice that closing makes of it, agree."""
    with now(span.end + timedelta(hours=1)):
        before = invoicing.running(key, span.end, month=span)
        invoicing.close(span)

    found = [i for i in invoices(key) if i.period_end == span.end]
    assert len(found) == (0 if before.priced.is_empty else 1)
    for invoice in found:
        assert [getattr(before.priced, name) for name in FIELDS] == [
            getattr(invoice, name) for name in FIELDS
        ]
        assert [tuple(getattr(line, name) for name in LINE) for line in before.priced.lines] == [
            tuple(getattr(line, name) for name in LINE) for line in lines(invoice)
        ]
        assert before.heading_for == invoice.subtotal
        assert sum(cost for _, cost in before.days) == sum(
            line.gross for line in lines(invoice) if line.kind == "usage"
        )


def test_running_month_at_its_end_is_what_closing_writes(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        record(each, at(6, 2, 3, 7), at(6, 20, 4), quantity=2)
        record(each, at(6, 20, 4), rate="machine.large", quantity=3)
        record(each, at(6, 9), rate="disk.gb", quantity=200, slot="disk")
        usage(each, at(6, 5), 90_000)
        usage(each, at(5, 5), 7_000, counted_in=at(6))
        set_row(each, carried=17)
        with now(at(6, 9)):
            invoicing.adjust(each, -120, reason="outage")
        credit(each, 500, at(6, 3))
    discount(key, 7, at(6, 10), scope="group", target="machines", valid_until=at(6, 25))
    discount(key, 3, at(6, 10))
    allowance(key, 30_000, "api.call", at(6, 12))
    allowance(None, 100_000, "disk.gb", at(6, 12))

    assert_same_as_closed(key, month(6))
    assert_same_as_closed(key, month(7))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    moments=st.lists(st.integers(0, 60 * 24 * 59 * 60), min_size=2, max_size=7, unique=True),
    sizes=st.lists(st.integers(1, 9), min_size=7, max_size=7),
    calls=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 99_999)), max_size=5),
    percent=st.integers(1, 100),
)
def test_any_usage_runs_up_to_what_is_closed(
    app: Flask,
    moments: list[int],
    sizes: list[int],
    calls: list[tuple[int, int]],
    percent: int,
) -> None:
    key = new_project()
    for size, (start, end) in zip(sizes, pairwise(sorted(moments)), strict=False):
        record(key, at(6) + timedelta(seconds=start), at(6) + timedelta(seconds=end), quantity=size)
    for day, quantity in dict(calls).items():
        usage(key, at(6, day), quantity)
    discount(key, percent, at(6, 10), scope="rate", target="machine.small", valid_until=at(7, 9))
    allowance(key, 9_999, "api.call", at(6, 12))

    assert_same_as_closed(key, month(6))
    assert_same_as_closed(key, month(7))


def test_running_month_counts_what_runs_up_to_now(app: Flask) -> None:
    key = new_project()
    record(key, at(6), quantity=2)

    with now(at(6, 16)):
        running = invoicing.running(key)

    assert (running.period, running.until) == (month(6), at(6, 16))
    assert (running.priced.subtotal, running.heading_for) == (1661, 3100)
    assert len(running.days) == 15
    assert (running.currency, running.open_months) == ("usd", [])
    assert invoices(key) == []


def test_month_that_has_ended_is_told_until_it_is_closed(app: Flask) -> None:
    key = new_project(at(5, 9))
    usage(key, at(6, 2), 100_000)
    usage(key, at(7, 2), 70_000)

    with now(at(7, 3)):
        running = invoicing.running(key)
        june = invoicing.running(key, month=running.open_months[1])

    assert running.period == month(7)
    assert [(span.start, span.end) for span in running.open_months] == [
        (at(5, 9), at(6)),
        (at(6), at(7)),
    ]
    assert (running.priced.subtotal, june.priced.subtotal) == (700, 1000)


def test_running_month_of_a_project_that_is_gone_ends_with_it(app: Flask) -> None:
    key = new_project()
    record(key, at(6), at(6, 16), quantity=2)
    set_row(key, ended_at=at(6, 16))

    with now(at(6, 20)):
        running = invoicing.running(key)

    assert (running.period.end, running.until) == (at(6, 16), at(6, 16))
    assert running.priced.subtotal == running.heading_for == 1661


def test_month_that_is_closed_has_nothing_left_to_run(app: Flask) -> None:
    key = new_project()
    record(key, at(6))
    with now(at(7, 5)):
        invoicing.close()
        running = invoicing.running(key, month=month(6))

    assert running.period.is_empty
    assert running.priced.is_empty


def test_project_that_we_have_no_row_for_owes_nothing(app: Flask) -> None:
    with now(at(6, 5)):
        running = invoicing.running("unknown")

    assert (running.priced.subtotal, running.currency, running.period) == (0, "usd", month(6))


def test_reads_do_not_grow_with_the_usage(app: Flask) -> None:
    keys = small, large = new_project(), new_project()
    for key, count in ((small, 3), (large, 60)):
        for number in range(count):
            record(key, at(6), resource=f"{key}-{number}")
        for day in range(1, count // 3 + 1):
            usage(key, at(6, day), 5)

    with now(at(6, 28)):
        counts = [len(statements(lambda: invoicing.running(key))) for key in keys]  # noqa: B023

    assert counts[0] == counts[1] <= 9


def statements(act: Callable[[], Any]) -> list[str]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(*told: Any) -> None:
        sent.append(told[2])

    event.listen(db.engine, "before_cursor_execute", note)
    act()
    event.remove(db.engine, "before_cursor_execute", note)
    return sent
