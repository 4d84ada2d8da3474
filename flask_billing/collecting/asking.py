"""Asks the processor for the invoice that a worker is at."""

from __future__ import annotations

from flask_billing import sync
from flask_billing.collecting.loading import Work
from flask_billing.collecting.writing import Answer
from flask_billing.state import current

__all__ = ["Missing", "ask"]


class Missing(Exception):
    """The processor knows no such invoice, though it knows the customer."""


def ask(work: Work) -> Answer:
    """Return an invoice as the processor has it now; commits the session.

    :raises Missing: It was deleted there.
    :raises GatewayError: The processor refused or did not answer.
    """
    stamp = sync.take_stamp()
    gateway = current().gateway
    remote = gateway.invoice(work.stripe_id or "")
    if remote is not None:
        return Answer(remote, stamp)
    if work.customer_id is not None:
        # To the key of another account everything is missing; this tells it from what is gone.
        gateway.customer(work.customer_id)
    raise Missing
