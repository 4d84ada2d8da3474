"""Goes through long work: shows how far it is, and where to go on when it is broken off."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import click
from sqlalchemy.exc import SQLAlchemyError

from flask_billing.cli.conditions import reason_of
from flask_billing.errors import BillingError, UnknownProject
from flask_billing.reconciling import Difference, Look, Walk

__all__ = ["Tally", "after_option", "go_through", "rate_option"]

after_option = click.option(
    "--after",
    metavar="ID",
    help="Go on behind this; a run that was broken off tells where.",
)
rate_option = click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="CALLS",
    help="Calls to Stripe a second, at most.",
)


@dataclass
class Tally:
    """How many things of which kind were looked at, and how many differences were fixed or left."""

    looked: Counter[str] = field(default_factory=Counter)
    fixed: int = 0
    left: int = 0

    def add(self, name: str, look: Look) -> None:
        """Count one look."""
        fixed = sum(difference.fixed for difference in look.differences)
        self.looked[name] += 1
        self.fixed += fixed
        self.left += len(look.differences) - fixed

    def __str__(self) -> str:
        """Return what was looked at, in words."""
        things = [f"{name} ({count})" for name, count in self.looked.items()]
        return f"Looked at {', '.join(things) or 'nothing'}."


def go_through(
    walks: Iterable[Walk], line_of: Callable[[Difference], str], after: str | None
) -> Tally:
    """Take all walks, and print a line for each difference.

    :param after: Where the command was told to begin.
    :raises click.ClickException: It was broken off; the message says where to go on.
    :raises UnknownProject: There is nowhere to go on.
    """
    tally, place = Tally(), after
    try:
        with _interruptible():
            for walk in walks:
                with _shown(walk) as looks:
                    for look in looks:
                        tally.add(walk.name, look)
                        _print([line_of(difference) for difference in look.differences])
                        place = look.place
    except KeyboardInterrupt:
        reason = "Interrupted."
    except UnknownProject:
        raise
    except (BillingError, SQLAlchemyError) as error:
        reason = reason_of(error)
    else:
        return tally
    again = "Begin again." if place is None else f"Go on with --after {place}"
    raise click.ClickException(f"{reason}\n{again}")


def _shown(walk: Walk) -> AbstractContextManager[Iterable[Look]]:
    """Return the looks of a walk, with a bar where a person watches."""
    if not sys.stderr.isatty():
        return nullcontext(walk.looks)
    return click.progressbar(
        walk.looks, length=walk.total, label=walk.name, show_pos=True, file=sys.stderr
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        if sys.stderr.isatty():
            # Takes the bar off its line; it is drawn again below.
            click.echo("\r\x1b[2K", nl=False, err=True)
        click.echo(line)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGTERM break the block off as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
