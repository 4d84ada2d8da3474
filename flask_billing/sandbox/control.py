"""The sandbox's own controls over HTTP, for tests that run in another process.

Every call takes and gives JSON: faults, outages, clock, request log, latency, reset, webhooks,
renewing a card, ending a mandate, and completing a Checkout session without a browser.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, abort, current_app, request

from .engine.engine import Engine
from .engine.faults import DOWN, Fault
from .hosted import play
from .hosted.checkout import Refused
from .resources import mandates
from .resources.payment_methods import update_automatically
from .webhooks import Attempt

control = Blueprint("control", __name__, url_prefix="/_sandbox")


def engine() -> Engine:
    """Give the engine of the running app."""
    found: Engine = current_app.extensions["sandbox"]
    return found


@control.before_request
def _require_json() -> None:
    # A page of another site cannot send this type without asking first.
    if request.method != "GET" and request.mimetype != "application/json":
        abort(415)


@control.post("/faults")
def add_fault() -> tuple[dict[str, Any], int]:
    """Script a fault: `call`, `how`, and optionally `nth`, `times`, `seconds`, `error`."""
    try:
        engine().faults.add(Fault(**request.get_json()))
    except (TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


@control.delete("/faults")
def clear_faults() -> dict[str, Any]:
    """Let everything go well again."""
    engine().faults.clear()
    return {"ok": True}


@control.post("/outage")
def begin_outage() -> tuple[dict[str, Any], int]:
    """Have every call go wrong, as `how` says, until this is deleted."""
    try:
        engine().faults.begin_outage(request.get_json().get("how", DOWN))
    except ValueError as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


@control.delete("/outage")
def end_outage() -> dict[str, Any]:
    """Answer again."""
    engine().faults.end_outage()
    return {"ok": True}


@control.get("/clock")
def read_clock() -> dict[str, Any]:
    """Tell the sandbox's time."""
    return {"now": engine().clock.now()}


@control.post("/clock")
def set_clock() -> dict[str, Any]:
    """Move the time: `advance` by seconds, go on from `move_to`, or `freeze` at a moment."""
    given = request.get_json()
    clock = engine().clock
    if "advance" in given:
        clock.advance(given["advance"])
    if "move_to" in given:
        clock.move_to(given["move_to"])
    if "freeze" in given:
        clock.freeze(given["freeze"])
    return read_clock()


@control.get("/requests")
def read_requests() -> dict[str, Any]:
    """Give the API calls that came in."""
    return {
        "requests": [
            {
                "method": entry.method,
                "path": entry.path,
                "params": entry.params,
                "idempotency_key": entry.idempotency_key,
                "request_id": entry.request_id,
            }
            for entry in engine().requests
        ]
    }


@control.delete("/requests")
def clear_requests() -> dict[str, Any]:
    """Forget the API calls."""
    engine().requests.clear()
    return {"ok": True}


@control.post("/latency")
def set_latency() -> dict[str, Any]:
    """Have each API call take some seconds."""
    engine().latency = float(request.get_json()["seconds"])
    return {"ok": True}


@control.post("/reset")
def reset() -> dict[str, Any]:
    """Forget everything."""
    engine().reset()
    return {"ok": True}


@control.post("/checkout/<session_id>/complete")
def complete(session_id: str) -> tuple[dict[str, Any], int]:
    """Play the person on the Checkout page; takes what `complete_checkout` takes."""
    try:
        url = play.complete(engine(), session_id, request.host_url, **request.get_json())
    except Refused as refused:
        return {"errors": refused.errors}, 422
    return {"url": url}, 200


@control.post("/payment_methods/<payment_method_id>/update_automatically")
def update_card(payment_method_id: str) -> tuple[dict[str, Any], int]:
    """Play the card network; takes what `update_card_automatically` takes."""
    try:
        update_automatically(engine(), payment_method_id, **request.get_json())
    except (LookupError, TypeError) as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


@control.post("/mandates/<mandate_id>/status")
def set_mandate_status(mandate_id: str) -> tuple[dict[str, Any], int]:
    """Play the bank; takes what `set_mandate_status` takes."""
    try:
        mandates.set_status(engine(), mandate_id, **request.get_json())
    except (LookupError, TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


# Webhooks


@control.post("/webhooks/endpoints")
def register_endpoint() -> tuple[dict[str, Any], int]:
    """Register an endpoint: `url`, and optionally `secret`, `enabled_events` and `livemode`."""
    try:
        return engine().webhooks.register(**request.get_json()), 200
    except (TypeError, ValueError) as error:
        return {"error": str(error)}, 400


@control.post("/webhooks/settings")
def set_up_webhooks() -> dict[str, Any]:
    """Choose `seed`, `retry_delays` or `time_limit`."""
    given, webhooks = request.get_json(), engine().webhooks
    webhooks.seed = int(given.get("seed", webhooks.seed))
    webhooks.retry_delays = tuple(map(float, given.get("retry_delays", webhooks.retry_delays)))
    webhooks.time_limit = float(given.get("time_limit", webhooks.time_limit))
    return {"ok": True}


@control.post("/webhooks/deliver")
def deliver() -> dict[str, Any]:
    """Send what is due now, or with `all` everything that waits."""
    webhooks = engine().webhooks
    given = request.get_json()
    return _attempts(webhooks.deliver_all() if given.get("all") else webhooks.deliver())


@control.get("/webhooks/log")
def read_deliveries() -> dict[str, Any]:
    """Give what was sent, how many deliveries are still to be made, and what was dropped."""
    webhooks = engine().webhooks
    return {
        **_attempts(webhooks.log),
        "pending": webhooks.pending,
        "dropped": webhooks.dropped,
    }


@control.post("/webhooks/disturbances")
def disturb() -> tuple[dict[str, Any], int]:
    """Have deliveries go wrong: `how`, and optionally when."""
    try:
        engine().webhooks.disturb(**request.get_json())
    except (TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


@control.delete("/webhooks/disturbances")
def calm() -> dict[str, Any]:
    """Let all deliveries go well again."""
    engine().webhooks.calm()
    return {"ok": True}


@control.post("/webhooks/reorder")
def reorder() -> dict[str, Any]:
    """Shuffle what is waiting."""
    engine().webhooks.reorder()
    return {"ok": True}


@control.post("/webhooks/resend/<event_id>")
def resend(event_id: str) -> tuple[dict[str, Any], int]:
    """Queue an event once more."""
    try:
        return {"endpoints": engine().webhooks.resend(event_id)}, 200
    except LookupError as error:
        return {"error": str(error)}, 404


def _attempts(attempts: Iterable[Attempt]) -> dict[str, Any]:
    return {"attempts": [asdict(attempt) for attempt in attempts]}
