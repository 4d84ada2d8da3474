"""Lets the dust settle, and says where what is left differs from the processor's truth."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, select, text

from flask_billing import PaymentMethod, SetupSession, events, payment_methods
from flask_billing.models import BillingEvent, BillingEventHandling, BillingInfo
from flask_billing.payment_methods import SweepReport
from flask_billing.sandbox import Sandbox
from tests.events.world import World
from tests.host import db
from tests.hostile.crew import SharedClock

NOTHING_LEFT = SweepReport(removed=0, completed=0, expired=0, released=0, failed=0)
#: Longer than the longest back-off and than a claim.
LONG = 7 * 3600
A_DAY = 25 * 3600
UNTRIED = BillingEvent.attempts == 0
CLAIMED = BillingEvent.claimed_by.is_not(None)
#: Real seconds; only something that is stuck takes as long.
PATIENCE = 90


def calm(sandbox: Sandbox, draws: random.Random) -> None:
    """End the trouble, and send half of what was dropped; the rest never arrives by itself."""
    sandbox.engine.faults.clear()
    sandbox.webhooks.calm()
    for event_id in sandbox.webhooks.dropped:
        if draws.random() < 0.5:
            sandbox.webhooks.resend(event_id)
    # Open pages close at the processor after a day.
    sandbox.advance(A_DAY)


def settle(sandbox: Sandbox, clock: SharedClock) -> None:
    """Move the time until nothing waits any more; replay what was given up because of faults."""
    deadline = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        clock.advance(LONG)
        sandbox.webhooks.wait(5)
        events.feed_in()
        failed = db.session.scalars(select(BillingEvent.id).where(BillingEvent.state == "failed"))
        replayed = events.replay(failed.all()) if quiet == 0 else 0
        swept = payment_methods.sweep()
        # Whoever is still at work on something after that loses the claim, and goes on.
        wait_while(UNTRIED, deadline)
        wait_while(BillingEvent.next_try_at <= clock.now(), deadline)
        still = not replayed and swept == NOTHING_LEFT and not unfinished()
        quiet = quiet + 1 if still and not sandbox.webhooks.pending else 0


def wait_while(condition: ColumnElement[bool], deadline: float) -> None:
    """Wait until no event is pending in this way."""
    left = select(func.count()).where(BillingEvent.state == "pending", condition)
    while db.session.scalar(left) and time.monotonic() < deadline:
        db.session.commit()
        time.sleep(0.05)
    db.session.commit()


def unfinished() -> list[str]:
    """Return the events that did not come to a good end."""
    rows = db.session.execute(
        select(
            BillingEvent.stripe_id,
            BillingEvent.type,
            BillingEvent.object_id,
            BillingEvent.customer_id,
            BillingEvent.state,
            BillingEvent.attempts,
            BillingEvent.error_class,
            BillingEvent.error_code,
        ).where(BillingEvent.state.not_in(["processed", "ignored"]))
    )
    found = [" ".join(map(str, row)) for row in rows]
    db.session.commit()
    return found


def wrong_rows(world: World) -> list[str]:
    """Return where our rows say something else than the processor."""
    found = world.differences()
    for row in db.session.scalars(select(PaymentMethod)):
        gone = row.removed_at is not None
        if gone and (row.usable or row.position is not None):
            found.append(f"{row.stripe_id} is gone, but usable or in the order")
        if gone != (world.stripe.v1.payment_methods.retrieve(row.stripe_id).customer is None):
            found.append(f"{row.stripe_id}: removed is {gone}, unlike at the processor")
        if row.leaving_at is not None and not gone:
            found.append(f"{row.stripe_id} is still leaving")
    return found


def stranded(world: World) -> list[str]:
    """Return what was saved on a page of ours, and is no row."""
    found = []
    methods = set(db.session.scalars(select(PaymentMethod.stripe_id)))
    infos = set(db.session.scalars(select(BillingInfo.stripe_id)))
    for session in world.stripe.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter():
        if session.status != "complete":
            continue
        intent = world.stripe.v1.setup_intents.retrieve(str(session.setup_intent))
        method = world.stripe.v1.payment_methods.retrieve(str(intent.payment_method))
        if method.customer is not None and method.id not in methods:
            found.append(f"{method.id} was saved in {session.id}, and is not known")
        if method.customer is not None and session.customer not in infos:
            found.append(f"{session.customer} was made in {session.id}, and is not known")
    open_rows = select(SetupSession).where(SetupSession.open_marker == 1)
    found += [f"session {row.id} is still {row.state}" for row in db.session.scalars(open_rows)]
    return found


def wrong_effects(handlers: dict[str, str]) -> list[str]:
    """Return which handlers did not have exactly one effect for each event that is theirs."""
    effects = Counter(map(tuple, db.session.execute(text("SELECT event_id, handler FROM effect"))))
    handling = BillingEventHandling
    noted = set(map(tuple, db.session.execute(select(handling.event_id, handling.handler))))
    processed = db.session.execute(
        select(BillingEvent.id, BillingEvent.type).where(BillingEvent.state == "processed")
    )
    expected = {
        (event_id, name)
        for event_id, event_type in processed
        for name, pattern in handlers.items()
        if event_type.startswith(pattern[:-1])
    }
    found = [f"{name} ran {n} times for {e}" for (e, name), n in effects.items() if n > 1]
    found += [f"{name} never ran for {e}" for e, name in expected - effects.keys()]
    found += [f"{name} ran for {e} without a note" for e, name in effects.keys() - noted]
    return found


#: What may go wrong on the way: the processor's trouble, what vanishes between two calls, a parent
#: that comes later, a handler.
ORDINARY = {"GatewayError", "GatewayRefusal", "GatewayUnavailable", "NotYet", "Stumbled"}
_KIND = re.compile(
    r"(?:processed|Sweeping \S+ failed|failed on event \S+|could not be stored): (\w+)"
)


def surprising_errors(log: str) -> Counter[str]:
    """Count the kinds of errors that processing met beside the ordinary ones."""
    kinds = Counter(_KIND.findall(log))
    kinds["Traceback"] = log.count("Traceback")
    return Counter({kind: n for kind, n in kinds.items() if n and kind not in ORDINARY})


def story(text: str) -> Iterable[str]:
    """Return what we were told of the objects that `text` names, in the order of arrival."""
    for object_id in sorted(set(re.findall(r"\b(?:pm|cus|cs|mandate|seti)_\w+", text)))[:5]:
        rows = db.session.scalars(
            select(BillingEvent)
            .where((BillingEvent.object_id == object_id) | (BillingEvent.stripe_id == object_id))
            .order_by(BillingEvent.created_at, BillingEvent.stripe_id)
        )
        yield f"The story of {object_id}:"
        for row in rows:
            yield (
                f"  {row.created_at:%H:%M:%S} {row.type}, arrived {row.received_at:%d %H:%M:%S}, "
                f"{row.state} ({row.reason}) after {row.attempts} tries, customer {row.customer_id}"
            )
