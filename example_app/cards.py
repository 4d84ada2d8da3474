"""Saves test cards for the demo, which nobody has to type in."""

from flask import current_app
from stripe import StripeClient

from flask_billing import BillingInfo, PaymentMethod

#: Is saved without trouble, and declined whenever it is charged.
DECLINED = "pm_card_chargeCustomerFail"


def save_card(name: str, email: str, card: str = "pm_card_visa") -> BillingInfo:
    """Make a customer with a card at the local Stripe, and the rows that know them by their ids.

    In an app that people use, the billing page does all of this.

    :param card: A test card, by Stripe's own name for it.
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
        }
    )
    saved = client.v1.payment_methods.attach(card, {"customer": customer.id})
    method = PaymentMethod(stripe_id=saved.id, position=0)
    return BillingInfo(stripe_id=customer.id, payment_methods=[method])
