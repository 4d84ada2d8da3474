"""What Stripe notifies us of: reading it, listing what it keeps, and where it is sent to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import stripe

from flask_billing.errors import EventRefused, GatewayError
from flask_billing.gateways.protocol import RemoteEvent, WebhookEndpoint
from flask_billing.gateways.stripe.connecting import Connected
from flask_billing.gateways.stripe.events import event_in, event_of
from flask_billing.gateways.stripe.failing import (
    none_where_missing,
    our_errors,
    our_errors_on_the_way,
)
from flask_billing.gateways.stripe.reading import endpoint_of
from flask_billing.gateways.stripe.signatures import verified_text

__all__ = ["Notifying"]

# As many as Stripe takes in one request.
_MOST_TYPES = 20


class Notifying(Connected):
    """The part of the gateway that deals with notifications and their endpoints."""

    #: Notifications are asked for in the version that objects are read in: the SDK's own.
    api_version: str = stripe.api_version

    def read_event(self, body: bytes, signature: str, secrets: Iterable[str]) -> RemoteEvent:
        """Return the notification in a request, if one of `secrets` has signed it just now.

        Nothing is parsed before the signature holds.
        """
        return event_in(verified_text(body, signature, secrets))

    @our_errors_on_the_way
    def events(
        self, *, types: Iterable[str] = (), since: datetime | None = None, undelivered: bool = False
    ) -> Iterator[RemoteEvent]:
        """Yield the notifications of the last thirty days, newest first.

        :param types: None for all; more than twenty are picked here.
        """
        wanted = frozenset(types)
        params: dict[str, Any] = {"limit": 100}
        if 0 < len(wanted) <= _MOST_TYPES:
            params["types"] = sorted(wanted)
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        if undelivered:
            params["delivery_success"] = False
        page = self._client.v1.events.list(params)  # type: ignore[arg-type]
        unreadable = 0
        for event in page.auto_paging_iter():
            if not wanted or event.type in wanted:
                listed = _listed(event)
                if listed is None:
                    unreadable += 1
                else:
                    yield listed
        if unreadable:
            # At the end only: one of them must not keep the older ones out of reach.
            raise GatewayError(
                f"Stripe listed events that can't be read: {unreadable}.", code="malformed_event"
            )

    @our_errors
    def webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return all addresses that notifications are sent to."""
        page = self._client.v1.webhook_endpoints.list({"limit": 100})
        return [endpoint_of(endpoint) for endpoint in page.auto_paging_iter()]

    @our_errors
    def create_webhook_endpoint(self, url: str, types: Iterable[str]) -> WebhookEndpoint:
        """Have notifications of `types` sent to `url`; this answer alone holds the secret."""
        params: Any = {
            "url": url,
            "enabled_events": sorted(types),
            "api_version": self.api_version,
        }
        return endpoint_of(self._client.v1.webhook_endpoints.create(params))

    @our_errors
    def update_webhook_endpoint(
        self, stripe_id: str, *, types: Iterable[str] | None = None, enabled: bool | None = None
    ) -> WebhookEndpoint:
        """Change which notifications an endpoint wants, or whether it gets any."""
        params: dict[str, Any] = {}
        if types is not None:
            params["enabled_events"] = sorted(types)
        if enabled is not None:
            params["disabled"] = not enabled
        endpoint = self._client.v1.webhook_endpoints.update(
            stripe_id,
            params,  # type: ignore[arg-type]
        )
        return endpoint_of(endpoint)

    @our_errors
    @none_where_missing
    def delete_webhook_endpoint(self, stripe_id: str) -> None:
        """Send nothing more to an endpoint; one that is gone already is fine."""
        self._client.v1.webhook_endpoints.delete(stripe_id)


def _listed(event: stripe.Event) -> RemoteEvent | None:
    try:
        return event_of(event.to_dict(for_json=True))
    except EventRefused:
        return None
