"""The clock of the demo: Harbour and its local Stripe go by it, and a button puts it forward.

Nothing of it is there in an app that people use: without `DEMO_CLOCK` the time is what it is.
"""

import json
from atexit import register
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from urllib.request import Request, urlopen

from flask import Flask, current_app

from flask_billing import clock

# One at a time: what puts the time of a process aside for a while must not overlap.
_one_at_a_time = Lock()


def init_app(app: Flask) -> None:
    """Let the whole process go by the demo's clock, where there is one.

    :raises RuntimeError: The clock was to be moved of an app that talks to Stripe itself.
    """
    kept = app.config.get("DEMO_CLOCK")
    if not kept:
        return
    if not app.config.get("STRIPE_API_BASE"):
        raise RuntimeError("DEMO_CLOCK is for the demo alone: it needs STRIPE_API_BASE.")
    file = Path(kept)
    stack = ExitStack()
    stack.enter_context(clock.moved(lambda: datetime.now(UTC) + _ahead(file)))
    register(stack.close)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Do what the block does at a moment, by the clocks of both; Stripe's stays there."""
    with _one_at_a_time:
        set_stripe(moment)
        began = datetime.now(UTC)
        with clock.moved(lambda: moment + (datetime.now(UTC) - began)):
            yield


def set_stripe(moment: datetime) -> None:
    """Have the local Stripe go on from a moment."""
    request = Request(  # noqa: S310 - the demo's own local Stripe
        f"{current_app.config['STRIPE_API_BASE']}/_sandbox/clock",
        data=json.dumps({"move_to": moment.timestamp()}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=30):  # noqa: S310
        pass


def keep(moment: datetime) -> None:
    """Have every process of the demo go on from a moment, after a restart too."""
    file = Path(current_app.config["DEMO_CLOCK"])
    # The other processes read it all the time, so it must never be there by half.
    new = file.with_suffix(".new")
    new.write_text(str((moment - datetime.now(UTC)).total_seconds()))
    new.replace(file)


def _ahead(file: Path) -> timedelta:
    """Return how far the clock was put forward."""
    try:
        return timedelta(seconds=float(file.read_text()))
    except FileNotFoundError:
        return timedelta()
