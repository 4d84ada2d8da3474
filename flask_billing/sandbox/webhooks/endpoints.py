"""Makes webhook endpoints, for the API and for whoever starts a sandbox."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import API_VERSION
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.ids import random_text
from flask_billing.sandbox.engine.store import Obj

from .event_types import EVENT_TYPES
from .sending import is_loopback

if TYPE_CHECKING:
    from flask_billing.sandbox.engine.call import Call
    from flask_billing.sandbox.engine.engine import Engine


def url(value: Any, name: str) -> str:
    """An address that Stripe would send to: https, or anything on this machine."""
    address = params.url(value, name)
    if address is None:
        raise Problem("Invalid URL: it can not be empty.", code="url_invalid", param=name)
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise Problem(
            "Invalid URL: a webhook endpoint must use https, unless it is on this machine.",
            code="url_invalid",
            param=name,
        )
    return address


def event_types(value: Any, name: str) -> list[str]:
    """The types that an endpoint wants, at least one; `*` is all of them."""
    wanted = params.array(params.text(clearable=False), limit=len(EVENT_TYPES))(value, name)
    if not wanted:
        raise Problem("You must enable at least one event.", param=name)
    for number, given in enumerate(wanted):
        if given != "*" and given not in EVENT_TYPES:
            raise Problem(f"Invalid event type: {given}.", param=f"{name}[{number}]")
    return list(dict.fromkeys(wanted))


def make(call: "Call", values: dict[str, Any], secret: str | None = None) -> Obj:
    """Create an endpoint; its secret is the sandbox's own note."""
    return call.create(
        "webhook_endpoint",
        "we_1",
        {
            "api_version": values.get("api_version"),
            "application": "ca_SandboxDefault" if values.get("connect") else None,
            "description": values.get("description"),
            "enabled_events": values["enabled_events"],
            "metadata": params.merge_metadata({}, values.get("metadata", {})),
            "status": "enabled",
            "url": values["url"],
            "_connect": values.get("connect", False),
            "_secret": secret or f"whsec_{random_text(32)}",
        },
    )


def register(
    engine: "Engine", address: str, secret: str | None, enabled_events: list[str], *, livemode: bool
) -> Obj:
    """Create an endpoint of the first account, or set the one with this address right."""
    scope = engine.default_scope(livemode=livemode)
    try:
        values: Obj = {
            "url": url(address, "url"),
            "enabled_events": event_types(enabled_events, "enabled_events"),
            "api_version": API_VERSION,
        }
    except Problem as problem:
        raise ValueError(str(problem)) from None
    with engine.step(scope, "") as call:
        found = engine.store.find(scope, "webhook_endpoint", {"url": address}, limit=1)
        if found:
            endpoint = call.change(found[0], status="enabled", **values)
            endpoint = call.change(endpoint, _secret=secret or endpoint["_secret"])
        else:
            endpoint = make(call, values, secret)
    return with_secret(endpoint)


def with_secret(endpoint: Obj) -> Obj:
    """Give an endpoint as it is shown at its creation only."""
    shown = {name: value for name, value in endpoint.items() if not name.startswith("_")}
    return {**shown, "secret": endpoint["_secret"]}
