"""Asks the processor for money, and says what came of it; never within a transaction."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from flask_billing.errors import (
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    PaymentActionRequired,
    PaymentDeclined,
)
from flask_billing.gateways import RemoteInvoice, RemotePayment
from flask_billing.state import current

__all__ = ["Attempt", "Outcome", "is_under_way", "pay", "payment_by"]


class Attempt(NamedTuple):
    """A try that is committed, and so may be sent."""

    id: UUID
    method_id: UUID
    method_stripe_id: str


class Outcome(NamedTuple):
    """What came of a try.

    :ivar kind: ``"answered"`` (with the invoice), ``"succeeded"``, ``"processing"``,
        ``"declined"``, ``"needs_action"``, ``"refused"`` (nothing was done, for a reason that is
        not the bank's), ``"not_executed"`` or ``"unknown"``.
    """

    kind: str
    remote: RemoteInvoice | None = None
    intent_id: str | None = None
    charge_id: str | None = None
    code: str | None = None
    decline_code: str | None = None
    never_again: bool = False


def pay(attempt: Attempt, stripe_id: str) -> Outcome:
    """Charge an invoice to the attempt's method, under its key: it may be sent any number of times.

    :param stripe_id: The invoice's id at the processor.
    :raises GatewayError: The processor does not accept our own key, and did nothing.
    """
    try:
        remote = current().gateway.pay_invoice(
            stripe_id, attempt.method_stripe_id, key=f"pay-{attempt.id}"
        )
    except PaymentDeclined as error:
        kind = "needs_action" if isinstance(error, PaymentActionRequired) else "declined"
        return Outcome(
            kind,
            intent_id=error.intent_id,
            charge_id=error.charge_id,
            code=error.code,
            decline_code=error.decline_code,
            never_again=error.never_again,
        )
    except GatewayUnavailable as error:
        return Outcome("unknown", code=error.code)
    except GatewayRefusal as error:
        return Outcome("refused", code=error.code)
    except GatewayError as error:
        if error.code != "idempotency_key_reused":
            # Whoever runs the site has to mend that: it says nothing about the method.
            raise
        # The key was sent before, with another method: that one's outcome is what is not known.
        return Outcome("unknown", code=error.code)
    return Outcome("answered", remote)


def is_under_way(remote: RemoteInvoice) -> bool:
    """Return whether a bank has the money of an invoice under way, whoever sent it."""
    return any(each.intent_state == "processing" for each in remote.payments)


def payment_by(remote: RemoteInvoice, method_id: str) -> RemotePayment | None:
    """Return the last payment of an invoice by a method, paid ones first."""
    by_method = [each for each in remote.payments if each.method_id == method_id]
    paid = [each for each in by_method if each.state == "paid"]
    found = paid or by_method
    return found[-1] if found else None
