"""Gunicorn's settings for a Harbour that tells all it knows, errors that it caught included."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stripe

import flask_billing
from tests.canary.telling import told_by

if TYPE_CHECKING:
    from types import FrameType

accesslog = "-"
loglevel = "debug"
raw_env = ["STRIPE_LOG=debug"]

logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
for name in ("stripe", "urllib3", "sqlalchemy.engine", "sqlalchemy.pool", "sqlalchemy.orm"):
    logging.getLogger(name).setLevel(logging.DEBUG)

PACKAGE = str(Path(flask_billing.__file__).parent)


def post_worker_init(worker: Any) -> None:
    """Log every error that passes through the package, whoever catches it."""
    sys.settrace(enter)
    threading.settrace(enter)


def enter(frame: FrameType, event: str, argument: Any) -> Any:
    if not frame.f_code.co_filename.startswith(PACKAGE):
        return None
    frame.f_trace_lines = False
    return follow


def follow(frame: FrameType, event: str, argument: Any) -> Any:
    # The SDK's own errors hold everything; that ours forget it is what is looked at.
    if event == "exception" and not isinstance(argument[1], stripe.StripeError | StopIteration):
        logging.getLogger("raised").debug("%s", told_by(argument[1]))
    return follow
