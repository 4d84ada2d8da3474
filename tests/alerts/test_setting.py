"""Members set alerts for their own project: few, and with labels that tell of no person."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from flask_billing import AlertRefused, BilledProjectRow, UnknownProject, alerts
from tests.at_once import at_once
from tests.host import db


def test_alerts_belong_to_one_project(app: Flask) -> None:
    with app.app_context():
        second = alerts.set_alert("1", 10_000, stops_creation=True)
        first = alerts.set_alert("1", 5_000, label=" Half  of it ")
        other = alerts.set_alert("2", 700)

        assert alerts.alerts_of("1") == [first, second]
        assert (first.label, first.stops_creation) == ("Half of it", False)
        assert (second.label, second.stops_creation) == (None, True)
        assert alerts.remove_alert("2", first.id) is False
        assert alerts.change_alert("2", first.id, 1) is None
        assert alerts.remove_alert("1", first.id) is True
        assert (alerts.alerts_of("1"), alerts.alerts_of("2")) == ([second], [other])


def test_alert_is_in_the_projects_currency(small_app: Flask) -> None:
    with small_app.app_context():
        db.session.execute(update(BilledProjectRow).values(currency="bhd"))
        db.session.commit()

        assert alerts.set_alert("1", 1000).currency == "bhd"
        with pytest.raises(AlertRefused, match="multiples of 10"):
            alerts.set_alert("1", 1005)


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, "100", 10**15])
def test_alert_needs_an_amount(small_app: Flask, amount: Any) -> None:
    with small_app.app_context():
        with pytest.raises(AlertRefused) as refused:
            alerts.set_alert("1", amount)

        assert refused.value.field == "amount"
        assert alerts.alerts_of("1") == []


@pytest.mark.parametrize(
    "label",
    [
        "ann@example.com",
        "ann (at) example",
        "call 0171 2345678",
        "+49 (0) 30/901820",
        "4242 4242 4242 4242",
        "12 Baker Street",
        "221b Baker St. road",
        "Hauptstraße 5",
        "Am Lindenweg 12",
        "Marktplatz 3",
        "5 rue de Rivoli",
        "PO Box 12",
        "Postfach 12",
        "Unter den Linden 77",
        "12 Elm St.",
        "Berliner Str. 5",
        "Hauptstr. 5",
        "Via Roma 5",
        "ul. Kwiatowa 5",
        "ann\uff20example.com",
        "ann\ufe6bexample",
        "ann at example dot com",
        "ann at example.com",
        "example.com",
        "ann.example.com/x",
        "\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467",
        "1234567",
        "+49 30 1000000",
        "0171 2000000",
        "0171,234,567",
        "https://example.com/ann",
        "two\u202elines\x00",
        "x" * 41,
    ],
)
def test_label_that_may_tell_of_a_person_is_refused(small_app: Flask, label: str) -> None:
    with small_app.app_context():
        with pytest.raises(AlertRefused) as refused:
            alerts.set_alert("1", 100, label=label)

        assert refused.value.field == "label"
        assert label not in str(refused.value)
        assert alerts.alerts_of("1") == []


@pytest.mark.parametrize(
    "label",
    [
        "Half",
        "50 %",
        "Budget 2026",
        "Team web-1",
        "Stop here!",
        "Q3 2026",
        "Größe",
        "Spring 2026",
        "Monitoring 50",
        "Hiring 5",
        "Engineering 100",
        "80 via API",
        "Stop at 50. Then look.",
        "Limit 1000000",
        "1,000,000",
        "1.000.000 EUR",
        "Budget 2026: 1,234,567.89",
        "2026-11-22",
        "2026-01-01 - 2026-12-31",
        "1. Quartal",
        "\N{VULGAR FRACTION ONE HALF}",
        "x" * 40,
    ],
)
def test_plain_word_is_a_label(small_app: Flask, label: str) -> None:
    with small_app.app_context():
        assert alerts.set_alert("1", 100, label=label).label == label


def test_blank_label_is_none(small_app: Flask) -> None:
    with small_app.app_context():
        assert alerts.set_alert("1", 100, label="  ").label is None


def test_there_are_ten_alerts_at_most_also_at_once(app: Flask) -> None:
    with app.app_context():
        for n in range(1, 9):
            alerts.set_alert("1", n)

        outcomes = at_once(app, *[lambda: alerts.set_alert("1", 100).amount] * 4)

        refused = [outcome for outcome in outcomes if isinstance(outcome, AlertRefused)]
        assert (len(refused), refused[0].field) == (2, None)
        assert len(alerts.alerts_of("1")) == 10
        assert alerts.set_alert("2", 1).amount == 1


def test_unknown_project_has_no_alert(small_app: Flask) -> None:
    with small_app.app_context(), pytest.raises(UnknownProject):
        alerts.set_alert("3", 100)
