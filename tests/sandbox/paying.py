"""Short ways to payments in the tests of what follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import stripe


def customer_with(
    client: stripe.StripeClient, token: str = "pm_card_visa", **fields: Any
) -> tuple[str, str]:
    """Give the ids of a new customer and of their payment method."""
    customer = client.v1.customers.create({"email": "ada@example.com", **fields})  # type: ignore[typeddict-item]
    method = client.v1.payment_methods.attach(token, {"customer": customer.id})
    return customer.id, method.id


def pay(
    client: stripe.StripeClient, amount: int = 1000, token: str = "pm_card_visa"
) -> stripe.PaymentIntent:
    """Give a payment intent that succeeded, with its charge expanded."""
    customer, method = customer_with(client, token)
    return client.v1.payment_intents.create(
        {
            "amount": amount,
            "currency": "eur",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
            "expand": ["latest_charge"],
        }
    )


def debit(client: stripe.StripeClient, token: str = "pm_success_de") -> stripe.PaymentIntent:
    """Begin to debit a bank account."""
    customer = client.v1.customers.create({}).id
    setup = client.v1.setup_intents.create(
        {
            "customer": customer,
            "payment_method": token,
            "confirm": True,
            "mandate_data": {"customer_acceptance": {"type": "offline"}},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "customer": customer,
            "payment_method": str(setup.payment_method),
            "allowed_payment_method_types": ["sepa_debit"],
            "confirm": True,
            "off_session": True,
        }
    )


def charge_of(intent: stripe.PaymentIntent) -> str:
    """Give the id of a payment intent's charge."""
    charge = intent.latest_charge
    assert charge is not None
    return charge if isinstance(charge, str) else charge.id


def event_types(client: stripe.StripeClient, since: str | None = None) -> list[str]:
    """Give the types of the latest events, oldest first, after the first `since`."""
    types = [event.type for event in client.v1.events.list({"limit": 100}).data][::-1]
    return types[types.index(since) + 1 :] if since else types
