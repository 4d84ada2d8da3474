"""Webhook endpoints: where events are sent to, and which."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import API_VERSION, Call
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj
from flask_billing.sandbox.webhooks import endpoints

_BOTH: params.Declared = {
    "description": params.text(),
    "enabled_events": endpoints.event_types,
    "metadata": params.metadata,
    "url": endpoints.url,
}
CREATE: params.Declared = {
    **_BOTH,
    "api_version": params.choice(API_VERSION),
    "connect": params.boolean,
}
UPDATE: params.Declared = {**_BOTH, "disabled": params.boolean}


@route("POST", "/v1/webhook_endpoints", CREATE)
def create(call: Call) -> Obj:
    """Create an endpoint; this answer alone holds its secret."""
    params.require(call.params, "enabled_events", "url")
    return endpoints.with_secret(endpoints.make(call, call.params))


@route("GET", "/v1/webhook_endpoints", params.PAGE)
def list_all(call: Call) -> Obj:
    """Give a page of endpoints."""
    return call.page("webhook_endpoint")


@route("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def retrieve(call: Call, webhook_endpoint: str) -> Obj:
    """Give an endpoint."""
    return call.get("webhook_endpoint", webhook_endpoint)


@route("POST", "/v1/webhook_endpoints/{webhook_endpoint}", UPDATE)
def update(call: Call, webhook_endpoint: str) -> Obj:
    """Change an endpoint; its secret and its API version stay."""
    found = call.get("webhook_endpoint", webhook_endpoint)
    changes = dict(call.params)
    if "disabled" in changes:
        changes["status"] = "disabled" if changes.pop("disabled") else "enabled"
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(found["metadata"], changes["metadata"])
    return call.change(found, **changes)


@route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete(call: Call, webhook_endpoint: str) -> Obj:
    """Delete an endpoint; what was still to be sent to it is given up."""
    call.get("webhook_endpoint", webhook_endpoint)
    call.store.remove(webhook_endpoint)
    return {"id": webhook_endpoint, "object": "webhook_endpoint", "deleted": True}
