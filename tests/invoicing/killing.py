"""Closes from four processes at once, and kills them at random points; a program of its own."""

from __future__ import annotations

import os
import random
import signal
import sys
from datetime import timedelta
from decimal import Decimal
from time import monotonic, sleep
from typing import NoReturn

from flask import Flask
from sqlalchemy.exc import OperationalError

from flask_billing import invoicing
from flask_billing.invoicing import closing
from tests.host import create_app, db
from tests.invoicing.books import (
    SETTINGS,
    at,
    credit,
    discount,
    new_project,
    now,
    record,
    set_row,
    usage,
)

PROCESSES = 4
KILLS = 24
#: When all of it is due.
LATE = at(9, 5)
PROJECTS = 24


def write_books() -> None:
    """Projects with three months of all that closing knows, the same ones each time."""
    dice = random.Random(7)
    for number in range(PROJECTS):
        key = new_project(at(6) + timedelta(hours=dice.randrange(24 * 20)))
        start = at(6, 21)
        for _ in range(dice.randrange(4)):
            end = start + timedelta(seconds=dice.randrange(86_400 * 30))
            record(key, start, end, quantity=dice.randrange(1, 9))
            start = end
        record(key, start, rate="machine.large")
        usage(key, at(7, dice.randrange(1, 30)), dice.randrange(100, 400_000))
        usage(key, at(8, 2), Decimal(dice.randrange(1, 90)))
        credit(key, dice.randrange(100, 9000), at(6, 30), expires=at(8, dice.randrange(1, 30)))
        discount(key, dice.randrange(1, 50), at(7, dice.randrange(1, 30)))
        if number % 5 == 0:
            set_row(key, ended_at=at(8, 14), carried=number)
        if number % 7 == 0:
            with now(at(7, 3)) if number % 5 else now(at(6, 30)):
                _adjust(key, number)


def _adjust(key: str, number: int) -> None:
    if number % 5:
        invoicing.adjust(key, 730 - 100 * number, reason="outage")


def main(url: str) -> None:
    """Write the books, and close them from processes that die; prints how many were killed."""
    app = create_app(url, **SETTINGS)
    with app.app_context():
        db.create_all()
        write_books()
        db.session.remove()
        db.engine.dispose()
    dice = random.Random()
    children = [_begin(app) for _ in range(PROCESSES)]
    killed = 0
    while killed < KILLS:
        sleep(dice.uniform(0.004, 0.03))
        place = dice.randrange(PROCESSES)
        os.kill(children[place], signal.SIGKILL)
        _, status = os.waitpid(children[place], 0)
        killed += os.WIFSIGNALED(status)
        if not os.WIFSIGNALED(status):
            break
        children[place] = _begin(app)
    statuses = [os.waitpid(child, 0)[1] for child in children if _is_alive(child)]
    assert not any(statuses), statuses
    print(killed)


def _is_alive(child: int) -> bool:
    try:
        os.kill(child, 0)
    except ProcessLookupError:
        return False
    return True


def _begin(app: Flask) -> int:
    child = os.fork()
    if not child:
        _close(app)
    return child


def _close(app: Flask) -> NoReturn:
    status = 1
    try:
        closing.PROJECTS = 2
        with app.app_context(), now(LATE):
            # Connections of the parent's are none of ours.
            db.engine.dispose(close=False)
            _until_done()
            status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _until_done() -> None:
    """Close, as a timer would that starts the command again and again."""
    deadline = monotonic() + 60
    while monotonic() < deadline:
        try:
            if not invoicing.close().busy:
                return
        except OperationalError:
            db.session.rollback()
    raise TimeoutError
