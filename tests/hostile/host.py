"""The host of the storm in processes of its own: receivers and workers that may be killed.

Run as a program it starts, freezes and kills them as its standard input says, a line a command,
and answers each with a line. When its input ends, so do all of them.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import stripe
from flask import Flask
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.serving import make_server

from flask_billing import Notice, clock, events, payment_methods, sync
from flask_billing.state import current
from tests.host import billing, create_app, db
from tests.hostile.crew import HANDLERS

log = logging.getLogger(__name__)
_draws = random.Random()


class Effect(db.Model):
    """What a handler did; nothing but the extension keeps it from being done twice."""

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    handler: Mapped[str]


class Stumbled(Exception):
    """A handler failed, as the draws had it."""


@billing.on(HANDLERS["steady"], name="steady")
def steady(notice: Notice) -> None:
    db.session.add(Effect(event_id=notice.id, handler="steady"))
    if _draws.random() < 0.05:
        time.sleep(_draws.uniform(0, 2))


@billing.on(HANDLERS["stumbling"], name="stumbling")
def stumbling(notice: Notice) -> None:
    db.session.add(Effect(event_id=notice.id, handler="stumbling"))
    db.session.flush()
    if _draws.random() < 0.2:
        raise Stumbled


@billing.on(HANDLERS["watching"], name="watching")
def watching(notice: Notice) -> None:
    db.session.add(Effect(event_id=notice.id, handler="watching"))


def receive(app: Flask, options: dict[str, Any]) -> None:
    """Serve on the socket that all receivers share."""
    server = make_server("127.0.0.1", 0, app, threaded=True, fd=options["socket"])
    server.serve_forever()


def work(app: Flask, options: dict[str, Any]) -> None:
    """Process events until killed, and sweep now and then."""
    while True:
        with app.app_context():
            events.process(limit=_draws.randrange(1, 20))
            if _draws.random() < 0.02:
                payment_methods.sweep()
        time.sleep(0.02)


ROLES: dict[str, Callable[[Flask, dict[str, Any]], None]] = {"receive": receive, "work": work}


def dawdle(chance: float, longest: float) -> None:
    """Let some answers of the processor take long on their way back."""
    request = stripe.RequestsClient.request

    def slowly(*args: Any, **kwargs: Any) -> Any:
        answer = request(*args, **kwargs)
        if _draws.random() < chance:
            time.sleep(_draws.uniform(0, longest))
        return answer

    stripe.RequestsClient.request = slowly  # type: ignore[method-assign]
    stripe.HTTPClient.INITIAL_DELAY = 0


def stamp_late() -> None:
    """Break the rule that the storm is to prove: take the stamp after the answer."""
    ask = sync.ask

    def ask_first(stripe_id: str) -> sync.Answer:
        answer = ask(stripe_id)
        return replace(answer, stamp=sync.take_stamp())

    sync.ask = ask_first


def main(options: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    stripe.enable_telemetry = False
    dawdle(*options["dawdling"])
    if options["stamp"] == "after":
        stamp_late()
    app = create_app(options["database"], **options["config"])
    with app.app_context():
        db.create_all()
        # What is loaded and compiled now is there in everybody who is forked.
        events.process()
        payment_methods.sweep()
        current().gateway.api_version  # noqa: B018
        # No connection may be shared with those who are forked.
        db.engine.dispose()
    print("ready", flush=True)
    offset = Path(options["clock"])
    with clock.moved(lambda: datetime.now(UTC) + timedelta(seconds=float(offset.read_text()))):
        obey(app, options)


def obey(app: Flask, options: dict[str, Any]) -> None:
    """Start, freeze, wake or kill somebody for each line of input, and kill all at its end."""
    alive: set[int] = set()
    try:
        for line in iter(sys.stdin.readline, ""):
            command, word = line.split()
            if command == "start":
                pid = os.fork() or become(app, options, word)
                alive.add(pid)
                print(pid, flush=True)
            elif command in {"freeze", "wake"}:
                os.kill(int(word), signal.SIGSTOP if command == "freeze" else signal.SIGCONT)
                print(word, flush=True)
            else:
                alive.remove(int(word))
                print(end(int(word)), flush=True)
    finally:
        for pid in alive:
            end(pid)


def become(app: Flask, options: dict[str, Any], role: str) -> NoReturn:
    _draws.seed(f"{options['seed']} {os.getpid()}")
    try:
        ROLES[role](app, options)
    except BaseException:
        log.exception("%s ended by itself.", role)
    finally:
        os._exit(1)


def end(pid: int) -> int:
    """Kill a process; return the signal that ended it, or minus its own exit status."""
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return -os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
