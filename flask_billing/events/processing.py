"""Processes stored events: one claim, one event, one result.

States: `pending` → claimed (still `pending`, with `claimed_by`, and `next_try_at` as the end of the
claim) → `processed`, `ignored`, `pending` again with a back-off, or `failed`. The claim is a short
transaction; calls to the processor are made outside of it, and the result is written only while
the claim is still ours. A worker that dies leaves a claim that runs out.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import update

from flask_billing import clock, projects, signals
from flask_billing.errors import BillingError
from flask_billing.events.built_in import BUILT_IN
from flask_billing.events.claiming import Claimed, claim
from flask_billing.events.handling import handle
from flask_billing.events.owning import NotYet, is_ours
from flask_billing.events.registry import handlers_for
from flask_billing.models import BillingEvent, table_of
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["ProcessReport", "process"]

_FIRST_DELAY = timedelta(seconds=5)
_GROWTH = 4
_LONGEST_DELAY = timedelta(hours=6)
_CODE = re.compile(r"[a-z0-9_]{1,100}")


@dataclass(frozen=True)
class ProcessReport:
    """How many events came to which end: `retried` ones are tried again, `failed` ones are not."""

    processed: int = 0
    ignored: int = 0
    retried: int = 0
    failed: int = 0


def process(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> ProcessReport:
    """Process what is due; commits the session. Safe on several hosts at once.

    :param limit: How many events at most; `None` for all that are due.
    :param stop: Asked before each event.
    """
    require_clean()
    ends: Counter[str] = Counter()
    begun = 0
    while (limit is None or begun < limit) and not stop():
        event = claim()
        if event is None:
            break
        begun += 1
        end = _process(event)
        if end is not None:
            ends[end] += 1
    return ProcessReport(**ends)


def _process(event: Claimed) -> str | None:
    """Return what became of an event; `None` where that is somebody else's to say by now."""
    if event.attempts > current().settings.event_tries:
        # Whoever was at work on it never came back, time and again.
        return _give_up(event, "Abandoned", None)
    try:
        reason = _deal_with(event)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other events must go on
        current().db.session.rollback()
        return _fail(event, error)
    if reason is not None:
        return _end(event, "ignored", reason=reason)
    return _end(event, "processed")


def _deal_with(event: Claimed) -> str | None:
    """Do our own part, then the host's; returns why the event is ignored, or `None`."""
    handlers = handlers_for(event.type)
    built_in = BUILT_IN.get(event.type) if event.account_id is None else None
    if built_in is None and not handlers:
        return "unknown_type" if event.account_id is None else "connected_account"
    if built_in is not None and event.object_id is not None:
        ours = built_in(event.object_id, event.customer_id)
    else:
        ours = event.account_id is not None or is_ours(event.customer_id)
    if not ours:
        return "not_ours"
    handle(event, handlers)
    return None


def _fail(event: Claimed, error: Exception) -> str | None:
    """Put an event off, or give it up after the last try. The error's text is not looked at."""
    # Of our own errors only: what a host's error calls its code may be anything.
    code = getattr(error, "code", None) if isinstance(error, BillingError) else None
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else None
    kind = type(error).__name__[:100]
    current_app.logger.log(
        logging.INFO if isinstance(error, NotYet) else logging.WARNING,
        "Event %s (%s) could not be processed: %s, %s.",
        event.stripe_id,
        event.type,
        kind,
        code,
    )
    if event.attempts >= current().settings.event_tries:
        return _give_up(event, kind, code)
    delay = min(_FIRST_DELAY * _GROWTH ** (event.attempts - 1), _LONGEST_DELAY)
    delay *= random.uniform(0.5, 1.0)  # noqa: S311 - it spreads the load and hides nothing
    written = _write(
        event,
        claimed_by=None,
        next_try_at=clock.now() + delay,
        error_class=kind,
        error_code=code,
    )
    return "retried" if written else None


def _give_up(event: Claimed, kind: str, code: str | None) -> str | None:
    end = _end(event, "failed", error_class=kind, error_code=code)
    if end is None:
        return None
    current_app.logger.error(
        "Event %s (%s) has failed. See 'flask billing events show %s'.",
        event.stripe_id,
        event.type,
        event.stripe_id,
    )
    try:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        row = current().db.session.get_one(BillingEvent, event.id)
        signals.event_failed.send(app, event=row)
    except Exception as error:  # noqa: BLE001 - a receiver must not keep the other events waiting
        current().db.session.rollback()
        current_app.logger.warning("A receiver of event_failed failed: %s.", type(error).__name__)
    return end


def _end(event: Claimed, state: str, **values: Any) -> str | None:
    values = {"error_class": None, "error_code": None} | values
    now = clock.now()
    values |= {"state": state, "ended_at": now, "next_try_at": None, "claimed_by": None}
    return state if _write(event, **values) else None


def _write(event: Claimed, **values: Any) -> bool:
    """Write a result, unless the claim ran out and somebody else is at work on the event.

    :returns: Whether the claim was still ours.
    """
    session = current().db.session
    table = table_of(BillingEvent)
    written = projects.connection().execute(
        update(table)
        .where(table.c.id == event.id, table.c.claimed_by == event.claimed_by)
        .values(values)
    )
    session.commit()
    return bool(written.rowcount)
