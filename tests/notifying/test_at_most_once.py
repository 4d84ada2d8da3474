"""Nobody gets a notification twice: not from two workers, not after a kill, not from a slow one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from flask_billing import notifying
from tests.at_once import at_once
from tests.events.world import MovedClock, World
from tests.host import db
from tests.notifying.outbox import Box, Members, receipt, rows, states


class Killed(BaseException):
    """What a process sees of being killed is nothing; no handler of errors may catch it."""


class Boundaries:
    """Counts the moments between two steps, and kills at one of them."""

    def __init__(self, fatal: int) -> None:
        self.left = fatal

    def passed(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@contextmanager
def killed_at(boundaries: Boundaries, box: Box, members: Members) -> Iterator[None]:
    """Pass a boundary before and after each commit, and each call that can't be taken back."""
    box.before = box.after = members.before = boundaries.passed
    event.listen(Session, "before_commit", boundaries.passed)
    event.listen(Session, "after_commit", boundaries.passed)
    try:
        yield
    finally:
        event.remove(Session, "before_commit", boundaries.passed)
        event.remove(Session, "after_commit", boundaries.passed)
        box.before = box.after = members.before = lambda: None


def test_a_kill_between_any_two_steps_never_sends_twice(
    each_world: World, moved_clock: MovedClock, box: Box, members: Members
) -> None:
    fatal, was_killed, ends = 0, True, set()

    while was_killed:
        fatal += 1
        invoice_id = receipt(each_world, "ada@example.com", "bob@example.com").id
        boundaries = Boundaries(fatal)
        with killed_at(boundaries, box, members):
            try:
                notifying.deliver()
            except Killed:
                db.session.remove()
        was_killed = boundaries.left <= 0
        moved_clock.advance(hours=3)
        notifying.deliver()
        [to_members] = [
            row for row in rows() if row.role == "members" and row.invoice_id == invoice_id
        ]
        got = [letter.email for letter in box.letters if letter.invoice_id == invoice_id]
        ends.add((to_members.state, tuple(got)))

    both = ("ada@example.com", "bob@example.com")
    assert ends == {("sent", both), ("unknown", ()), ("unknown", both)}
    assert set(box.counts().values()) == {1}
    assert {row.state for row in rows()} == {"sent", "unknown", "skipped"}
    assert fatal > 6


@pytest.mark.concurrency
def test_two_workers_at_once_send_each_once(crowded: World, box: Box) -> None:
    for number in range(12):
        receipt(crowded, f"ada{number}@example.com", billing_email=f"pay{number}@example.com")

    reports = at_once(crowded.app, *[notifying.deliver] * 3)
    left = notifying.deliver()

    # Who found the other letter on its way leaves this one to the next time.
    assert sum(report.sent for report in [*reports, left]) == 24
    assert sorted(box.emails()) == sorted(
        f"{who}{number}@example.com" for number in range(12) for who in ("ada", "pay")
    )
    assert {row.state for row in rows()} == {"sent"}


def elsewhere(world: World, act: Callable[[], Any]) -> Any:
    """Do something as another process would, and return what came of it."""
    [came] = at_once(world.app, act)
    if isinstance(came, BaseException):
        raise came
    return came


@pytest.mark.concurrency
def test_worker_that_looked_up_recipients_for_too_long_sends_nothing(
    crowded: World, moved_clock: MovedClock, box: Box, members: Members
) -> None:
    receipt(crowded, "ada@example.com")
    others = []

    def hesitate() -> None:
        members.before = lambda: None
        moved_clock.advance(minutes=11)
        others.append(elsewhere(crowded, notifying.deliver))

    members.before = hesitate
    ours = notifying.deliver()

    assert [report.sent for report in others] == [1]
    assert ours.sent == 0
    assert box.emails() == ["ada@example.com"]


@pytest.mark.concurrency
def test_worker_that_sends_for_too_long_still_says_how_it_ended(
    crowded: World, moved_clock: MovedClock, box: Box
) -> None:
    receipt(crowded, "ada@example.com")
    between = []

    def hesitate() -> None:
        box.after = lambda: None
        moved_clock.advance(hours=2)
        between.append((elsewhere(crowded, notifying.deliver).unknown, states()["members"]))

    box.after = hesitate
    report = notifying.deliver()

    assert between == [(1, "unknown")]
    assert report.sent == 1
    assert states()["members"] == "sent"
    assert box.emails() == ["ada@example.com"]
