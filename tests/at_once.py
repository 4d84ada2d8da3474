"""Lets several people act at the same moment, each with a session of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from tests.host import db


def at_once(app: Flask, *acts: Callable[[], Any]) -> list[Any]:
    """Do everything at the same moment and return what came of each, exceptions included."""
    ready = threading.Barrier(len(acts))
    outcomes: list[Any] = ["not done"] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        with app.app_context():
            ready.wait(timeout=30)
            try:
                outcomes[place] = act()
            except Exception as error:  # noqa: BLE001 - looked at by the test
                outcomes[place] = error
            finally:
                db.session.rollback()

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    # What is looked at next must not come from an older snapshot.
    db.session.rollback()
    return outcomes
