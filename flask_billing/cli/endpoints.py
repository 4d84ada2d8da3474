"""Compares the webhook endpoints at Stripe with what this app needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from flask_billing.cli.event_types import ALL, EventTypes
from flask_billing.cli.findings import Finding
from flask_billing.gateways import WebhookEndpoint
from flask_billing.state import State

__all__ = ["at_address", "faults", "own_address"]

_FIX = "'flask billing webhook-endpoint check --fix' sets it right."


def own_address(state: State, given: str | None = None) -> str:
    """Return where Stripe has to send events to.

    :raises click.ClickException: Nobody has said at which address this site is.
    """
    if given is not None:
        return given
    if state.settings.base_url is None:
        raise click.ClickException("Set BILLING_BASE_URL to this site's address, or give --url.")
    return state.settings.base_url + state.settings.webhook_path


def at_address(state: State, address: str) -> list[WebhookEndpoint]:
    """Return the endpoints of one address for our own account, the newest first.

    :raises GatewayError: Stripe refused or did not answer.
    """
    found = [e for e in state.gateway.webhook_endpoints() if not e.connect]
    return [endpoint for endpoint in found if endpoint.url.rstrip("/") == address.rstrip("/")]


def faults(endpoint: WebhookEndpoint, needed: EventTypes, version: str) -> Iterator[Finding]:
    """Yield what is wrong with an endpoint.

    :param version: The API version that events should be written in.
    """
    name = f"Webhook endpoint {endpoint.stripe_id}"
    if not endpoint.enabled:
        yield Finding("problem", f"{name} is disabled, so nothing arrives. {_FIX}")
    missing = _without(needed.names, endpoint.types)
    if missing:
        yield Finding("problem", f"{name} is not sent: {missing}. {_FIX}")
    surplus = _without(endpoint.types, needed.names)
    if surplus:
        yield Finding("hint", f"{name} is sent events that nothing here handles: {surplus}. {_FIX}")
    if endpoint.api_version != version:
        yield Finding(
            "hint",
            f"{name} is sent API version {endpoint.api_version or 'as the account has it'}; this "
            f"release speaks {version}. 'flask billing webhook-endpoint rotate' makes one in it.",
        )
    for unknown in needed.unknown:
        yield Finding("problem", f"Stripe has no events {unknown}, for which there is a handler.")


def _without(some: Iterable[str], others: frozenset[str]) -> str:
    """Return the types that are in `some` only, as text; "*" has every type in it."""
    if ALL in others:
        return ""
    return ", ".join(
        "all other types" if name == ALL else name for name in sorted({*some} - others)
    )
