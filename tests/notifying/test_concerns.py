"""Whoever looks learns what keeps people from being told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flask_billing import Notification, clock, notifying, projects
from flask_billing.state import Hooks
from tests.events.world import World
from tests.host import billing, db
from tests.notifying.outbox import new_invoice, new_project, note, rows


def setup() -> list[str]:
    return [concern.text for concern in notifying.concerns_of_setup()]


def of_rows() -> list[tuple[bool, str]]:
    connection = projects.connection()
    return [
        (concern.is_problem, concern.text.split(".")[0])
        for concern in notifying.concerns_of_rows(connection)
    ]


def test_host_that_decided_everything_has_no_concern(world: World) -> None:
    assert setup() == []


@pytest.mark.parametrize("settings", [{"BILLING_BASE_URL": None}], ids=["no address"])
def test_what_the_host_left_open_is_named(world: World) -> None:
    billing.notifier = None
    billing.members_emails(Hooks.members_emails)

    found = setup()

    assert len(found) == 3
    assert "billing.notifier" in found[0]
    assert "@billing.members_emails" in found[1]
    assert "BILLING_BASE_URL" in found[2]


def noted(world: World, **values: Any) -> None:
    """Note one for two roles, and set its rows."""
    note(new_invoice(new_project(world), "paid"), "receipt")
    db.session.query(Notification).filter(Notification.attempts == 0).update(
        {"attempts": 1, **values}
    )
    db.session.commit()


def test_late_failed_and_unclear_ones_are_counted(each_world: World) -> None:
    now = clock.now()
    noted(each_world, state="sent", ended_at=now)
    assert of_rows() == []

    noted(each_world, created_at=now - timedelta(hours=2))
    noted(each_world, state="failed", ended_at=now - timedelta(days=1))
    noted(each_world, state="failed", ended_at=now - timedelta(days=8))
    noted(each_world, state="unknown", ended_at=now)

    assert len(rows()) == 10
    assert of_rows() == [
        (True, "Notifications that have waited for over an hour: 2"),
        (True, "Notifications of the last seven days that could not be delivered: 2"),
        (
            False,
            "Notifications of the last seven days of which nobody knows whether they arrived: 2",
        ),
    ]
