"""Past invoices: the list, the document with its lines and totals, and its file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert, update

from flask_billing import BillingRate, Invoice, InvoiceLine, clock, credits, invoicing
from flask_billing.ids import uuid7
from flask_billing.models import BilledProjectRow, table_of
from tests.host import db
from tests.web.conftest import OTHER, Person
from tests.web.spending import add_record, add_uses, at, begin, statements_of
from tests.web.test_index import text_of

NOW = at(9, 2)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _september(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(6, 1))
        yield


def close(app: Flask, project_key: str = "1") -> list[UUID]:
    """Close all that is over, and give the ids of the invoices, the oldest first."""
    with app.app_context():
        invoicing.close()
        return [invoice.id for invoice in reversed(invoicing.invoices_of(project_key))]


def page_of(person: Person, invoice_id: UUID, query: str = "") -> Any:
    page = person.page(f"/invoices/{invoice_id}{query}")
    assert page.status_code == 200
    return page


def plain(text: str) -> str:
    """Return a text with the signs that a keyboard has."""
    return text.replace("\N{EN DASH}", "-").replace("\N{MULTIPLICATION SIGN}", "x")


# The document


def test_invoice_is_a_document_with_groups_lines_and_total(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 6), quantity=2)
    add_uses(app, date(2026, 6, 3), 20_000)

    june, _july, _august = close(app)

    text = text_of(page_of(person, june))
    assert "Invoice for June 2026" in text
    assert "State not charged yet From Jun 1 To Jun 30 Closed Sep 2, 00:00:00 UTC" in text
    # The example of the money rules: from the 6th on, 36,000 minutes.
    assert "Small machine 0.0003843751 USD a minute Used 72,000 min Amount 27.68" in text
    assert "Machine 1 compute · Small machine, 0.0003843751 USD a minute" in text
    assert plain("Jun 6 - 30, 2026 Used 2 x 36,000 min Amount 27.68") in plain(text)
    assert "API call 0.0001 USD each Used 20,000 Amount 2.00" in text
    assert "Usage 29.68 Due before tax 29.68 USD" in text
    assert str(june) in text


def test_invoice_tells_each_deduction(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(7, 1), quantity=2)
    with app.app_context(), clock.moved(lambda: at(6, 2)):
        invoicing.discount(
            "1", Decimal("12.5"), scope="rate", target="machine.small", reason="partner"
        )
        invoicing.allow("1", 10_000, target="machine.small", reason="free_tier")
        invoicing.adjust("1", -250, reason="outage_in_may")
        credits.grant("1", 1000, reason="goodwill")

    [june] = close(app)

    text = text_of(page_of(person, june))
    assert "12.5% off" in text
    # 80,640 minutes less 10,000 that are free, at 0.0003843751.
    assert text.count("Amount 23.76 27.15 before discounts") == 2
    assert "10,000 min free" in text
    assert "Adjustment outage in may Amount -2.50" in text
    assert "Usage, after discounts of 3.39 USD 23.76 Adjustments -2.50" in text
    assert text.count("-2.50") == 2
    assert "Paid from credit -10.00" in text


def test_late_usage_is_named_as_such(app: Flask, person: Person) -> None:
    add_record(app, "1", at(8, 1))
    add_uses(app, date(2026, 7, 30), 50_000, counted_in=date(2026, 8, 1))

    [august] = close(app)

    text = text_of(page_of(person, august))
    assert "API call, reported late" in text
    assert "reported late · Jul 30, 2026" in text
    assert "Usage 21.13 Due before tax 21.13 USD" in text


def test_month_that_is_longer_than_what_is_charged_says_so(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(7, 1))
    add_record(app, "2", at(7, 1), at(7, 2))

    june, july = close(app)

    note = "A month counts 28 days (40,320 min) at most, so that every month costs the same."
    long, short = text_of(page_of(person, june)), text_of(page_of(person, july))
    assert note in long
    assert "Used 40,320 min the most of a month" in long
    assert note not in short
    assert "the most of a month" not in short


def test_parts_that_are_the_most_of_a_month_together_say_so(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(6, 10))
    add_record(app, "1", at(6, 10), at(7, 1), quantity=2)

    [june] = close(app)

    text = plain(text_of(page_of(person, june)))
    assert "Used 12,096 min the most of a month" in text
    assert "Used 2 x 28,224 min the most of a month" in text


def test_what_is_too_little_to_charge_is_carried_over_visibly(app: Flask, person: Person) -> None:
    add_uses(app, date(2026, 6, 3), 1000)
    add_uses(app, date(2026, 7, 3), 9000)

    june, july = close(app)

    first, second = (text_of(page_of(person, invoice)) for invoice in (june, july))
    assert "State carried over" in first
    assert "Too little to charge: carried over to the next month -0.10" in first
    assert "Due before tax 0.00 USD" in first
    assert "Carried over from earlier months 0.10" in second
    assert "Due before tax 1.00 USD" in second


class TestWhereLittleIsLetGo:
    """`BILLING_BELOW_MINIMUM` is "waive"."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "BILLING_BELOW_MINIMUM": "waive"}

    def test_invoice_says_so(self, app: Flask, person: Person) -> None:
        add_uses(app, date(2026, 6, 3), 1000)

        [june] = close(app)

        text = text_of(page_of(person, june))
        assert "State waived" in text
        assert "Too little to charge: waived -0.10" in text


def test_negative_sum_says_that_it_becomes_credit(app: Flask, person: Person) -> None:
    add_uses(app, date(2026, 6, 3), 10_000)
    with app.app_context(), clock.moved(lambda: at(6, 5)):
        invoicing.adjust("1", -500, reason="outage")

    [june] = close(app)

    text = text_of(page_of(person, june))
    assert "State nothing to pay" in text
    assert "Becomes credit 4.00" in text
    assert "Due before tax 0.00 USD" in text


def test_void_invoice_says_that_nothing_has_to_be_paid(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(7, 1))
    [june] = close(app)
    with app.app_context():
        invoicing.void(june, reason="mistake")

    page, listed = page_of(person, june), person.page("/invoices")

    assert "This invoice is void: nothing has to be paid for it." in text_of(page)
    assert "credit" not in text_of(page)
    assert "billing-struck" in page.text
    assert "June 2026 State void" in text_of(listed)


def test_void_invoice_says_that_its_credit_was_given_back(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(7, 1))
    with app.app_context(), clock.moved(lambda: at(6, 2)):
        credits.grant("1", 1000, reason="goodwill")
    [june] = close(app)
    with app.app_context():
        invoicing.void(june, reason="mistake")

    page = page_of(person, june)

    assert "What it took from your credit was given back." in text_of(page)


def test_file_of_a_void_invoice_says_so(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(8, 1))
    june, july = close(app)
    with app.app_context():
        invoicing.void(july, reason="mistake")

    found = []
    for invoice in (june, july):
        page = person.page(f"/invoices/{invoice}.csv")
        states = {row["state"] for row in csv.DictReader(io.StringIO(page.text))}
        found.append((page.headers["Content-Disposition"], states))

    assert found == [
        ('attachment; filename="invoice-2026-06.csv"', {"final"}),
        ('attachment; filename="invoice-2026-07-void.csv"', {"void"}),
    ]


def test_part_of_a_month_is_named_by_its_days(app: Flask, person: Person) -> None:
    with app.app_context():
        values = {"closed_until": at(8, 20), "created_at": at(8, 20)}
        db.session.execute(update(BilledProjectRow).values(**values))
        db.session.commit()
    add_record(app, "1", at(8, 20))

    [august] = close(app)

    assert "Invoice for Aug 20 - 31, 2026" in plain(text_of(page_of(person, august)))


# Walls


def test_invoice_of_another_project_is_404(app: Flask, person: Person, stranger: Person) -> None:
    add_record(app, "1", at(6, 1))
    add_record(app, "2", at(6, 1), project_id=OTHER)
    own = close(app)
    foreign = close(app, str(OTHER))

    for path in ("/invoices/{}", "/invoices/{}.csv", "/invoices?before={}"):
        assert person.page(path.format(own[0])).status_code == 200
        assert person.page(path.format(foreign[0])).status_code == 404
        assert stranger.page(path.format(own[0])).status_code == 404


def test_each_link_opens_its_own_invoice(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1))
    close(app)

    link = r'href="([^"]+/invoices/[^"]+)">View<span class="billing-hidden">(\w+) 2026'
    links = re.findall(link, person.page("/invoices").text)

    assert [month for _, month in links] == ["August", "July", "June"]
    for address, month in links:
        assert f"Invoice for {month} 2026" in text_of(person.client.get(address))


@pytest.mark.parametrize("query", ["after=9", "after=-1", "after=x", "after=9999999999"])
def test_lines_that_are_not_there_are_404(app: Flask, person: Person, query: str) -> None:
    add_record(app, "1", at(8, 1))
    [august] = close(app)

    assert person.page(f"/invoices/{august}?{query}").status_code == 404


@pytest.mark.parametrize("before", ["x", "0197f000-0000-7000-8000-000000000001", ""])
def test_list_behind_no_invoice_is_404(person: Person, before: str) -> None:
    assert person.page(f"/invoices?before={before}").status_code == 404


# The list


def test_list_without_invoices_says_when_there_will_be_one(person: Person) -> None:
    page = person.page("/invoices")

    assert "Each month that cost something gets an invoice" in text_of(page)


def test_list_is_shown_twenty_four_at_a_time(app: Flask, person: Person) -> None:
    add_invoices(app, 30)

    first = person.page("/invoices")
    older = re.search(r'href="([^"]+before=[^"]+)" rel="next"', first.text)
    assert older is not None
    second = person.client.get(older[1])

    shown = [re.findall(r"/invoices/([0-9a-f-]{36})", page.text) for page in (first, second)]
    assert [len(page) for page in shown] == [24, 6]
    assert len({*shown[0], *shown[1]}) == 30
    assert 'rel="prev"' not in first.text
    assert 'rel="prev"' in second.text
    assert 'rel="next"' not in second.text


def add_invoices(app: Flask, count: int) -> None:
    months = [at(1 + number % 12, 1).replace(year=2020 + number // 12) for number in range(count)]
    ends = [*months[1:], months[-1].replace(day=28)]
    rows = [
        {
            "id": uuid7(),
            "project_key": "1",
            "period_start": start,
            "period_end": end,
            "state": "closed",
            "currency": "usd",
            "gross": 100,
            "subtotal": 100,
            "due": 100,
            "line_count": 0,
        }
        for start, end in zip(months, ends, strict=True)
    ]
    with app.app_context():
        db.session.execute(insert(table_of(Invoice)), rows)
        db.session.commit()


# Many lines


def add_lines(app: Flask, invoice_id: UUID, count: int) -> None:
    """Give an invoice so many lines, as if it had closed with them."""
    with app.app_context():
        [first] = db.session.query(InvoiceLine).filter_by(invoice_id=invoice_id)
        columns = [column.key for column in InvoiceLine.__mapper__.columns]
        row = {name: getattr(first, name) for name in columns}
        rows = [
            row | {"id": uuid7(), "position": number, "resource_id": str(number)}
            for number in range(2, count + 1)
        ]
        db.session.execute(insert(table_of(InvoiceLine)), rows)
        db.session.execute(update(Invoice).values(line_count=count))
        db.session.commit()


def test_lines_are_shown_fifty_at_a_time(app: Flask, person: Person) -> None:
    add_record(app, "1", at(8, 1))
    [august] = close(app)
    add_lines(app, august, 120)

    pages, address = [], f"/projects/1/billing/invoices/{august}"
    while address:
        pages.append(person.client.get(address))
        later = re.search(r'href="([^"]+)" rel="next"', pages[-1].text)
        address = later[1] if later else ""

    shown = [re.findall(r"Machine (\d+)", page.text) for page in pages]
    assert [len(page) for page in shown] == [50, 50, 20]
    assert [int(number) for page in shown for number in page] == list(range(1, 121))
    assert "Lines 51 to 100 of 120." in text_of(pages[1])
    assert "?after=0#" in pages[1].text


def test_number_of_statements_does_not_grow_with_the_lines(app: Flask, person: Person) -> None:
    add_record(app, "1", at(8, 1))
    [august] = close(app)
    path = f"/invoices/{august}"
    add_lines(app, august, 3)
    with_three = statements_of(app, person, path), statements_of(app, person, "/invoices")
    with app.app_context():
        db.session.query(InvoiceLine).filter(InvoiceLine.position > 1).delete()
        db.session.commit()
    add_lines(app, august, 300)

    assert (statements_of(app, person, path), statements_of(app, person, "/invoices")) == with_three
    assert max(with_three) < 12


# The file


def test_invoice_can_be_downloaded_whole(
    app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_billing.web.downloads.BATCH", 100)
    add_record(app, "1", at(8, 1))
    [august] = close(app)
    add_lines(app, august, 250)

    page = person.page(f"/invoices/{august}.csv")

    rows = list(csv.DictReader(io.StringIO(page.text, newline="")))
    assert page.headers["Content-Disposition"] == 'attachment; filename="invoice-2026-08.csv"'
    assert [int(row["resource_id"]) for row in rows] == list(range(1, 251))
    assert {row["net"] for row in rows} == {"16.128"}
    assert {row["amount"] for row in rows} == {"16.13"}


def test_invoice_tells_the_price_that_was_used_whatever_the_file_says_by_now(
    app: Flask, person: Person
) -> None:
    add_record(app, "1", at(6, 1), at(7, 1))
    [june] = close(app)
    with app.app_context():
        rate = table_of(BillingRate)
        price = update(rate).values(unit_price=Decimal("0.0005"))
        db.session.execute(price.where(rate.c.name == "machine.small"))
        db.session.commit()

    text = text_of(page_of(person, june))

    assert "Small machine 0.0005 USD a minute Used 40,320 min" in text
    assert "compute · Small machine, 0.0005 USD a minute" in text


def test_rate_that_left_the_file_is_shown_as_it_was_kept(app: Flask, person: Person) -> None:
    add_record(app, "1", at(8, 1))
    [august] = close(app)
    with app.app_context():
        db.session.execute(
            db.text("UPDATE billing_invoice_line SET rate_id = :id"), {"id": UUID(int=7).hex}
        )
        db.session.execute(
            db.text(
                "INSERT INTO billing_rate (id, name, unit, unit_price, currency, active_from,"
                " group_name, created_at) VALUES (:id, 'machine.old', 'minute', 3000000, 'usd',"
                " '2020-01-01 00:00:00', 'machines', '2020-01-01 00:00:00')"
            ),
            {"id": UUID(int=7).hex},
        )
        db.session.commit()

    text = text_of(page_of(person, august))

    assert "compute · machine.old, 0.0003 USD a minute" in text
