"""`flask billing run`: processes events, and finishes what was interrupted, time and again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import monotonic

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import alerts, clock, events, invoicing, payment_methods
from flask_billing.cli.moments import written
from flask_billing.cli.stopping import Asked, stop_signals
from flask_billing.errors import BillingError
from flask_billing.state import current

__all__ = ["run"]

#: Does part of the work, and returns how many things came to which end.
Part = Callable[[], dict[str, int]]

#: Seconds between two looks for events that are old enough to be forgotten.
_PRUNE_EVERY = 3600
#: The counts that make a round one that needs another.
TROUBLE = ("failed", "alerts failed", "events failed", "events retried", "projects parked")
EVENTS = ("events processed", "events ignored", "events retried", "events failed")
#: How many events are processed before the rest of the work gets its turn.
_BATCH = 100


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
    help="How long to rest between two looks for events.",
)
@with_appcontext
def run(once: bool, interval: float, poll: float) -> None:
    """Process events and finish what was interrupted.

    That is: what Stripe told, stays on the payment page, removals and holds; it closes months that
    have ended, raises spending alerts and forgets old events. It works until it is asked to stop
    (SIGTERM, Ctrl-C), and finishes what is under way first. Any number of them may run at once.
    From a timer, use --once.
    """
    if not current().settings.enabled:
        click.echo("Billing is off: STRIPE_SECRET_KEY is not set. There is nothing to do.")
        return
    if once:
        if not Round([process_all, sweep, raise_alerts, prune, close_months]).work():
            raise SystemExit(1)
        return
    with stop_signals() as asked:
        click.echo(f"Working every {interval:g} seconds, on events every {poll:g}. Ctrl-C stops.")
        work_on(interval, poll, asked)
        click.echo("Stopped.")


class Round:
    """One round of work: what it did, and whether it is to be told when that was nothing."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        quiet: bool = False,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.parts = parts
        self.quiet = quiet
        self.stop = stop
        self.counts: dict[str, int] = {}
        self.broke_off = False

    def work(self) -> bool:
        """Do the parts, tell what they did, and return whether all of it succeeded."""
        try:
            # A context of its own gives each round a database session of its own.
            with current_app.app_context():
                for part in self.parts:
                    if not self.stop():
                        self.counts |= part()
        except (BillingError, SQLAlchemyError) as error:
            # A database error's text holds the statement and its parameters.
            reason = str(error) if isinstance(error, BillingError) else type(error).__name__
            self.broke_off = True
            say(f"failed: {reason} ('flask billing check' may tell more)", is_error=True)
            return False
        done = ", ".join(counted(count, name) for name, count in self.counts.items() if count)
        if done or not self.quiet:
            say(done or "nothing to do")
        return not any(self.counts.get(name) for name in TROUBLE)


def work_on(interval: float, poll: float, asked: Asked) -> None:
    """Work until somebody asks to stop, and look for events more often than for all the rest."""

    def process() -> dict[str, int]:
        return of_events(events.process(limit=_BATCH, stop=asked))

    def watch() -> dict[str, int]:
        return raise_alerts(asked)

    def close() -> dict[str, int]:
        return close_months(asked)

    sweep_at = prune_at = 0.0
    pause = poll
    while not asked():
        now = monotonic()
        parts: list[Part] = [process]
        if now >= sweep_at:
            parts += [sweep, watch, close]
            sweep_at = now + interval
        if now >= prune_at:
            parts.append(prune)
            prune_at = now + _PRUNE_EVERY
        this = Round(parts, quiet=sweep not in parts, stop=asked)
        this.work()
        # What can't work at all, such as without a database, is not tried every moment.
        pause = min(pause * 2, max(interval, poll)) if this.broke_off else poll
        asked.rest(0 if sum(this.counts.get(name, 0) for name in EVENTS) >= _BATCH else pause)


def process_all() -> dict[str, int]:
    """Process every event that is due."""
    return of_events(events.process())


def of_events(report: events.ProcessReport) -> dict[str, int]:
    """Return what became of events, in words that tell them from what else is counted."""
    return {f"events {name}": count for name, count in asdict(report).items()}


def sweep() -> dict[str, int]:
    """Finish what was interrupted."""
    return asdict(payment_methods.sweep())


def raise_alerts(stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Raise the spending alerts that are reached."""
    report = alerts.raise_due(stop=stop)
    return {f"alerts {name}": count for name, count in asdict(report).items()}


def close_months(stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Close the months that have ended."""
    report = invoicing.close(stop=stop)
    return {
        "periods closed": report.closed,
        "projects parked": report.parked,
        "projects locked for long": report.busy,
    }


def prune() -> dict[str, int]:
    """Forget old events."""
    return {"old events forgotten": events.prune()}


def counted(count: int, name: str) -> str:
    """Return a count in words."""
    if count == 1:
        name = re.sub(r"^(event|alert|period|project)s", r"\1", name)
    return f"{count} {name}"


def say(text: str, *, is_error: bool = False) -> None:
    """Print a line that begins with the time."""
    click.echo(f"{written(clock.now())} {text}", err=is_error)
