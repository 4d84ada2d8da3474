"""Says whether what Stripe tells arrives here, and is dealt with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from sqlalchemy import Connection, func, select

from flask_billing import clock
from flask_billing.cli.endpoints import at_address, faults, own_address
from flask_billing.cli.event_types import needed
from flask_billing.cli.findings import Finding
from flask_billing.cli.moments import written
from flask_billing.errors import GatewayError
from flask_billing.models import BillingEvent
from flask_billing.state import State

__all__ = ["of_endpoint", "of_events"]

#: For how long it may be silent, and for how long an event may wait.
SILENCE = timedelta(days=7)
PATIENCE = timedelta(hours=1)
#: After how many tries something is wrong: one that came too early passes by the second.
OFTEN = 3


def of_endpoint(state: State) -> Iterator[Finding]:
    """Say whether Stripe sends here, and what; makes one call where it can."""
    grave = "problem" if state.settings.livemode else "hint"
    if not state.settings.webhook_secrets:
        yield Finding(
            grave,
            "STRIPE_WEBHOOK_SECRET is not set: nobody is told of changes at Stripe. 'flask billing "
            "webhook-endpoint create' makes one.",
        )
        return
    try:
        address = own_address(state)
        found = at_address(state, address)
    except click.ClickException:
        return
    except GatewayError as error:
        yield Finding("hint", f"Stripe does not tell where it sends events to: {error}")
        return
    if not found:
        yield Finding(
            grave,
            f"Stripe sends nothing to {address}. Run 'flask billing webhook-endpoint create'.",
        )
        return
    wrong = list(faults(found[0], needed(), state.gateway.api_version))
    yield from wrong
    if not wrong:
        yield Finding("ok", f"Stripe sends its events to {address}.")


def of_events(state: State, connection: Connection) -> Iterator[Finding]:
    """Say whether events arrive, wait for long, or fail."""
    ours = BillingEvent.livemode == state.settings.livemode
    newest = connection.scalar(select(func.max(BillingEvent.received_at)).where(ours))
    if state.settings.webhook_secrets:
        yield _of_arrival(newest)
    failed = select(func.count(BillingEvent.id)).where(ours, BillingEvent.state == "failed")
    waiting = select(func.count(BillingEvent.id)).where(
        ours,
        BillingEvent.state == "pending",
        BillingEvent.next_try_at < clock.now() - PATIENCE,
    )
    in_vain = select(func.count(BillingEvent.id)).where(
        ours, BillingEvent.state == "pending", BillingEvent.attempts >= OFTEN
    )
    failing, late = connection.scalar(failed), connection.scalar(waiting)
    trying = connection.scalar(in_vain)
    if failing:
        yield Finding(
            "problem",
            f"Events that failed for good: {failing}. See 'flask billing events list --state "
            "failed', then repeat them with 'flask billing events replay --state failed'.",
        )
    if late:
        yield Finding(
            "problem",
            f"Events that have been due for over an hour: {late}. See that 'flask billing run' is "
            "always at work.",
        )
    if trying:
        yield Finding(
            "problem",
            f"Events tried in vain at least {OFTEN} times: {trying}. 'flask billing events list "
            "--state pending' says what they fail by.",
        )
    if not failing and not late and not trying:
        yield Finding("ok", "No event has failed, and none has been due for over an hour.")


def _of_arrival(newest: datetime | None) -> Finding:
    if newest is None:
        return Finding("hint", "No event has ever arrived from Stripe.")
    if newest < clock.now() - SILENCE:
        return Finding(
            "hint",
            f"No event has arrived since {written(newest)}. 'flask billing webhook-endpoint check' "
            "may tell why; 'flask billing events replay --from-stripe' fetches what is missing.",
        )
    return Finding("ok", f"Events arrive; the last one did at {written(newest)}.")
