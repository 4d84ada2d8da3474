"""`flask billing report`: finance sees each month and currency, and nothing is counted twice."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import null, update

from flask_billing import BilledProjectRow, Invoice, InvoiceCollection, clock
from tests.cli.conftest import Shell
from tests.host import Project, db

AMOUNTS = (
    "billed",
    "carried_in",
    "credit_granted",
    "credited",
    "carried",
    "waived",
    "due",
    "open",
)


def moment(month: int, day: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


def invoice(key: str, month: int, currency: str = "usd", *, day: int = 1, **values: Any) -> Invoice:
    given = {
        "project_key": key,
        "period_start": moment(month, day),
        "period_end": moment(month + 1),
        "currency": currency,
        "gross": 0,
        "subtotal": 0,
        "due": 0,
        "line_count": 1,
    }
    return Invoice(**{**given, **values})


@pytest.fixture
def host(stocked: Shell) -> Any:
    """A host with two projects and the invoices of May and June, on the 2nd of August."""
    with clock.moved(lambda: moment(8, 2)):
        with stocked.app.app_context():
            db.session.add_all([Project(id=1, name="north"), Project(id=2, name="south")])
            db.session.commit()
            db.session.add_all(
                [
                    invoice("1", 5, subtotal=3100, credit_used=3000, due=100),
                    invoice("2", 5, subtotal=30, carried_out=30, day=20),
                    invoice("2", 5, "eur", subtotal=1, waived=1, live_marker=null(), state="void"),
                    invoice("1", 6, "eur", subtotal=700, adjusted=-800, credit_granted=100),
                    invoice("2", 6, subtotal=500, carried_in=30, due=530),
                ]
            )
            db.session.execute(update(BilledProjectRow).values(closed_until=moment(8)))
            db.session.commit()
        yield stocked


def table(host: Shell, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        host.billing("report", "--format", "json", *words).stdout
    )
    return found


def test_report_sums_up_each_month_and_currency(host: Shell) -> None:
    zero = dict.fromkeys(AMOUNTS, "0.00")

    assert table(host) == [
        {"month": "2026-05", "currency": "usd", "invoices": 2}
        | zero
        | {
            "billed": "31.30",
            "credited": "30.00",
            "carried": "0.30",
            "due": "1.00",
            "open": "1.00",
        },
        {"month": "2026-06", "currency": "eur", "invoices": 1}
        | zero
        | {"billed": "-1.00", "credit_granted": "1.00"},
        {"month": "2026-06", "currency": "usd", "invoices": 1}
        | zero
        | {"billed": "5.00", "carried_in": "0.30", "due": "5.30", "open": "5.30"},
    ]


def test_open_is_what_is_still_to_be_paid_now(host: Shell) -> None:
    with host.app.app_context():
        made = {
            "closed": (invoice("1", 7, due=100), None),
            "issued": (invoice("2", 7, due=200, state="open"), 238),
            "partly paid": (invoice("1", 3, due=400, state="open"), 150),
            "paid": (invoice("1", 4, due=800, state="paid"), 0),
            "written off": (invoice("2", 4, due=1600, state="uncollectible"), 1600),
        }
        for each, remaining in made.values():
            each.collection = InvoiceCollection(remaining=remaining)
            db.session.add(each)
        db.session.commit()

    months = {row["month"]: (row["due"], row["open"]) for row in table(host)}

    assert months["2026-07"] == ("3.00", "3.38")
    assert months["2026-03"] == ("4.00", "1.50")
    assert months["2026-04"] == ("24.00", "0.00")


def test_months_that_end_before_they_begin_are_refused(host: Shell) -> None:
    result = host.billing("report", "--from", "2026-07", "--to", "2026-05")

    assert (result.exit_code, "--from is a later month than --to." in result.output) == (2, True)


def test_months_can_be_chosen(host: Shell) -> None:
    assert {row["month"] for row in table(host, "--from", "2026-06")} == {"2026-06"}
    assert {row["month"] for row in table(host, "--to", "2026-05")} == {"2026-05"}
    assert table(host, "--from", "2026-07", "--to", "2026-10") == []
    assert "is no month" in host.billing("report", "--from", "2026-13").output


def test_csv_and_table_say_the_same(host: Shell) -> None:
    written = host.billing("report", "--format", "csv").stdout
    printed = host.billing("report").stdout.splitlines()

    rows = list(csv.DictReader(io.StringIO(written)))
    assert [{**row, "invoices": int(row["invoices"])} for row in rows] == table(host)
    assert len(printed) == 4
    assert printed[1].split() == list(rows[0].values())


def test_months_that_are_not_closed_are_told_of(host: Shell) -> None:
    with host.app.app_context():
        row = update(BilledProjectRow).where(BilledProjectRow.project_key == "2")
        db.session.execute(row.values(closed_until=moment(6)))
        db.session.commit()

    assert "not closed: 1." in host.billing("report").stderr
    assert "not closed" not in host.billing("report", "--to", "2026-05").stderr


def test_no_invoices_are_no_report(stocked: Shell) -> None:
    assert stocked.billing("report").stdout == "There is no invoice in these months.\n"
    assert table(stocked) == []
