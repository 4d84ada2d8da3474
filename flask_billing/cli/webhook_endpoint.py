"""`flask billing webhook-endpoint ...`: has Stripe send its events here."""

from __future__ import annotations

import click

from flask_billing.cli.conditions import when_on
from flask_billing.cli.endpoints import at_address, faults, own_address
from flask_billing.cli.event_types import EventTypes, needed
from flask_billing.gateways import WebhookEndpoint
from flask_billing.state import State, current

__all__ = ["webhook_endpoint"]

_CREATED = """\
Stripe sends {types} to {url} from now on.

  STRIPE_WEBHOOK_SECRET={secret}

It is not shown again. Set it where the app runs, and start the app anew. What is sent until then is
refused, and Stripe sends it again."""

_ROTATING = """\
Stripe sends to {url} twice from now on; the second delivery of an event does no harm.

  STRIPE_WEBHOOK_SECRET={secret},<the present one>

The new secret is not shown again. Now:
  1. Set both secrets where the app runs, the new one and the present one, and start it anew.
  2. Run 'flask billing webhook-endpoint rotate --finish'. It deletes the old endpoint.
  3. Leave the old secret out."""

url_option = click.option(
    "--url", metavar="URL", help="The address; by default BILLING_BASE_URL + BILLING_WEBHOOK_PATH."
)


@click.group("webhook-endpoint")
def webhook_endpoint() -> None:
    """Have Stripe send its events here."""


@webhook_endpoint.command("create")
@url_option
@when_on
def create(url: str | None) -> None:
    """Make the endpoint at Stripe.

    It asks for exactly the events that this app deals with, in the API version of this release, and
    prints the secret that they are signed with, once.
    """
    state = current()
    address = own_address(state, url)
    if at_address(state, address):
        raise click.ClickException(
            f"Stripe sends to {address} already. 'flask billing webhook-endpoint check' says what, "
            "and 'flask billing webhook-endpoint rotate' makes a new secret."
        )
    types = _types()
    made = state.gateway.create_webhook_endpoint(address, types.names)
    click.echo(_CREATED.format(types=_named(types), url=address, secret=made.secret))


def _types() -> EventTypes:
    """Return what an endpoint needs.

    :raises click.ClickException: A handler is registered for what Stripe does not have.
    """
    types = needed()
    if types.unknown:
        raise click.ClickException(
            f"Stripe has no events {', '.join(types.unknown)}. Correct the handler's @billing.on."
        )
    return types


def _named(types: EventTypes) -> str:
    return "all events" if "*" in types.names else f"{len(types.names)} types of events"


@webhook_endpoint.command("check")
@url_option
@click.option("--fix", is_flag=True, help="Ask for exactly the needed types, and enable it.")
@when_on
def check(url: str | None, fix: bool) -> None:
    """Say what is missing or too much.

    Ends with status 1 where something is.
    """
    state = current()
    address = own_address(state, url)
    found = at_address(state, address)
    if not found:
        raise click.ClickException(
            f"Stripe sends nothing to {address}. Run 'flask billing webhook-endpoint create'."
        )
    if fix:
        found = [_set_right(state, endpoint) for endpoint in found]
    problems = [line for endpoint in found for line in _lines(state, endpoint)]
    if not state.settings.webhook_secrets:
        problems.append("STRIPE_WEBHOOK_SECRET is not set, so everything is refused.")
    if len(found) > 1:
        problems.append(
            f"{len(found)} endpoints have this address. Where their secrets are set, run 'flask "
            "billing webhook-endpoint rotate --finish'."
        )
    for line in problems:
        click.echo(line)
    if problems:
        raise SystemExit(1)
    click.echo(f"Stripe sends {_named(needed())} to {address}, as it should.")


def _set_right(state: State, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    types = _types().names
    if endpoint.enabled and endpoint.types == types:
        return endpoint
    return state.gateway.update_webhook_endpoint(endpoint.stripe_id, types=types, enabled=True)


def _lines(state: State, endpoint: WebhookEndpoint) -> list[str]:
    found = faults(endpoint, needed(), state.gateway.api_version)
    return [finding.text for finding in found]


@webhook_endpoint.command("rotate")
@url_option
@click.option(
    "--finish", is_flag=True, help="Delete the older endpoint, once both secrets are set."
)
@when_on
def rotate(url: str | None, finish: bool) -> None:
    """Change the secret without missing an event.

    Makes a second endpoint with a secret of its own, in the API version of this release; --finish
    deletes the older one.
    """
    state = current()
    address = own_address(state, url)
    found = at_address(state, address)
    if finish:
        _finish(state, found, address)
        return
    if len(found) != 1:
        raise click.ClickException(
            f"Stripe sends nothing to {address}. Run 'flask billing webhook-endpoint create'."
            if not found
            else "A change is under way. Once both secrets are set, run it with --finish."
        )
    made = state.gateway.create_webhook_endpoint(address, _types().names)
    click.echo(_ROTATING.format(url=address, secret=made.secret))


def _finish(state: State, found: list[WebhookEndpoint], address: str) -> None:
    if len(found) < 2:
        raise click.ClickException(f"There is one endpoint for {address} at most; nothing to end.")
    if len(state.settings.webhook_secrets) < 2:
        raise click.ClickException(
            "STRIPE_WEBHOOK_SECRET holds one secret here. Set the new one too, start the app anew, "
            "and run this again: nothing was deleted."
        )
    newest, *older = found
    for endpoint in older:
        state.gateway.delete_webhook_endpoint(endpoint.stripe_id)
        click.echo(f"Deleted {endpoint.stripe_id}.")
    click.echo(f"{newest.stripe_id} stays. Now leave the old secret out of STRIPE_WEBHOOK_SECRET.")
