"""Short ways to customers, their payment methods and invoices at the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import stripe


def customer_in(client: stripe.StripeClient, country: str | None = None) -> str:
    """Make a customer, with an address when a country is given."""
    address: Any = {"address": {"country": country}} if country else {}
    return client.v1.customers.create(address).id


def saved(client: stripe.StripeClient, customer: str, token: str = "pm_card_visa") -> str:
    """Attach a test card."""
    return client.v1.payment_methods.attach(token, {"customer": customer}).id


def saved_account(client: stripe.StripeClient, customer: str, token: str) -> str:
    """Set up a test bank account, with its mandate."""
    acceptance: Any = {"type": "offline"}
    setup = client.v1.setup_intents.create(
        {
            "customer": customer,
            "payment_method": token,
            "confirm": True,
            "mandate_data": {"customer_acceptance": acceptance},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return str(setup.payment_method)


def draft(
    client: stripe.StripeClient, customer: str, *amounts: int, **params: Any
) -> stripe.Invoice:
    """Make a draft in euros with a line for each amount, in cents."""
    made = client.v1.invoices.create({"customer": customer, "currency": "eur", **params})
    lines: Any = [{"amount": amount, "description": f"Line of {amount}"} for amount in amounts]
    return client.v1.invoices.add_lines(made.id, {"lines": lines}) if lines else made


def opened(
    client: stripe.StripeClient, customer: str, *amounts: int, **params: Any
) -> stripe.Invoice:
    """Make an invoice that is to be paid."""
    return client.v1.invoices.finalize_invoice(draft(client, customer, *amounts, **params).id)


def types_of(client: stripe.StripeClient, *families: str) -> list[str]:
    """Give the types of the events so far, first one first, of some families such as `invoice`."""
    events = client.v1.events.list({"limit": 100}).data
    return [e.type for e in reversed(events) if e.type.rpartition(".")[0] in families]
