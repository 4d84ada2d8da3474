"""The sandbox's own controls over HTTP, for tests that run in another process.

Every call takes and gives JSON: faults, clock, request log, latency, reset, and completing a
Checkout session without a browser.
"""

from typing import Any

from flask import Blueprint, abort, current_app, request

from .engine.engine import Engine
from .engine.faults import Fault
from .hosted import play
from .hosted.checkout import Refused

control = Blueprint("control", __name__, url_prefix="/_sandbox")


def _engine() -> Engine:
    engine: Engine = current_app.extensions["sandbox"]
    return engine


@control.before_request
def _require_json() -> None:
    # A page of another site cannot send this type without asking first.
    if request.method != "GET" and request.mimetype != "application/json":
        abort(415)


@control.post("/faults")
def add_fault() -> tuple[dict[str, Any], int]:
    """Script a fault: `call`, `how`, and optionally `nth`, `times`, `seconds`, `error`."""
    try:
        _engine().faults.add(Fault(**request.get_json()))
    except (TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return {"ok": True}, 200


@control.delete("/faults")
def clear_faults() -> dict[str, Any]:
    """Let everything go well again."""
    _engine().faults.clear()
    return {"ok": True}


@control.get("/clock")
def read_clock() -> dict[str, Any]:
    """Tell the sandbox's time."""
    return {"now": _engine().clock.now()}


@control.post("/clock")
def set_clock() -> dict[str, Any]:
    """Move the time: `advance` by seconds, go on from `move_to`, or `freeze` at a moment."""
    given = request.get_json()
    clock = _engine().clock
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
            for entry in _engine().requests
        ]
    }


@control.delete("/requests")
def clear_requests() -> dict[str, Any]:
    """Forget the API calls."""
    _engine().requests.clear()
    return {"ok": True}


@control.post("/latency")
def set_latency() -> dict[str, Any]:
    """Have each API call take some seconds."""
    _engine().latency = float(request.get_json()["seconds"])
    return {"ok": True}


@control.post("/reset")
def reset() -> dict[str, Any]:
    """Forget everything."""
    _engine().reset()
    return {"ok": True}


@control.post("/checkout/<session_id>/complete")
def complete(session_id: str) -> tuple[dict[str, Any], int]:
    """Play the person on the Checkout page; takes what `complete_checkout` takes."""
    try:
        url = play.complete(_engine(), session_id, request.host_url, **request.get_json())
    except Refused as refused:
        return {"errors": refused.errors}, 422
    return {"url": url}, 200
