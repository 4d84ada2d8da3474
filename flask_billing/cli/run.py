"""`flask billing run`: the whole of the work, time and again, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic

import click
from flask.cli import with_appcontext

from flask_billing.cli import parts
from flask_billing.cli.stopping import Asked, stop_signals
from flask_billing.cli.turns import Part, Patience, Turn
from flask_billing.heartbeats import Pulse
from flask_billing.state import current

__all__ = ["run"]

#: Seconds between two looks for rows that are old enough to be forgotten.
_PRUNE_EVERY = 3600


@click.command("run")
@click.option("--once", is_flag=True, help="Work once and end; the exit status tells of failures.")
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to rest between two sweeps.",
)
@click.option(
    "--poll",
    type=click.FloatRange(min=0.1),
    default=2,
    show_default=True,
    metavar="SECONDS",
    help="How long to rest between two looks for what is due at once.",
)
@with_appcontext
def run(once: bool, interval: float, poll: float) -> None:
    """Do all the work of billing, time and again.

    That is: process what Stripe told, close months that have ended, issue and collect their
    invoices, try again what failed, settle refunds, raise spending alerts, tell people, finish what
    was interrupted, and forget what is old. It works until it is asked to stop (SIGTERM, Ctrl-C),
    and finishes what is under way first. Any number of them may run at once. From a timer, use
    --once.
    """
    if not current().settings.enabled:
        click.echo("Billing is off: STRIPE_SECRET_KEY is not set. There is nothing to do.")
        return
    pulse = Pulse("once" if once else "run")
    with stop_signals() as asked:
        try:
            if once:
                _work_once(asked, pulse)
                return
            click.echo(
                f"Working every {interval:g} seconds, on what is due at once every {poll:g}. "
                "Ctrl-C stops."
            )
            _work_on(interval, poll, asked, pulse)
            click.echo("Stopped.")
        finally:
            pulse.stop()


def _work_once(asked: Asked, pulse: Pulse) -> None:
    turn = Turn((*parts.ALL, parts.PRUNE), asked, pulse, seconds=inf)
    turn.work()
    turn.tell()
    if not turn.is_well:
        raise SystemExit(1)


def _work_on(interval: float, poll: float, asked: Asked, pulse: Pulse) -> None:
    """Work until somebody asks to stop, and look for what is due at once more often."""
    patience = Patience(poll, interval)
    all_at = prune_at = 0.0
    while not asked():
        now = monotonic()
        due: Sequence[Part] = parts.URGENT
        is_long = now >= all_at
        if is_long:
            all_at, due = now + interval, parts.ALL
            if now >= prune_at:
                prune_at, due = now + _PRUNE_EVERY, (*parts.ALL, parts.PRUNE)
        due = [part for part in due if patience.may(part)]
        turn = Turn(due, asked, pulse)
        turn.work()
        turn.tell(quiet=not is_long)
        patience.note(due, turn.failed)
        asked.rest(0 if turn.goes_on else poll)
