"""An alert is raised once a month, when the running total reaches it, and may stop creation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from flask_billing import BilledProjectRow, Notification, SpendingAlert, alerts, spending_alert
from tests.alerts.conftest import cost
from tests.at_once import at_once
from tests.credits.conftest import Time
from tests.host import db

JULY = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def told(app: Flask) -> Iterator[list[tuple[Any, ...]]]:
    """What the signal told: project, the alert's amount, what was spent, and the currency."""
    heard: list[tuple[Any, ...]] = []

    def hear(sender: Flask, *, alert: SpendingAlert, **told: Any) -> None:
        # Committed already: another transaction would see it.
        assert alert.raised_for is not None
        heard.append((told["project_key"], alert.amount, told["amount"], told["currency"]))

    with spending_alert.connected_to(hear, sender=app):
        yield heard


def raised() -> int:
    report = alerts.raise_due()
    assert report.failed == 0
    return report.raised


def stopped_until(key: str) -> datetime | None:
    db.session.expire_all()
    return db.session.get_one(BilledProjectRow, key).stopped_until


def test_raised_alert_is_noted_for_people_once(app: Flask) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000)
        cost("1", 1234)

        raised()
        raised()

        [alert] = alerts.alerts_of("1")
        found = db.session.query(Notification).all()
        assert {(row.kind, row.project_key, row.alert_id) for row in found} == {
            ("spending_alert", "1", alert.id)
        }
        assert sorted((row.role, row.amount, row.currency) for row in found) == [
            ("billing", 1234, "usd"),
            ("members", 1234, "usd"),
        ]


def test_alert_is_raised_when_the_total_reaches_it(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000)
        cost("1", 999)
        assert raised() == 0

        cost("1", 1000)

        assert raised() == 1
        assert told == [("1", 1000, 1000, "usd")]
        [alert] = alerts.alerts_of("1")
        assert alert.raised_for == datetime(2026, 6, 1, tzinfo=UTC)
        assert alert.raised_at == datetime(2026, 6, 15, 12, tzinfo=UTC)
        assert stopped_until("1") is None


def test_alert_is_raised_once_a_month(app: Flask, time: Time, told: list[Any]) -> None:
    with app.app_context():
        alerts.set_alert("1", 1000)
        cost("1", 5000)

        assert (raised(), raised()) == (1, 0)
        time.now = JULY - timedelta(microseconds=1)
        assert raised() == 0
        time.now = JULY
        assert raised() == 0
        cost("1", 1500)
        assert (raised(), raised()) == (1, 0)

        assert [spent for _, _, spent, _ in told] == [5000, 1500]


def test_several_alerts_are_raised_in_their_order(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for amount in (3000, 1000, 2000):
            alerts.set_alert("1", amount)
        cost("1", 2500)

        assert raised() == 2
        assert [amount for _, amount, _, _ in told] == [1000, 2000]


def test_alert_is_told_of_once_by_several_at_once(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000, stops_creation=True)
            cost(key, 2000)

        reports = at_once(app, *[alerts.raise_due] * 4)

        assert sum(report.raised for report in reports) == 2
        assert sorted(key for key, *_ in told) == ["1", "2"]


def test_limit_stops_until_the_month_is_over(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        alerts.set_alert("1", 1000, stops_creation=True)
        cost("1", 1000)
        cost("2", 1000)

        raised()

        assert (stopped_until("1"), stopped_until("2")) == (JULY, None)


def test_removed_limit_lets_go_on_unless_another_holds(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        limits = [alerts.set_alert("1", n, stops_creation=True).id for n in (1000, 2000, 9000)]
        alerts.set_alert("1", 500)
        cost("1", 3000)
        raised()

        alerts.remove_alert("1", limits[0])
        assert stopped_until("1") == JULY
        alerts.remove_alert("1", limits[1])

        assert stopped_until("1") is None
        assert raised() == 0


def test_limit_raised_above_the_total_lets_go_on(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        limit = alerts.set_alert("1", 1000, stops_creation=True).id
        cost("1", 3000)
        raised()

        alerts.change_alert("1", limit, 2999)
        assert stopped_until("1") == JULY
        alerts.change_alert("1", limit, 3001)
        assert stopped_until("1") is None
        assert raised() == 0
        cost("1", 3001)
        raised()

        assert stopped_until("1") == JULY
        assert [(amount, spent) for _, amount, spent, _ in told] == [(1000, 3000), (3001, 3001)]


def test_alert_below_the_total_is_raised_as_it_is_set(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for key in ("1", "2"):
            cost(key, 1000)

        limit = alerts.set_alert("1", 1000, stops_creation=True)
        alerts.set_alert("1", 1001, stops_creation=True)

        assert limit.raised_for == datetime(2026, 6, 1, tzinfo=UTC)
        assert (stopped_until("1"), stopped_until("2")) == (JULY, None)
        assert told == [("1", 1000, 1000, "usd")]
        assert db.session.query(Notification.alert_id).distinct().all() == [(limit.id,)]
        assert raised() == 0


def test_limit_that_is_changed_to_less_than_the_total_stops_at_once(
    app: Flask, told: list[Any]
) -> None:
    with app.app_context():
        limit = alerts.set_alert("1", 2000, stops_creation=True)
        other = alerts.set_alert("2", 2000, stops_creation=True)
        for key in ("1", "2"):
            cost(key, 1000)

        alerts.change_alert("1", limit.id, 999)
        alerts.change_alert("1", other.id, 999)

        assert (stopped_until("1"), stopped_until("2")) == (JULY, None)
        assert told == [("1", 999, 1000, "usd")]
        assert raised() == 0


def test_alert_is_set_though_it_cannot_be_told_of(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        cost("1", 1000)

        def fail(sender: Flask, **_: Any) -> None:
            raise OSError("The mail server said: ann@example.com is unknown")

        with spending_alert.connected_to(fail, sender=app):
            limit = alerts.set_alert("1", 1000, stops_creation=True)

        assert alerts.alerts_of("1") == [limit]
        assert stopped_until("1") == JULY


def test_alert_of_a_project_that_ended_is_not_raised(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        cost("1", 1000)
        ended = update(BilledProjectRow).values(ended_at=datetime(2026, 6, 15, tzinfo=UTC))
        db.session.execute(ended.where(BilledProjectRow.project_key == "1"))
        db.session.commit()

        alerts.set_alert("1", 1000)

        assert told == []


def test_alert_that_is_removed_meanwhile_is_not_raised(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        first, second = (alerts.set_alert("1", n, stops_creation=True).id for n in (1000, 2000))
        cost("1", 3000)

        def remove_second(sender: Flask, **_: Any) -> None:
            alerts.remove_alert("1", second)

        with spending_alert.connected_to(remove_second, sender=app):
            assert raised() == 1

        assert [amount for _, amount, _, _ in told] == [1000]
        assert [alert.id for alert in alerts.alerts_of("1")] == [first]


def test_one_projects_failure_does_not_stop_the_others(
    app: Flask, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000)
            cost(key, 1000)

        def fail(sender: Flask, *, project_key: str, **_: Any) -> None:
            if project_key == "1":
                raise OSError("The mail server said: ann@example.com is unknown")

        with spending_alert.connected_to(fail, sender=app):
            report = alerts.raise_due()

        assert (report.raised, report.failed) == (1, 1)
        assert "project 1 failed: OSError" in caplog.text
        assert "ann" not in caplog.text


def test_work_ends_when_it_is_asked_to(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000)
            cost(key, 1000)

        report = alerts.raise_due(stop=lambda: bool(told))

        assert (report.raised, [key for key, *_ in told]) == (1, ["1"])


def test_alert_in_another_currency_and_of_a_gone_project_waits(app: Flask, told: list[Any]) -> None:
    with app.app_context():
        for key in ("1", "2"):
            alerts.set_alert(key, 1000)
            cost(key, 1000)
        db.session.execute(update(SpendingAlert).values(currency="eur").where(_of("1")))
        gone = update(BilledProjectRow).where(BilledProjectRow.project_key == "2")
        db.session.execute(gone.values(ended_at=datetime(2026, 6, 10, tzinfo=UTC)))
        db.session.commit()

        assert raised() == 0


def _of(key: str) -> Any:
    return SpendingAlert.project_key == key


def test_alert_that_is_set_below_what_was_used_is_told_of_once_a_day(app: Flask) -> None:
    with app.app_context():
        alerts.set_alert("1", 10**9)
        cost("1", 1234)
        for amount in range(100, 105):
            alert = alerts.set_alert("1", amount)
            assert alert.raised_at is not None
            alerts.remove_alert("1", alert.id)

        told = db.session.query(Notification).all()
        assert sorted(row.role for row in told) == ["billing", "members"]


def test_alert_that_is_reached_while_another_is_set_is_told_of_all_the_same(app: Flask) -> None:
    with app.app_context():
        reached = alerts.set_alert("1", 2000)
        cost("1", 1234)
        alerts.set_alert("1", 100)
        cost("1", 2345)

        alerts.set_alert("1", 200)

        told = db.session.query(Notification).filter_by(alert_id=reached.id).all()
        assert sorted(row.role for row in told) == ["billing", "members"]
