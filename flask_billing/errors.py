"""Everything that billing raises on purpose: one tree, each error with its HTTP status.

Messages name the next step. They carry ids at most, never personal data and never a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from werkzeug.exceptions import HTTPException, NotImplemented

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

__all__ = [
    "AlertRefused",
    "BillingDisabled",
    "BillingError",
    "ClosingRefused",
    "CodeRefused",
    "CollectingRefused",
    "CorrectionRefused",
    "CreditRefused",
    "CurrencyFixed",
    "EventRefused",
    "GatewayError",
    "GatewayRefusal",
    "GatewayUnavailable",
    "MethodNeeded",
    "NotOurs",
    "NotTaken",
    "PaymentActionRequired",
    "PaymentDeclined",
    "PaymentMethodRequired",
    "PaymentOverdue",
    "RateChanged",
    "RefundRefused",
    "SessionUnfinished",
    "SharingRefused",
    "SpendingLimitReached",
    "TooManyAttempts",
    "UnknownProject",
    "UnknownRate",
    "UnsupportedOperation",
]


class BillingError(Exception):
    """Anything that billing raises on purpose."""

    status: ClassVar[int] = 500

    def __reduce__(self) -> tuple[Any, ...]:
        return (_made_anew, (type(self), self.args), self.__dict__)


def _made_anew(error: type[BillingError], args: tuple[Any, ...]) -> BillingError:
    """Return a copy as pickle makes it: without `__init__`, whose parameters differ."""
    return error.__new__(error, *args)


class BillingDisabled(BillingError, NotImplemented):
    """Billing is off because `STRIPE_SECRET_KEY` is not set; answered as 501."""

    status = 501
    description = "Billing is switched off on this site."


class PaymentMethodRequired(BillingError, HTTPException):
    """The project has to add a payment method first; answered as 402.

    :param project_key: The refused project's key as text, `None` where it can't be known.
    :param resource: What was to be created, in words for people, such as ``"server"``.
    """

    status = 402
    code = 402
    description = "Add a payment method to go on."

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        *,
        project_key: str | None = None,
        resource: str | None = None,
    ) -> None:
        if description is None and resource is not None:
            article = "an" if resource[:1].lower() in "aeiou" else "a"
            description = f"Add a payment method to create {article} {resource}."
        super().__init__(description, response)
        self.project_key = project_key
        self.resource = resource


class SpendingLimitReached(PaymentMethodRequired):
    """The project's own spending limit stops creation until the month is over; answered as 402.

    A :exc:`PaymentMethodRequired`, so that whatever answers a refusal of the guard answers this
    one too.

    :param limit: The limit as people read it, such as ``"100.00 USD"``.
    """

    description = "The spending limit of this month is reached. Raise or remove it to go on."

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        *,
        project_key: str | None = None,
        resource: str | None = None,
        limit: str | None = None,
    ) -> None:
        if description is None and resource is not None:
            article = "an" if resource[:1].lower() in "aeiou" else "a"
            named = f"The spending limit of {limit}" if limit else "The spending limit"
            description = (
                f"{named} is reached for this month. Raise or remove it on the usage page to "
                f"create {article} {resource}."
            )
        super().__init__(
            description or self.description, response, project_key=project_key, resource=resource
        )
        self.limit = limit


class PaymentOverdue(PaymentMethodRequired):
    """An invoice of the project is past due; answered as 402.

    A :exc:`PaymentMethodRequired`, so that whatever answers a refusal of the guard answers this
    one too.
    """

    description = "An invoice could not be paid. Pay it to go on."

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        *,
        project_key: str | None = None,
        resource: str | None = None,
    ) -> None:
        if description is None and resource is not None:
            article = "an" if resource[:1].lower() in "aeiou" else "a"
            description = f"An invoice could not be paid. Pay it to create {article} {resource}."
        super().__init__(
            description or self.description, response, project_key=project_key, resource=resource
        )


class UnknownProject(BillingError):
    """There is no project with this key, and none that is gone."""

    status = 404


class ClosingRefused(BillingError):
    """A period can't be closed now; the message says what has to come first."""

    status = 409


class CollectingRefused(BillingError):
    """An invoice can't be paid, retried or written off now; the message says what comes first.

    :param reason: One word: ``"paid"``, ``"busy"`` (a try is under way, or its owner is at the
        bank's page), ``"state"``, ``"method"`` (the payment method can't be charged) or ``"limit"``
        (it was tried too often).
    """

    status = 409

    def __init__(self, message: str, *, reason: str = "state") -> None:
        super().__init__(message)
        self.reason = reason


class RefundRefused(BillingError):
    """So much can't be given back; the message says how much can."""

    status = 409


class NotTaken(BillingError):
    """A notifier could not hand over a notification: for sure, nobody got it.

    :param reason: A stable word that is kept, such as ``"connection"``; never what a server said.
    :param for_good: Another try would end the same way.
    """

    status = 502

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(f"The notification was not taken: {reason}.")
        self.reason = reason
        self.for_good = for_good


class CorrectionRefused(BillingError):
    """What is closed can't be corrected so; the message says what has to come first."""

    status = 409


class CreditRefused(BillingError):
    """Credit can't be granted or reversed so; the message says what has to come first."""

    status = 409


class CodeRefused(BillingError):
    """A credit code can't be used.

    An unknown, an expired, a used up and a blank code look the same, so that nobody learns which
    codes there are.

    :param reason: ``"unknown"`` for all of these; ``"used"`` where this project has used it.
    """

    status = 422

    def __init__(self, message: str, *, reason: str = "unknown") -> None:
        super().__init__(message)
        self.reason = reason


class TooManyAttempts(CodeRefused):
    """Too many codes were tried in vain; an hour after the last one there may be more.

    :param retry_after: In how many seconds that is.
    """

    status = 429

    def __init__(self, message: str, *, retry_after: int = 3600) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AlertRefused(BillingError):
    """A spending alert can't be set so.

    :param field: What has to be changed: ``"amount"`` or ``"label"``; `None` where there are too
        many alerts.
    """

    status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MethodNeeded(BillingError):
    """The last usable payment method stays while it is needed; another has to come first."""

    status = 409


class NotOurs(BillingError):
    """What came back from the processor's page was not started by this project."""

    status = 404


class SessionUnfinished(BillingError):
    """The processor's page was left before a payment method was saved.

    :param state: ``"open"``, ``"expired"``, or ``"processing"`` (ask again later).
    """

    status = 409

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message)
        self.state = state


class SharingRefused(BillingError):
    """The person may not manage both of the projects that were to share billing info."""

    status = 403


class RateChanged(BillingError):
    """A rate is not what it was when it was first used; the message says what to put back."""

    status = 409


class CurrencyFixed(BillingError):
    """The project has been billed in its currency, and keeps it."""

    status = 409


class UnknownRate(BillingError):
    """There is no rate of this name in the project's currency, or none yet at that moment."""

    status = 422


class UnsupportedOperation(BillingError):
    """The gateway cannot do this."""

    status = 501


class EventRefused(BillingError):
    """What was posted as a notification of the processor is none that we take.

    :param reason: ``"signature"``, ``"time"`` (too old, or from the future), ``"malformed"``,
        ``"mode"`` (a live one for a test key, or the reverse) or ``"too_large"``.
    """

    status = 400

    def __init__(self, reason: str) -> None:
        super().__init__(f"This notification is refused ({reason}).")
        self.reason = reason


class GatewayError(BillingError):
    """The payment processor failed or refused.

    Made from the SDK's error, whose personal data (`args`, body, headers) is left behind.

    :param code: The processor's error code, such as ``"resource_missing"``.
    :param param: The parameter that was refused, such as ``"email"``.
    :param request_id: What the processor's support asks for.
    """

    status = 502

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.request_id = request_id


class GatewayUnavailable(GatewayError):
    """Whether the processor acted is not known: a time-out, a lost connection, or its own fault.

    Repeat with the same idempotency key, or read the object, before doing anything else. Only code
    ``"rate_limited"`` says more: the processor had too many requests, and this call did nothing.
    """

    status = 503


class GatewayRefusal(GatewayError):
    """The processor refused the request and did nothing; `param` and `code` say why."""

    status = 422


class PaymentDeclined(GatewayRefusal):
    """A payment method was declined.

    :param never_again: The processor or the bank advises against any further try.
    :param decline_code: The bank's own reason; never shown to a person.
    :param intent_id: The payment intent and the charge that came of it, where there is one.
    """

    status = 402

    def __init__(
        self,
        message: str,
        *,
        never_again: bool = False,
        decline_code: str | None = None,
        intent_id: str | None = None,
        charge_id: str | None = None,
        **details: str | None,
    ) -> None:
        super().__init__(message, **details)
        self.never_again = never_again
        self.decline_code = decline_code
        self.intent_id = intent_id
        self.charge_id = charge_id


class PaymentActionRequired(PaymentDeclined):
    """The customer has to confirm the payment with the bank first."""
