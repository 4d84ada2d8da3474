"""`flask billing run`: finishes, time and again, what was interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from queue import Empty, SimpleQueue

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import clock, payment_methods
from flask_billing.errors import BillingError
from flask_billing.state import current

__all__ = ["run"]


@click.command("run")
@click.option("--once", is_flag=True, help="Work once and end; the exit status tells of failures.")
@click.option(
    "--interval",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to rest between two rounds.",
)
@with_appcontext
def run(once: bool, interval: float) -> None:
    """Finish what was interrupted.

    That is: stays on the payment page, removals and holds. It works until it is asked to stop
    (SIGTERM, Ctrl-C) and finishes the round under way first. Any number of them may run at once.
    From a timer, use --once.
    """
    if not current().settings.enabled:
        click.echo("Billing is off: STRIPE_SECRET_KEY is not set. There is nothing to do.")
        return
    if once:
        if not work():
            raise SystemExit(1)
        return
    with stop_signals() as asked:
        click.echo(f"Working every {interval:g} seconds. Ctrl-C stops.")
        work()
        while rested(interval, asked):
            work()
        click.echo("Stopped.")


def work() -> bool:
    """Do one round, tell what it did, and return whether all of it succeeded."""
    try:
        # A context of its own gives each round a database session of its own.
        with current_app.app_context():
            report = payment_methods.sweep()
    except (BillingError, SQLAlchemyError) as error:
        # A database error's text holds the statement and its parameters.
        reason = str(error) if isinstance(error, BillingError) else type(error).__name__
        say(f"failed: {reason} ('flask billing check' may tell more)", is_error=True)
        return False
    done = {name: count for name, count in asdict(report).items() if count}
    say(", ".join(f"{count} {name}" for name, count in done.items()) or "nothing to do")
    return not report.failed


def say(text: str, *, is_error: bool = False) -> None:
    """Print a line that begins with the time."""
    moment = clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
    click.echo(f"{moment} {text}", err=is_error)


def rested(seconds: float, asked: SimpleQueue[int]) -> bool:
    """Wait, and return whether that time passed without being asked to stop."""
    try:
        asked.get(timeout=seconds)
    except Empty:
        return True
    return False


@contextmanager
def stop_signals() -> Iterator[SimpleQueue[int]]:
    """Put SIGTERM and SIGINT into a queue while the block runs."""
    # The one way to tell another place from a signal handler that cannot lock itself out.
    asked: SimpleQueue[int] = SimpleQueue()
    before = {
        number: signal.signal(number, lambda received, _frame: asked.put(received))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
