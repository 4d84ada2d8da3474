"""Turns the SDK's errors into ours, and keeps its logger silent.

Nothing personal and nothing secret leaves this way: the SDK's exceptions hold whole responses, so
ours are made anew from their codes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import stripe

from flask_billing.errors import (
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    PaymentActionRequired,
    PaymentDeclined,
)
from flask_billing.gateways.stripe.reading import id_of, part_of

__all__ = [
    "advises_against_another_try",
    "error_of",
    "none_where_missing",
    "our_errors",
    "our_errors_on_the_way",
    "silence_logger",
]

P = ParamSpec("P")
T = TypeVar("T")

_AUTHENTICATION = {"authentication_required", "invoice_payment_intent_requires_action"}
# The last is how a charge names what its error calls `fraudulent`.
_NEVER_AGAIN = {
    "lost_card",
    "stolen_card",
    "pickup_card",
    "restricted_card",
    "fraudulent",
    "highest_risk_level",
}


def our_errors(call: Callable[P, T]) -> Callable[P, T]:
    """Turn the SDK's errors into ours.

    Ours is raised after the SDK's is forgotten, so that it is not even the context of ours: its
    `args`, body and headers hold what the customer typed, and a log of the chain would print them.
    """

    @wraps(call)
    def speak(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except stripe.StripeError as error:
            ours = error_of(error)
        except (AttributeError, KeyError, TypeError):
            # An answer of another shape than any version's; what it holds is left behind.
            ours = GatewayUnavailable("Stripe's answer can't be read.", code="malformed_answer")
        raise ours

    return speak


def our_errors_on_the_way(call: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Turn the SDK's errors into ours wherever a listing breaks off, as each page is a request."""

    @wraps(call)
    def speak(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        things = call(*args, **kwargs)
        take_one = our_errors(lambda: next(things, None))
        while (thing := take_one()) is not None:
            yield thing

    return speak


def none_where_missing(call: Callable[P, T]) -> Callable[P, T | None]:
    """Give `None` where the processor knows no such object, or no longer."""

    @wraps(call)
    def speak(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return call(*args, **kwargs)
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise

    return speak


def error_of(error: stripe.StripeError) -> GatewayError:
    """Return our error for one of the SDK's."""
    detail = error.error
    code = error.code or getattr(detail, "code", None)
    found: dict[str, Any] = {
        "code": code,
        "param": getattr(detail, "param", None),
        "request_id": error.request_id,
    }
    if isinstance(error, stripe.CardError):
        return _card_error(detail, code, found)
    if isinstance(error, stripe.IdempotencyError):
        found["code"] = "idempotency_key_reused"
        return GatewayError("Stripe saw this idempotency key with other parameters.", **found)
    if isinstance(error, stripe.RateLimitError):
        found["code"] = "rate_limited"
        return GatewayUnavailable("Stripe had too many requests and did nothing.", **found)
    if isinstance(error, stripe.InvalidRequestError):
        return GatewayRefusal(f"Stripe refused the request ({code or 'no code'}).", **found)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        denied = isinstance(error, stripe.PermissionError)
        found["code"] = code or ("permission_denied" if denied else "authentication_failed")
        return GatewayError(
            "Stripe does not accept the key. Check STRIPE_SECRET_KEY and its rights.", **found
        )
    if (error.http_status or 0) >= 500:
        # Stripe answers the same again under the same key until it forgets the key.
        found["code"] = code or "server_error"
    return GatewayUnavailable("Stripe did not answer, or not in a usable way.", **found)


def _card_error(detail: Any, code: str | None, found: dict[str, Any]) -> PaymentDeclined:
    reason = part_of(detail, "decline_code")
    found["decline_code"] = reason
    found["intent_id"] = id_of(part_of(detail, "payment_intent"))
    # Not the last charge of the intent: where the bank asks before there is one, it is an older.
    found["charge_id"] = id_of(part_of(detail, "charge"))
    if {code, reason} & _AUTHENTICATION:
        return PaymentActionRequired("The bank wants the customer to confirm.", **found)
    never_again = advises_against_another_try(reason, part_of(detail, "advice_code"))
    return PaymentDeclined("The payment method was declined.", never_again=never_again, **found)


def advises_against_another_try(decline_code: str | None, advice: str | None) -> bool:
    """Return whether a charge that failed so should not be tried again with the same method."""
    return decline_code in _NEVER_AGAIN or advice == "do_not_try_again"


def silence_logger() -> None:
    """Keep the SDK from logging addresses with e-mails and bodies with secrets.

    A filter, because a level is set again by any host that wants to see more.
    """
    logger = logging.getLogger("stripe")
    if _nothing_below_warning not in logger.filters:
        logger.addFilter(_nothing_below_warning)
    # What `stripe.log` and the variable STRIPE_LOG switch on goes past the logger, to stderr.
    stripe.log = None
    stripe._util.STRIPE_LOG = None


def _nothing_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
