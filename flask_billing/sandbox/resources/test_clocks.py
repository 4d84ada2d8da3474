"""Test clocks: a time of their own for some customers, which a test moves forwards."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import do, due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import customers

_KIND = "test_helpers.test_clock"
DAY = 24 * 3600
LIFE = 30 * DAY
# Stripe allows two intervals of the shortest subscription; without one, two years.
LONGEST_STEP = 2 * 366 * DAY

CREATE: params.Declared = {
    "customer": params.text(clearable=False),
    "frozen_time": params.integer(0),
    "name": params.text(300),
}


@route("POST", "/v1/test_helpers/test_clocks", CREATE)
def create(call: Call) -> Obj:
    """Start a clock that stands still at a moment, for an existing customer if one is named."""
    params.require(call.params, "frozen_time")
    if call.scope.livemode:
        raise Problem("Test clocks are there in test mode only.")
    clock = call.create(
        _KIND,
        "clock_1",
        {
            "created": call.clock.now(),
            "deletes_after": call.clock.now() + LIFE,
            "frozen_time": call.params["frozen_time"],
            "name": call.params.get("name"),
            "status": "ready",
            "status_details": {},
        },
    )
    call.store.schedule(clock["deletes_after"], "delete_test_clock", clock["id"])
    call.emit(f"{_KIND}.created", clock)
    if "customer" in call.params:
        _take_in(call, clock, call.params["customer"])
    return clock


def _take_in(call: Call, clock: Obj, customer: str) -> None:
    found = call.get("customer", customer, param="customer")
    if found["test_clock"] is not None:
        raise Problem(f"Customer {customer} has a test clock already.", param="customer")
    call.change(found, "customer.updated", test_clock=clock["id"])


@route("GET", "/v1/test_helpers/test_clocks", params.PAGE)
def list_all(call: Call) -> Obj:
    """Give a page of clocks."""
    return call.page(_KIND)


@route("GET", "/v1/test_helpers/test_clocks/{test_clock}")
def retrieve(call: Call, test_clock: str) -> Obj:
    """Give a clock; it is on its way while its status is `advancing`."""
    return call.get(_KIND, test_clock)


@route(
    "POST",
    "/v1/test_helpers/test_clocks/{test_clock}/advance",
    {"frozen_time": params.integer(0)},
)
def advance(call: Call, test_clock: str) -> Obj:
    """Set a clock going; it arrives, and has done what was due, by the next request."""
    params.require(call.params, "frozen_time")
    clock = call.get(_KIND, test_clock)
    target = call.params["frozen_time"]
    if clock["status"] != "ready":
        raise Problem(f"Test clock {test_clock} is {clock['status']}; wait until it is ready.")
    if not clock["frozen_time"] < target <= clock["frozen_time"] + LONGEST_STEP:
        raise Problem(
            "frozen_time must be later than the clock's own time, by two years at the most.",
            param="frozen_time",
        )
    details = {"advancing": {"target_frozen_time": target}}
    call.change(clock, status="advancing", status_details=details)
    call.emit(f"{_KIND}.advancing", clock)
    call.store.schedule(call.clock.now(), "arrive_with_test_clock", test_clock)
    return clock


@due_action("arrive_with_test_clock")
def _arrive(call: Call, clock: Obj) -> None:
    target = clock["status_details"]["advancing"]["target_frozen_time"]
    while job := call.store.take_next_of(clock["id"], target):
        due, action, object_id = job
        call.change(clock, frozen_time=max(due, clock["frozen_time"]))
        located = call.store.locate(object_id)
        if located is not None:
            scope, obj = located
            do(action, Call(call.store, call.clock, scope, "", test_clock=clock["id"]), obj)
    call.change(clock, frozen_time=target, status="ready", status_details={})
    call.emit(f"{_KIND}.ready", clock)


@route("DELETE", "/v1/test_helpers/test_clocks/{test_clock}")
def delete(call: Call, test_clock: str) -> Obj:
    """Delete a clock, and with it its customers."""
    return _delete(call, call.get(_KIND, test_clock))


@due_action("delete_test_clock")
def _expire(call: Call, clock: Obj) -> None:
    if not clock.get("deleted"):
        _delete(call, clock)


def _delete(call: Call, clock: Obj) -> Obj:
    for customer in call.store.find(call.scope, "customer", {"test_clock": clock["id"]}):
        customers.delete(call, customer["id"])
    call.emit(f"{_KIND}.deleted", clock)
    gone: dict[str, Any] = {"id": clock["id"], "object": _KIND, "deleted": True}
    call.store.update(gone)
    return gone
