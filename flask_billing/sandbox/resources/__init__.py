"""One module for each of Stripe's resources; importing them fills the table of endpoints."""

from . import (
    accounts,
    charges,
    checkout_sessions,
    customers,
    events,
    mandates,
    payment_intents,
    payment_methods,
    setup_attempts,
    setup_intents,
    tax_ids,
    webhook_endpoints,
)

__all__ = [
    "accounts",
    "charges",
    "checkout_sessions",
    "customers",
    "events",
    "mandates",
    "payment_intents",
    "payment_methods",
    "setup_attempts",
    "setup_intents",
    "tax_ids",
    "webhook_endpoints",
]
