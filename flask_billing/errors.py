"""Everything that billing raises on purpose: one tree, each error with its HTTP status.

Messages name the next step. They carry ids at most, never personal data and never a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from werkzeug.exceptions import HTTPException, NotImplemented

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

__all__ = [
    "BillingDisabled",
    "BillingError",
    "GatewayError",
    "GatewayRefusal",
    "GatewayUnavailable",
    "MethodNeeded",
    "NotOurs",
    "PaymentActionRequired",
    "PaymentDeclined",
    "PaymentMethodRequired",
    "SessionUnfinished",
    "SharingRefused",
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


class UnsupportedOperation(BillingError):
    """The gateway cannot do this."""

    status = 501


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

    Repeat with the same idempotency key, or read the object, before doing anything else.
    """

    status = 503


class GatewayRefusal(GatewayError):
    """The processor refused the request and did nothing; `param` and `code` say why."""

    status = 422


class PaymentDeclined(GatewayRefusal):
    """A payment method was declined.

    :param never_again: The processor or the bank advises against any further try.
    """

    status = 402

    def __init__(self, message: str, *, never_again: bool = False, **details: str | None) -> None:
        super().__init__(message, **details)
        self.never_again = never_again


class PaymentActionRequired(PaymentDeclined):
    """The customer has to confirm the payment with the bank first."""
