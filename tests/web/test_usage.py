"""What the usage page says of a month that is not closed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from flask_billing import BillingRate, Discount, SpendingAlert, alerts, clock, credits, invoicing
from flask_billing.models import table_of
from flask_billing.web import amounts
from flask_billing.web.presenters import chart_of
from tests.host import Machine, Project, db
from tests.web.conftest import OTHER, OWN, Person
from tests.web.spending import add_record, add_records, add_uses, at, begin, statements_of
from tests.web.test_index import text_of

NOW = at(6, 18, 9)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _june(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(6, 1))
        yield


def words_of(person: Person, path: str = "/usage", **options: Any) -> str:
    page = person.page(path, **options)
    assert page.status_code == 200, page.text
    return text_of(page)


# What it says


def test_month_without_usage_says_what_will_be_here(person: Person) -> None:
    text = words_of(person)

    assert "Usage in June 2026" in text
    assert "So far 0.00 USD" in text
    assert "Heading for" not in text
    assert "Nothing was used this month yet." in text
    assert "Nothing was used up to Jun 18." in text
    assert "Months that are over will be here" in text


def test_month_is_told_with_where_it_is_heading_and_that_it_is_not_final(
    app: Flask, person: Person
) -> None:
    add_record(app, "1", at(6, 1), quantity=2)

    text = words_of(person)

    # 17 days and 9 hours: 25,020 minutes; the whole month is capped at 40,320.
    assert "So far 19.23 USD Heading for 31.00 USD" in text
    assert "Not final" in text
    assert "as of Jun 18, 09:00:00 UTC" in text
    assert "Small machine 0.0003843751 USD a minute Used 50,040 min Amount 19.23" in text
    assert "Machine 1 compute Amount 19.23" in text


def test_usage_is_that_of_this_project(app: Flask, person: Person, stranger: Person) -> None:
    add_record(app, "1", at(6, 1))
    add_record(app, "2", at(6, 1), rate="machine.large", project_id=OTHER)

    own, other = words_of(person), words_of(stranger)

    assert "Machine 1" in own
    assert "Machine 2" not in own
    assert "Machine 2" in other
    assert "Machine 1" not in other


def test_groups_of_several_rates_have_a_sum_of_their_own(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1))
    add_record(app, "2", at(6, 1), rate="machine.large")
    add_uses(app, date(2026, 6, 3), 1000)

    page = person.page("/usage")

    text = text_of(page)
    assert page.text.count("billing-row-group") == 1
    # 25,020 minutes each: 9.617065002 + 38.468260008, and 0.10 for the calls.
    assert "machines Amount 48.09" in text
    assert "Amount 9.62" in text
    assert "Amount 38.47" in text
    assert "API call 0.0001 USD each Used 1,000 Amount 0.10" in text
    assert "So far 48.19 USD" in text


def test_amount_that_rounds_to_nothing_is_not_called_nothing(app: Flask, person: Person) -> None:
    add_uses(app, date(2026, 6, 3), 10, rate="tokens")

    text = words_of(person)

    assert "So far less than 0.01 USD" in text
    assert "Used 10 Amount less than 0.01" in text


def test_deductions_are_told_one_by_one(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=2)
    with app.app_context(), clock.moved(lambda: at(6, 2)):
        invoicing.allow("1", 1000, target="machine.small", reason="free_tier")
        invoicing.discount("1", 10, reason="partner")
        invoicing.adjust("1", -150, reason="outage")
        credits.grant("1", 500, reason="goodwill")

    text = words_of(person)

    # (50,040 - 1,000) * 0.0003843751 = 18.849754904, less 10 percent: 16.96.
    assert "1,000 min free" in text
    assert "Usage, after discounts of 1.89 USD 16.96" in text
    assert text.count("Amount 16.96 18.85 before discounts") == 2
    assert text.count("Adjustments") == text.count("Adjustments -1.50") == 1
    assert "Paid from credit -5.00" in text
    assert "To pay so far, before tax 10.46 USD" in text


def test_month_that_is_over_and_not_closed_can_be_looked_at(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=2)

    with clock.moved(lambda: at(7, 1, 2)):
        july = person.page("/usage")
        june = words_of(person, "/usage?month=2026-06")

    assert "/billing/usage?month=2026-06" in july.text
    assert "is being closed" in text_of(july)
    assert "So far 31.00 USD" in june
    assert "Heading for" not in june
    assert "This month is over and is being closed." in june


def test_closed_month_leads_to_its_invoice(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), at(6, 10))
    with clock.moved(lambda: at(7, 2)):
        with app.app_context():
            invoicing.close()
            [invoice] = invoicing.invoices_of("1")

        page = person.page("/usage?month=2026-06")
        file = person.page("/usage.csv?month=2026-06")

        assert (page.status_code, file.status_code) == (303, 303)
        assert page.location == f"/projects/1/billing/invoices/{invoice.id}"
        assert file.location == f"/projects/1/billing/invoices/{invoice.id}.csv"
        assert "June 2026" in words_of(person)


@pytest.mark.parametrize(
    "query",
    [
        "month=2026-07",
        "month=2026-05",
        "month=junk",
        "month=2026-13",
        "page=2",
        "page=0",
        "page=-1",
        "page=x",
        "page=99999999",
        "page=%D9%A3",
    ],
)
def test_what_is_not_there_is_404(person: Person, query: str) -> None:
    assert person.page(f"/usage?{query}").status_code == 404


@pytest.mark.parametrize("path", ["/usage", "/usage.csv"])
def test_project_without_a_row_of_ours_has_this_month_alone(
    app: Flask, person: Person, path: str
) -> None:
    with app.app_context():
        db.session.execute(db.text("DELETE FROM billed_project WHERE project_key = '1'"))
        db.session.commit()

    months = ("", "?month=2026-06", "?month=2026-05", "?month=2000-01")
    found = [person.page(path + month).status_code for month in months]

    assert found == [200, 200, 404, 404]


def test_price_is_that_which_is_charged_and_the_description_that_of_the_file(
    app: Flask, person: Person
) -> None:
    add_record(app, "1", at(6, 1))
    with app.app_context():
        rate = table_of(BillingRate)
        price = update(rate).values(unit_price=Decimal("0.0005"))
        db.session.execute(price.where(rate.c.name == "machine.small"))
        db.session.commit()

    text = words_of(person)

    assert "Small machine 0.0005 USD a minute Used 25,020 min Amount 12.51" in text


def test_usage_that_cannot_be_priced_is_said_and_nothing_crashes(
    app: Flask, person: Person
) -> None:
    add_record(app, "1", at(6, 1))
    with app.app_context():
        db.session.execute(db.text("UPDATE billed_project SET currency = 'eur'"))
        db.session.commit()

    usage, index, file = (person.page(path) for path in ("/usage", "", "/usage.csv"))

    assert (usage.status_code, index.status_code, file.status_code) == (503, 200, 503)
    assert "can't be shown right now" in text_of(usage).replace("&#39;", "'")
    assert "What this month costs can't be shown" in text_of(index).replace("&#39;", "'")
    assert "Payment methods" in text_of(index)


# Resources


def test_resources_are_shown_fifty_at_a_time_the_dearest_first(app: Flask, person: Person) -> None:
    spans = [(str(number), at(6, 1) + timedelta(hours=number), None) for number in range(1, 121)]
    add_records(app, spans)

    pages = [person.page(f"/usage?page={number}").text for number in (1, 2, 3)]

    shown = [re.findall(r"Machine (\d+)", page) for page in pages]
    assert [len(page) for page in shown] == [50, 50, 20]
    assert [int(number) for page in shown for number in page] == list(range(1, 121))
    assert "120 resources were used" in pages[0]
    assert "Page 2 of 3" in text_of(person.page("/usage?page=2"))
    assert 'rel="prev"' not in pages[0]
    assert 'rel="next"' not in pages[2]
    assert person.page("/usage?page=4").status_code == 404


class TestWhereTheHostNamesItsResources:
    """`billing_label` says what people call one of them; it is read live."""

    @pytest.fixture(autouse=True)
    def _label(self, monkeypatch: pytest.MonkeyPatch) -> None:
        label = property(lambda row: f"m-{row.id}")
        monkeypatch.setattr(Machine, "billing_label", label, raising=False)

    def test_resources_go_by_their_names(self, app: Flask, person: Person) -> None:
        add_machine(app, 1, OWN)
        add_machine(app, 2, OWN)
        for resource_id in ("1", "2", "3", "no number"):
            add_record(app, resource_id, at(6, 1))

        text = words_of(person)

        assert "Machine m-1" in text
        assert "Machine m-2" in text
        # What was deleted goes by its id, and so does what the host never had.
        assert "Machine 3" in text
        assert "Machine no number" in text

    def test_name_of_what_another_project_has_by_now_stays_there(
        self, app: Flask, person: Person
    ) -> None:
        add_machine(app, 1, OTHER)
        add_record(app, "1", at(6, 1), at(6, 3))

        text = words_of(person)

        assert "Machine 1" in text
        assert "m-1" not in text


def add_machine(app: Flask, key: int, project_id: int) -> None:
    """Put a machine into the host's table by SQL, so that nothing is metered."""
    with app.app_context():
        values = f"({key}, {project_id}, 'small', 0, 'on')"
        columns = "(id, project_id, size, disk, state)"
        db.session.execute(db.text(f"INSERT INTO machine {columns} VALUES {values}"))
        db.session.commit()


def test_usage_without_a_resource_is_the_last_row_of_the_resources(
    app: Flask, person: Person
) -> None:
    spans = [(str(number), at(6, 1) + timedelta(hours=number), None) for number in range(1, 61)]
    add_records(app, spans)
    add_uses(app, date(2026, 6, 3), 1000)
    add_uses(app, date(2026, 6, 3), 2000, resource=("machine", "1"))

    first, second = (words_of(person, f"/usage?page={number}") for number in (1, 2))

    assert "60 resources were used" in first
    assert "Without a resource" not in first
    assert re.search(
        r"Machine 60 compute Amount \d+\.\d\d Without a resource Amount 0\.10 ", second
    )
    assert person.page("/usage?page=3").status_code == 404


def test_resource_of_a_table_that_is_gone_goes_by_its_table(app: Flask, person: Person) -> None:
    add_record(app, "7", at(6, 1), resource_type="load_balancer")

    assert "Load balancer 7" in words_of(person)


def test_names_of_the_host_are_escaped(app: Flask, person: Person) -> None:
    add_record(app, "<b>1</b>", at(6, 1), slot="<i>")

    page = person.page("/usage").text

    assert "<b>1" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;1&lt;/b&gt;" in page


# The chart


def test_chart_shows_each_day_and_says_the_same_as_a_sentence_and_a_table(
    app: Flask, person: Person
) -> None:
    add_uses(app, date(2026, 6, 3), 20_000)
    add_uses(app, date(2026, 6, 5), 10_000)

    page = person.page("/usage").text

    bars = re.findall(r'<rect [^>]*x="(\d+)" y="(\d+)" [^>]*height="(\d+)"', page)
    assert bars == [("25", "0", "100"), ("49", "50", "50")]
    assert "The most was 2.00\N{NO-BREAK SPACE}USD, on Jun 3." in page
    assert re.search(r">Jun 3</th><td[^>]*>2.00\N{NO-BREAK SPACE}USD<", page)
    assert re.search(r">Jun 4</th><td[^>]*>0.00\N{NO-BREAK SPACE}USD<", page)
    assert ">Jun 18</th>" in page
    assert ">Jun 19</th>" not in page


def test_chart_says_where_its_days_are_dearer_than_what_counts(app: Flask, person: Person) -> None:
    add_uses(app, date(2026, 6, 3), 20_000)
    before = words_of(person), words_of(person, "")

    with app.app_context(), clock.moved(lambda: at(6, 2)):
        invoicing.discount("1", 10, reason="partner")

    words = "Each day before discounts."
    assert not any(words in text for text in before)
    assert words in words_of(person)
    assert words in words_of(person, "")


def test_month_up_to_now_tells_once_it_is_as_long_as_can_be_charged(
    app: Flask, person: Person
) -> None:
    add_record(app, "1", at(6, 1))

    with clock.moved(lambda: at(6, 28)):
        before = words_of(person)
    with clock.moved(lambda: at(6, 30)):
        after = words_of(person)

    assert "A month counts" not in before
    assert "A month counts 28 days (40,320 min) at most" in after


def test_earlier_months_are_told_as_on_their_invoices(app: Flask, person: Person) -> None:
    begin(app, at(5, 1))
    add_record(app, "1", at(5, 1), at(6, 1))
    with app.app_context(), clock.moved(lambda: at(5, 2)):
        invoicing.adjust("1", -150, reason="outage")

    with app.app_context():
        invoicing.close()

    assert "May 2026 14.00 USD before tax All invoices" in words_of(person)


def test_use_at_midnight_is_on_the_day_that_begins(app: Flask, person: Person) -> None:
    add_uses(app, date(2026, 6, 5), 10_000)

    with clock.moved(lambda: at(6, 5)):
        page = person.page("/usage").text

    assert "The most was 1.00\N{NO-BREAK SPACE}USD, on Jun 5." in page
    assert re.search(r">Jun 4</th><td[^>]*>0.00\N{NO-BREAK SPACE}USD<", page)


def test_chart_of_any_costs_stays_in_its_frame(app: Flask) -> None:
    month = invoicing_month()
    tiny, huge = Decimal("1e-18"), Decimal("98765432109.87")
    for costs in ([tiny], [huge], [tiny, huge], [Decimal(0)], [Decimal("0.3"), Decimal(1)]):
        days = [(date(2026, 6, day), cost) for day, cost in enumerate(costs, 1)]

        with app.test_request_context():
            chart = chart_of(days, month, NOW, "usd")

        assert chart.width == 360
        assert len(chart.bars) == sum(cost > 0 for cost in costs)
        assert all(bar.top + bar.height == 100 and bar.height >= 1 for bar in chart.bars)
        assert all(0 <= bar.left < bar.left + bar.width <= 360 for bar in chart.bars)


def invoicing_month() -> Any:
    from flask_billing.periods import month_of

    return month_of(NOW)


# The file


def rows_of(page: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.get_data(as_text=True), newline="")))


def test_month_can_be_downloaded(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=2)
    add_uses(app, date(2026, 6, 3), 1000)

    page = person.page("/usage.csv?month=2026-06")

    assert page.content_type == "text/csv; charset=utf-8"
    assert page.headers["Content-Disposition"] == 'attachment; filename="usage-2026-06.csv"'
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    calls, machine = rows_of(page)
    assert (calls["rate"], calls["quantity"], calls["amount"]) == ("api.call", "1000", "0.10")
    assert machine == {
        "kind": "usage",
        "resource_type": "machine",
        "resource_id": "1",
        "slot": "compute",
        "rate": "machine.small",
        "description": "Small machine",
        "quantity": "2",
        "minutes": "25020",
        "free_quantity": "0",
        "from": "2026-06-01T00:00:00+00:00",
        "until": "2026-06-18T09:00:00+00:00",
        "discount_percent": "",
        "gross": "19.234130004",
        "net": "19.234130004",
        "amount": "19.23",
        "currency": "usd",
        "state": "not final",
    }


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "|calc", *"\uff1d\uff0b\uff0d\uff20\ufe66"],
)
def test_file_begins_no_formula(app: Flask, person: Person, name: str) -> None:
    add_record(app, name, at(6, 1), slot=name, resource_type=name)

    [row] = rows_of(person.page("/usage.csv"))

    assert row["resource_type"] == row["resource_id"] == row["slot"] == f"'{name}"


def test_quotes_and_separators_stay_inside_their_cell(app: Flask, person: Person) -> None:
    add_record(app, 'a","b\r\n=1', at(6, 1))

    [row] = rows_of(person.page("/usage.csv"))

    assert row["resource_id"] == 'a","b\r\n=1'


def test_file_of_another_project_is_its_own(app: Flask, person: Person, stranger: Person) -> None:
    add_record(app, "1", at(6, 1))
    add_record(app, "2", at(6, 1), project_id=OTHER)

    own, other = (rows_of(who.page("/usage.csv")) for who in (person, stranger))

    assert [row["resource_id"] for row in own] == ["1"]
    assert [row["resource_id"] for row in other] == ["2"]


# Cost and languages


def test_number_of_statements_does_not_grow_with_the_usage(app: Flask, person: Person) -> None:
    add_records(app, [(str(number), at(6, 1), None) for number in range(3)])
    add_uses(app, date(2026, 6, 1), 10)
    with app.app_context():
        alerts.set_alert("1", 5000)
    paths = ("", "/usage", "/usage.csv")
    with_three = [statements_of(app, person, path) for path in paths]
    add_records(app, [(str(number), at(6, 2), None) for number in range(3, 300)])
    for day in range(1, 18):
        add_uses(app, date(2026, 6, day), 1000, rate="tokens" if day % 2 else "api.call")
    with app.app_context():
        db.session.add_all(
            [
                Discount(
                    project_key="1",
                    scope="resource",
                    resource_type="machine",
                    target=str(number),
                    percent=Decimal(number),
                    valid_from=at(6, 1),
                    reason="test",
                    created_at=at(6, 1),
                )
                for number in range(1, 60)
            ]
        )
        db.session.commit()

    assert [statements_of(app, person, path) for path in paths] == with_three
    assert max(with_three) < 30


def test_pages_of_amounts_need_no_script_and_no_inline_style(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1))

    for path in ("", "/usage", "/invoices", "/alerts", "/credit-code"):
        page = person.page(path).text
        assert "<script" not in page
        assert "style=" not in page
        assert "<style" not in page
        assert not re.search(r"\son\w+=", page)


def test_amounts_and_dates_are_in_the_readers_format(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=200)

    text = words_of(person, headers={"Accept-Language": "de"})

    assert "Juni 2026" in text
    assert "1.923,41 USD" in text
    assert "0,0003843751 USD" in text
    assert "18. Juni" in text


def test_no_german_sentence_ends_with_two_full_stops(app: Flask, person: Person) -> None:
    """Months are cut short to "Nov." there."""
    with clock.moved(lambda: at(11, 22)):
        add_uses(app, date(2026, 11, 3), 1000)

        text = words_of(person, headers={"Accept-Language": "de"})

    assert "bis zum 22. Nov.; am 3. Nov. waren sie mit 0,10 USD am höchsten." in text
    assert ".." not in text


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (3100, "usd", "31.00 USD"),
        (0, "usd", "0.00 USD"),
        (-5, "eur", "-0.05 EUR"),
        (123456789, "jpy", "123,456,789 JPY"),
        (1230, "kwd", "1.230 KWD"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(
    app: Flask, amount: int, currency: str, words: str
) -> None:
    with app.test_request_context():
        shown = amounts.money(amount, currency)

    assert shown.replace("\N{NO-BREAK SPACE}", " ") == words


# The billing page


def test_billing_page_begins_with_this_month(app: Flask, person: Person) -> None:
    add_record(app, "1", at(6, 1), quantity=2)
    with app.app_context():
        credits.grant("1", 2000, reason="goodwill")

    page = person.page()

    text = text_of(page)
    assert "Used so far 19.23 USD Heading for 31.00 USD June 2026, not final" in text
    assert text.index("Add a payment method to create") < text.index("This month")
    assert text.index("This month") < text.index("Payment methods")
    assert text.index("Billing details") < text.index("Invoices")
    assert "Left: 20.00 USD" in text
    assert "There is none yet." in text
    assert page.text.count('<svg class="billing-bars"') == 1
    assert page.text.count("billing-button--primary") == 1


def test_billing_page_lists_the_last_six_invoices(app: Flask, person: Person) -> None:
    add_record(app, "1", at(1, 1), at(9, 1))
    begin(app, at(1, 1))

    with clock.moved(lambda: at(9, 2)):
        with app.app_context():
            invoicing.close()
        page = person.page()

    months = re.findall(r">View<span class=\"billing-hidden\">(\w+) 2026</span></a>", page.text)
    assert months == ["August", "July", "June", "May", "April", "March"]


def test_all_invoices_are_a_link_away_however_few(app: Flask, person: Person) -> None:
    begin(app, at(5, 1))
    without = person.page().text
    add_record(app, "1", at(5, 1), at(6, 1))

    with app.app_context():
        invoicing.close()

    assert "All invoices" not in without
    assert "All invoices" in person.page().text


def test_limit_that_is_reached_stands_at_the_top_with_what_leads_on(
    app: Flask, person: Person
) -> None:
    person.save_card()
    add_record(app, "1", at(6, 1), quantity=2)
    with app.app_context():
        alerts.set_alert("1", 1000, stops_creation=True)
        alerts.raise_due()
        assert db.session.query(SpendingAlert).one().raised_at == NOW

    page = person.page()

    text = text_of(page).replace("&#39;", "'")
    assert "New resources can't be created until the month is over" in text
    assert 'href="/projects/1/billing/alerts">Show spending limits' in page.text
    assert page.text.count("billing-button--primary") == 1


class TestWithoutRates:
    """A host that meters nothing has pages that speak of nothing metered."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {}

    def test_billing_page_says_nothing_of_months_invoices_and_credit(self, person: Person) -> None:
        text = text_of(person.page())

        assert "This month" not in text
        assert "Invoices" not in text
        assert "Credit" not in text
        assert "Payment methods" in text

    def test_usage_page_is_empty(self, person: Person) -> None:
        assert "Nothing was used this month yet." in words_of(person)


def test_internal_project_has_pages_too(app: Flask, person: Person) -> None:
    with app.app_context():
        db.session.get_one(Project, OWN).billable = False
        db.session.commit()

    assert "So far 0.00 USD" in words_of(person)
