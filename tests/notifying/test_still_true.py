"""What is not true any more is not told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from flask_billing import InvoiceCollection, SpendingAlert, alerts, clock, notifying
from flask_billing.notifying import DeliverReport
from flask_billing.periods import month_of
from tests.events.world import MovedClock, World
from tests.host import db
from tests.notifying.outbox import Box, new_invoice, new_project, note, rows

WAITING = {"state": "waiting", "first_failed_at": clock.now(), "retry_at": clock.now()}


def told(world: World, box: Box, kind: str, **changes: Any) -> bool:
    """Note something of an open invoice, let it change, and return whether it was told."""
    first = {"needs": "confirmation"} if kind == "action_required" else {}
    if kind == "past_due":
        first["state"] = "past_due"
    project = new_project(world, "ada@example.com")
    invoice = new_invoice(project, "paid" if kind == "receipt" else "open", **WAITING | first)
    note(invoice, kind)
    invoice.state = changes.pop("invoice_state", invoice.state)
    collection = db.session.get_one(InvoiceCollection, invoice.id)
    for name, value in changes.items():
        setattr(collection, name, value)
    db.session.commit()
    notifying.deliver()
    return bool(box.letters)


@pytest.mark.parametrize("kind", ["receipt", "payment_failed", "action_required", "past_due"])
def test_what_still_holds_is_told(world: World, box: Box, kind: str) -> None:
    assert told(world, box, kind)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("payment_failed", {"invoice_state": "paid", "state": "done"}),
        ("payment_failed", {"invoice_state": "void", "state": "done"}),
        ("payment_failed", {"invoice_state": "uncollectible", "state": "done"}),
        ("payment_failed", {"state": "processing"}),
        ("payment_failed", {"state": "past_due"}),
        ("payment_failed", {"state": "parked"}),
        ("action_required", {"needs": None}),
        ("action_required", {"invoice_state": "paid"}),
        ("action_required", {"state": "parked"}),
        ("past_due", {"invoice_state": "paid", "state": "done"}),
        ("past_due", {"state": "waiting"}),
        ("receipt", {"invoice_state": "open"}),
    ],
)
def test_what_changed_meanwhile_is_not_told(
    world: World, box: Box, kind: str, changes: dict[str, Any]
) -> None:
    assert not told(world, box, kind, **changes)
    assert {row.state for row in rows()} == {"skipped"}


@pytest.mark.parametrize(("days", "says"), [(3, True), (30, False)])
def test_nobody_is_asked_to_act_before_a_day_that_is_over(
    world: World, box: Box, days: int, says: bool
) -> None:
    failed = {"state": "past_due", "first_failed_at": clock.now() - timedelta(days=days)}

    assert told(world, box, "action_required", **failed)

    assert ("If it is not paid by" in box.letters[0].text) is says


def test_older_turn_of_the_same_trouble_is_not_told(
    each_world: World, moved_clock: MovedClock, box: Box
) -> None:
    one = new_invoice(new_project(each_world, "ada@example.com"), **WAITING)
    other = new_invoice(new_project(each_world, "bob@example.com"), **WAITING)
    for turn, invoice in [(0, one), (0, other), (1, one), (2, one)]:
        note(invoice, "payment_failed", turn)
        moved_clock.advance(minutes=1)

    notifying.deliver()

    assert sorted(box.emails()) == ["ada@example.com", "bob@example.com"]


# Alerts


def raised(world: World) -> tuple[str, UUID]:
    """Return a project whose one alert of 10.00 was raised in this month."""
    key = str(new_project(world, "ada@example.com").id)
    alert = alerts.set_alert(key, 1000)
    month = month_of(clock.now())
    alert.raised_for, alert.raised_at = month.start, clock.now()
    notifying.note(
        db.session,
        "spending_alert",
        f"alert-{alert.id}",
        project_key=key,
        alert_id=alert.id,
        amount=1234,
        currency="usd",
    )
    db.session.commit()
    return key, alert.id


def test_raised_alert_is_told(world: World, box: Box) -> None:
    raised(world)

    assert notifying.deliver() == DeliverReport(sent=1, skipped=1)

    [letter] = box.letters
    assert "has reached 10.00\N{NO-BREAK SPACE}USD" in letter.text
    assert "was at 12.34\N{NO-BREAK SPACE}USD" in letter.text


def test_alert_that_was_removed_is_not_told(world: World) -> None:
    alerts.remove_alert(*raised(world))

    assert notifying.deliver() == DeliverReport(skipped=2)


def test_alert_that_was_raised_above_the_month_is_not_told(world: World) -> None:
    _, alert_id = raised(world)
    db.session.get_one(SpendingAlert, alert_id).raised_for = None
    db.session.commit()

    assert notifying.deliver() == DeliverReport(skipped=2)


# Payment methods


@pytest.mark.parametrize(
    ("change", "is_told"),
    [("none", True), ("renewed", False), ("detached", False), ("left", False)],
)
def test_method_is_told_of_only_while_it_runs_out(
    world: World, box: Box, change: str, is_told: bool
) -> None:
    project = new_project(world, "ada@example.com")
    method, now = world.card(project), clock.now()
    year = now.year + (change == "renewed")
    world.stripe.v1.payment_methods.update(
        method.stripe_id, {"card": {"exp_month": now.month, "exp_year": year}}
    )
    notifying.note(
        db.session,
        "method_expiring",
        "method-1",
        billing_info_id=method.billing_info_id,
        payment_method_id=method.id,
    )
    if change == "left":
        method.leaving_at = now
    db.session.commit()
    if change == "detached":
        world.stripe.v1.payment_methods.detach(method.stripe_id)

    notifying.deliver()

    assert ("ada@example.com" in box.emails()) is is_told


def test_method_that_has_run_out_before_the_letter_is_told_of_as_such(
    world: World, box: Box, moved_clock: MovedClock
) -> None:
    project = new_project(world, "ada@example.com")
    method, now = world.card(project), clock.now()
    world.stripe.v1.payment_methods.update(
        method.stripe_id, {"card": {"exp_month": now.month, "exp_year": now.year}}
    )
    about = {"billing_info_id": method.billing_info_id, "payment_method_id": method.id}
    notifying.note(db.session, "method_expiring", "method-1", **about)
    db.session.commit()

    moved_clock.advance(seconds=(month_of(now).end - now).total_seconds())
    notifying.deliver()

    assert {letter.subject for letter in box.letters} == {"A payment method has expired"}
