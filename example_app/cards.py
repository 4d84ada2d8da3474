"""Saves a test card for the demo, which nobody has to type in."""

from flask import current_app
from stripe import StripeClient

from flask_billing import BillingInfo, PaymentMethod


def save_card(name: str, email: str) -> BillingInfo:
    """Make a customer with a card at the local Stripe, and the rows that know them by their ids.

    In an app that people use, the billing page does all of this.
    """
    client = StripeClient(
        current_app.config["STRIPE_SECRET_KEY"],
        base_addresses={"api": current_app.config["STRIPE_API_BASE"]},
    )
    customer = client.v1.customers.create(
        {
            "name": name,
            "email": email,
            "address": {
                "line1": "1 Quay",
                "city": "London",
                "postal_code": "E1 8AA",
                "country": "GB",
            },
            "payment_method": "pm_card_visa",
        }
    )
    [card] = client.v1.customers.payment_methods.list(customer.id).data
    method = PaymentMethod(stripe_id=card.id, position=0)
    return BillingInfo(stripe_id=customer.id, payment_methods=[method])
