"""Events: what happened, with each object as it was then, for thirty days."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

KEPT_FOR = 30 * 24 * 3600

LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "delivery_success": params.boolean,
    "type": params.text(clearable=False),
    "types": params.array(params.text(clearable=False), limit=20),
}


@route("GET", "/v1/events", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of events, of all types or of some."""
    conditions = ["json_extract(body, '$.created') > ?"]
    values: list[object] = [call.now - KEPT_FOR]
    types = _types(call)
    if types:
        conditions.append(f"({' OR '.join(['json_extract(body, ?) GLOB ?'] * len(types))})")
        values += [part for name in types for part in ("$.type", name)]
    if "delivery_success" in call.params:
        delivered = call.params["delivery_success"]
        conditions.append(f"json_extract(body, '$.pending_webhooks') {'=' if delivered else '>'} 0")
    return call.page("event", extra=tuple(conditions), values=tuple(values))


def _types(call: Call) -> list[str]:
    if "type" in call.params and "types" in call.params:
        raise Problem("You may only specify one of these parameters: type, types.", param="types")
    if "type" in call.params:
        return [call.params["type"]]
    types: list[str] = call.params.get("types", [])
    return types


@route("GET", "/v1/events/{event}")
def retrieve(call: Call, event: str) -> Obj:
    """Give an event of the last thirty days."""
    found = call.get("event", event)
    if found["created"] <= call.now - KEPT_FOR:
        raise missing_object("event", event)
    return found
