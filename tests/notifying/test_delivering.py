"""Who is told is found out at the moment of sending; what can't be sent now is sent later."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from flask_billing import BillingInfo, NotTaken, Recipient, clock, notifying
from flask_billing.notifying import DeliverReport
from tests.events.world import MovedClock, World, statements
from tests.host import Project, billing, db
from tests.notifying.outbox import (
    Box,
    Members,
    new_invoice,
    new_project,
    note,
    receipt,
    rows,
    states,
)

CANARY = "kanary@example.com"


def fails(error: BaseException) -> Any:
    """Return something to do first that raises."""

    def fail() -> None:
        raise error

    return fail


# Who


def test_members_and_billing_email_are_told(each_world: World, box: Box) -> None:
    receipt(each_world, "ada@example.com", "bob@example.com", billing_email="pay@example.com")
    receipt(each_world, "cem@example.com")

    report = notifying.deliver()

    assert report == DeliverReport(sent=3, skipped=1)
    assert sorted(box.emails()) == [f"{who}@example.com" for who in ("ada", "bob", "cem", "pay")]
    assert notifying.deliver() == DeliverReport()
    assert len(box.letters) == 4


def test_billing_email_of_a_member_is_told_once(world: World, box: Box) -> None:
    receipt(world, "ada@example.com", "bob@example.com", billing_email="Ada@Example.com")

    notifying.deliver()

    assert box.emails() == ["ada@example.com", "bob@example.com"]
    assert states() == {"members": "sent", "billing": "skipped"}


def test_billing_email_is_told_where_the_members_were_not(world: World, box: Box) -> None:
    receipt(world, "ada@example.com", billing_email="ada@example.com")
    box.before = fails(NotTaken("refused", for_good=True))

    notifying.deliver(limit=1)
    box.before = lambda: None
    notifying.deliver()

    assert states() == {"members": "failed", "billing": "sent"}
    assert box.emails() == ["ada@example.com"]


def test_billing_letter_waits_for_the_members_letter(
    each_world: World, moved_clock: MovedClock, box: Box
) -> None:
    receipt(each_world, "ada@example.com", billing_email="ada@example.com")
    box.before = fails(NotTaken("connection"))

    assert notifying.deliver() == DeliverReport(retried=1)
    assert notifying.deliver() == DeliverReport()

    box.before = lambda: None
    moved_clock.advance(minutes=2)
    assert notifying.deliver() == DeliverReport(sent=1, skipped=1)
    assert box.emails() == ["ada@example.com"]


def test_nobody_to_tell_is_no_failure(world: World, box: Box) -> None:
    receipt(world)
    gone = new_project(world, billing_email="pay@example.com")
    note(new_invoice(gone, "paid", state="done"), "receipt")
    db.session.get_one(BillingInfo, gone.billing_info_id).removed_at = clock.now()
    db.session.commit()

    assert notifying.deliver() == DeliverReport(skipped=4)
    assert box.letters == []


def test_project_that_is_gone_gets_its_last_receipt(each_world: World, box: Box) -> None:
    kept = receipt(each_world, "bob@example.com")
    gone = receipt(each_world, "ada@example.com", billing_email="pay@example.com")
    db.session.delete(db.session.get_one(Project, int(gone.project_key)))
    db.session.commit()

    notifying.deliver()

    told = [(letter.invoice_id, letter.email) for letter in box.letters]
    assert sorted(told, key=str) == sorted(
        [(kept.id, "bob@example.com"), (gone.id, "ada@example.com"), (gone.id, "pay@example.com")],
        key=str,
    )


def test_method_of_several_projects_is_told_to_each_with_its_own_page(
    world: World, box: Box, members: Members
) -> None:
    project = new_project(world, "ada@example.com", "bob@example.com")
    method = world.card(project)
    other = new_project(world, "Bob@example.com", "cem@example.com")
    other.billing_info = project.billing_info
    db.session.commit()
    card = world.stripe.v1.payment_methods.retrieve(method.stripe_id).card
    assert card is not None
    now = clock.now()
    world.stripe.v1.payment_methods.update(
        method.stripe_id, {"card": {"exp_month": now.month, "exp_year": now.year}}
    )

    notifying.note(
        db.session,
        "method_expiring",
        "method-1",
        billing_info_id=method.billing_info_id,
        payment_method_id=method.id,
    )
    db.session.commit()
    notifying.deliver()

    told = {letter.email: letter.text for letter in box.letters}
    people = {"ada@example.com", "bob@example.com", "cem@example.com"}
    assert people <= told.keys()
    assert f"/projects/{project.id}/billing" in told["bob@example.com"]
    assert f"/projects/{other.id}/billing" in told["cem@example.com"]
    assert f"ending in {card.last4}" in told["ada@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "Ada <ada@example.com>",
        "ada lovelace@example.com",
    ],
)
def test_address_that_is_none_is_left_out_and_not_logged(
    world: World, box: Box, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    receipt(world, address, "bob@example.com")

    notifying.deliver()

    assert box.emails() == ["bob@example.com"]
    assert "can be written to: 1" in caplog.text
    assert "example.com" not in caplog.text


def test_one_text_for_several_addresses_is_a_mistake_that_is_seen(
    world: World, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    receipt(world, "ada@example.com")
    billing.members_emails(lambda key: "ada@example.com")

    assert notifying.deliver() == DeliverReport(retried=1)
    assert box.letters == []
    assert "TypeError" in caplog.text


# Later


def test_processor_that_does_not_answer_puts_the_billing_letter_off(
    world: World, moved_clock: MovedClock, box: Box
) -> None:
    receipt(world, "ada@example.com", billing_email="pay@example.com")
    world.sandbox.begin_outage()

    assert notifying.deliver() == DeliverReport(sent=1, retried=1)

    world.sandbox.end_outage()
    moved_clock.advance(minutes=2)
    assert notifying.deliver() == DeliverReport(sent=1)
    assert box.emails() == ["ada@example.com", "pay@example.com"]


def test_what_is_refused_is_tried_ever_later_and_given_up(
    each_world: World, moved_clock: MovedClock, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    receipt(each_world, "ada@example.com")
    box.before = fails(NotTaken("connection"))
    delays: list[timedelta] = []

    while states()["members"] == "pending":
        notifying.deliver(limit=1)
        due = rows()[0].next_try_at
        if due is not None:
            delays.append(due - clock.now())
            moved_clock.ahead += due - clock.now()

    full = [min(timedelta(minutes=4**n), timedelta(hours=6)) for n in range(len(delays))]
    assert len(delays) in {11, 12}
    pairs = zip(delays, full, strict=True)
    assert all(most * 0.79 <= delay <= most * 1.01 for delay, most in pairs)
    # An outage of more than a day is outlasted.
    assert sum(delays, timedelta()) >= timedelta(hours=36)
    failed = rows()[0]
    assert (failed.state, failed.error_class, failed.next_try_at) == ("failed", "connection", None)
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_unclear_outcome_is_not_tried_again(
    each_world: World, moved_clock: MovedClock, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    receipt(each_world, "ada@example.com")
    box.after = fails(TimeoutError(CANARY))

    assert notifying.deliver() == DeliverReport(unknown=1, skipped=1)

    box.after = lambda: None
    moved_clock.advance(days=2)
    assert notifying.deliver() == DeliverReport()
    assert rows()[0].error_class == "TimeoutError"
    assert CANARY not in caplog.text


def test_failing_host_does_not_keep_others_waiting(
    world: World, moved_clock: MovedClock, box: Box, members: Members
) -> None:
    receipt(world, "ada@example.com", billing_email="pay@example.com")
    members.before = fails(LookupError(CANARY))
    assert notifying.deliver() == DeliverReport(retried=1)
    members.before = lambda: None
    receipt(world, "bob@example.com")

    assert notifying.deliver() == DeliverReport(sent=1, skipped=1)
    moved_clock.advance(minutes=2)
    assert notifying.deliver() == DeliverReport(sent=2)


def test_billing_email_is_told_in_the_end_though_nobody_says_who_the_members_are(
    world: World, moved_clock: MovedClock, box: Box, members: Members
) -> None:
    receipt(world, "ada@example.com", billing_email="ada@example.com")
    notifying.deliver(limit=1)
    members.before = fails(LookupError(CANARY))

    while states()["billing"] == "pending":
        notifying.deliver()
        moved_clock.advance(hours=7)

    assert box.emails() == ["ada@example.com", "ada@example.com"]
    assert rows()[1].attempts == 12


def test_worker_that_dies_every_time_is_given_up(
    world: World, moved_clock: MovedClock, members: Members
) -> None:
    receipt(world, "ada@example.com")
    members.before = fails(KeyboardInterrupt())

    for _ in range(24):
        with pytest.raises(KeyboardInterrupt):
            notifying.deliver()
        db.session.remove()
        moved_clock.advance(minutes=11)

    assert notifying.deliver() == DeliverReport(failed=1, skipped=1)
    assert rows()[0].error_class == "Abandoned"


def test_workers_that_die_leave_enough_tries_for_a_long_outage(
    world: World, moved_clock: MovedClock, box: Box, members: Members
) -> None:
    receipt(world, "ada@example.com")
    members.before = fails(KeyboardInterrupt())
    for _ in range(8):
        with pytest.raises(KeyboardInterrupt):
            notifying.deliver(limit=1)
        db.session.remove()
        moved_clock.advance(minutes=11)
    members.before = fails(LookupError(CANARY))
    for _ in range(9):
        notifying.deliver(limit=1)
        moved_clock.advance(hours=3)

    members.before = lambda: None
    moved_clock.advance(hours=3)
    notifying.deliver()

    assert rows()[0].attempts > 12
    assert (states()["members"], box.emails()) == ("sent", ["ada@example.com"])


def test_stop_and_limit_leave_the_rest_for_later(world: World, box: Box) -> None:
    for who in ("ada", "bob", "cem"):
        receipt(world, f"{who}@example.com")

    assert notifying.deliver(stop=lambda: True) == DeliverReport()
    assert notifying.deliver(limit=2) == DeliverReport(sent=1, skipped=1)
    assert notifying.deliver() == DeliverReport(sent=2, skipped=2)


def test_letters_are_sent_outside_of_any_transaction(world: World, box: Box) -> None:
    receipt(world, "ada@example.com", billing_email="pay@example.com")
    open_ones: list[bool] = []
    box.before = lambda: open_ones.append(db.session().in_transaction())

    notifying.deliver()

    assert open_ones == [False, False]


def test_letter_takes_few_statements(world: World, box: Box) -> None:
    receipt(world, *[f"ada{number}@example.com" for number in range(20)])

    with statements() as sent:
        notifying.deliver(limit=1)

    assert len(box.letters) == 20
    assert len(sent) <= 8


def test_nothing_of_a_person_is_kept_or_logged(
    world: World, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=world.app.logger.name)
    billing.notifier = None
    receipt(world, CANARY, billing_email="kanary2@example.com")
    box.before = fails(NotTaken("connection"))

    assert notifying.deliver() == DeliverReport(sent=2)

    lines = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert len([line for line in lines if "(receipt)" in line and "1 recipients" in line]) == 2
    assert "kanary" not in caplog.text
    kept = [str(vars(row)) for row in rows()]
    assert len(kept) == 2
    assert "kanary" not in "".join(kept)
    assert "kanary" not in repr(Recipient(CANARY))


@pytest.mark.parametrize("settings", [{"STRIPE_SECRET_KEY": None}], ids=["off"])
def test_nothing_is_sent_while_billing_is_off(world: World) -> None:
    assert notifying.deliver() == DeliverReport()
