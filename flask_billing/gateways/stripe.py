"""Speaks to Stripe; the only importer of its SDK.

Nothing personal and nothing secret leaves in an error: the SDK's exceptions hold whole responses,
so ours are made anew from their codes, and the SDK's logger is kept below the level at which it
prints bodies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, wraps
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

import stripe

from flask_billing.errors import (
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    PaymentActionRequired,
    PaymentDeclined,
)
from flask_billing.gateways.protocol import (
    Address,
    Customer,
    CustomerDetails,
    Hold,
    PaymentMethodDetails,
    RemoteSetupSession,
    SetupRequest,
    TaxId,
)

if TYPE_CHECKING:
    from flask_billing.settings import Settings

__all__ = ["StripeGateway"]

P = ParamSpec("P")
T = TypeVar("T")

#: Our own names in the metadata of everything that we make.
_LOCAL_ID = "flask_billing_id"
_PURPOSE = "flask_billing_purpose"
#: The heading that Stripe prints above the note on invoices.
_NOTE = "Note"

_AUTHENTICATION = {"authentication_required", "invoice_payment_intent_requires_action"}
_NEVER_AGAIN = {"lost_card", "stolen_card", "pickup_card", "restricted_card", "fraudulent"}


def _our_errors(call: Callable[P, T]) -> Callable[P, T]:
    """Turn the SDK's errors into ours.

    Ours is raised after the SDK's is forgotten, so that it is not even the context of ours: its
    `args`, body and headers hold what the customer typed, and a log of the chain would print them.
    """

    @wraps(call)
    def speak(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except stripe.StripeError as error:
            ours = _error(error)
        raise ours

    return speak


class StripeGateway:
    """Speaks to Stripe with one client for each app.

    The API version is the SDK's own. Connection and reading have time limits, and an unknown
    outcome is tried again twice under the same idempotency key before it is reported.
    """

    name = "stripe"

    def __init__(self, settings: Settings) -> None:
        addresses = ("api", "files", "connect", "meter_events")
        base = settings.api_base
        self._key = settings.secret_key
        self._timeout = settings.timeout
        self._addresses: Any = dict.fromkeys(addresses, base) if base else {}
        _quieten_sdk()

    @cached_property
    def _client(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            self._key or "",
            max_network_retries=2,
            http_client=stripe.RequestsClient(timeout=self._timeout),
            base_addresses=self._addresses,
        )

    @_our_errors
    def account_id(self) -> str:
        """Return the id of the account that the key belongs to."""
        return self._client.v1.accounts.retrieve_current().id

    @_our_errors
    def create_setup_session(self, request: SetupRequest) -> RemoteSetupSession:
        """Open Checkout in setup mode, or return the session that the same request opened."""
        ours = {_LOCAL_ID: str(request.local_id), _PURPOSE: request.purpose}
        params: dict[str, Any] = {
            "mode": "setup",
            "ui_mode": "hosted_page",
            "currency": request.currency,
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "client_reference_id": str(request.local_id),
            "metadata": ours,
            "setup_intent_data": {"metadata": ours},
        }
        if request.customer_id is None:
            params |= {"customer_creation": "always", "billing_address_collection": "required"}
        else:
            params["customer"] = request.customer_id
        session = self._client.v1.checkout.sessions.create(
            params,  # type: ignore[arg-type]
            {"idempotency_key": f"setup-{request.local_id}"},
        )
        return _session(session)

    @_our_errors
    def setup_session(self, stripe_id: str) -> RemoteSetupSession:
        """Return a Checkout session with its payment method."""
        session = self._client.v1.checkout.sessions.retrieve(
            stripe_id, {"expand": ["setup_intent.payment_method"]}
        )
        return _session(session)

    @_our_errors
    def expire_setup_session(self, stripe_id: str) -> None:
        """Close the Checkout page, so that nothing can be saved there any more."""
        self._client.v1.checkout.sessions.expire(stripe_id)

    @_our_errors
    def customer(self, stripe_id: str) -> Customer:
        """Return a customer with its tax ids; a deleted one says so."""
        return _customer(self._client.v1.customers.retrieve(stripe_id, {"expand": ["tax_ids"]}))

    @_our_errors
    def update_customer(
        self, stripe_id: str, details: CustomerDetails, *, local_id: UUID, key: str
    ) -> Customer:
        """Write all of `details` to a customer, and our row's id into its metadata."""
        # An empty text clears a field at Stripe; null would leave it as it is.
        fields = ("line1", "line2", "city", "postal_code", "state", "country")
        address = {field: getattr(details.address, field) for field in fields}
        note = details.invoice_note
        params: dict[str, Any] = {
            "name": details.name,
            "business_name": details.company,
            "email": details.email,
            "address": address if details.address else "",
            "invoice_settings": {"custom_fields": [{"name": _NOTE, "value": note}] if note else ""},
            "metadata": {_LOCAL_ID: str(local_id)},
            "expand": ["tax_ids"],
        }
        customer = self._client.v1.customers.update(
            stripe_id,
            params,  # type: ignore[arg-type]
            {"idempotency_key": key},
        )
        return _customer(customer)

    @_our_errors
    def add_tax_id(self, customer_id: str, type: str, value: str, *, key: str) -> TaxId:
        """Give a customer a tax id; Stripe verifies it on its own."""
        params: Any = {"type": type, "value": value}
        return _tax_id(
            self._client.v1.customers.tax_ids.create(customer_id, params, {"idempotency_key": key})
        )

    @_our_errors
    def remove_tax_id(self, customer_id: str, tax_id: str) -> None:
        """Take a tax id from a customer; one that is gone already is fine."""
        try:
            self._client.v1.customers.tax_ids.delete(customer_id, tax_id)
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise

    @_our_errors
    def payment_methods(self, customer_id: str) -> list[PaymentMethodDetails]:
        """Return everything that a customer has saved."""
        page = self._client.v1.customers.payment_methods.list(customer_id, {"limit": 100})
        return [_method(method) for method in page.auto_paging_iter()]

    @_our_errors
    def payment_method(self, stripe_id: str) -> PaymentMethodDetails | None:
        """Return a payment method, or `None` where Stripe knows no such id."""
        try:
            return _method(self._client.v1.payment_methods.retrieve(stripe_id))
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise

    def detach_payment_method(self, stripe_id: str) -> None:
        """Take a payment method from its customer for good; one that is gone already is fine."""
        refusal = self._detach(stripe_id)
        # Stripe answers a second detach with a refusal that has no code of its own.
        if refusal is not None:
            method = self.payment_method(stripe_id)
            if method is not None and method.customer_id is not None:
                raise refusal

    @_our_errors
    def _detach(self, stripe_id: str) -> GatewayError | None:
        try:
            self._client.v1.payment_methods.detach(stripe_id)
        except stripe.InvalidRequestError as error:
            return _error(error)
        return None

    @_our_errors
    def hold(
        self, customer_id: str, method_id: str, amount: int, currency: str, *, local_id: UUID
    ) -> Hold:
        """Hold `amount` minor units with an uncaptured payment intent."""
        intent = self._client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": currency,
                "customer": customer_id,
                "payment_method": method_id,
                "capture_method": "manual",
                "confirm": True,
                "off_session": True,
                "metadata": {_LOCAL_ID: str(local_id)},
            },
            {"idempotency_key": f"hold-{local_id}"},
        )
        return _hold(intent)

    @_our_errors
    def find_hold(self, customer_id: str, local_id: UUID) -> Hold | None:
        """Return the hold that was made for our row, if there is one."""
        page = self._client.v1.payment_intents.list({"customer": customer_id, "limit": 100})
        for intent in page.auto_paging_iter():
            if _get(intent, "metadata", _LOCAL_ID) == str(local_id):
                return _hold(intent)
        return None

    @_our_errors
    def release_hold(self, stripe_id: str) -> Hold:
        """Give a held amount back; one that is released already is fine."""
        intent = self._client.v1.payment_intents.retrieve(stripe_id)
        if intent.status == "canceled":
            return _hold(intent)
        return _hold(self._client.v1.payment_intents.cancel(stripe_id))


def _quieten_sdk() -> None:
    """Keep the SDK from logging addresses with e-mails and bodies with secrets.

    A filter, because a level is set again by any host that wants to see more.
    """
    logger = logging.getLogger("stripe")
    if _nothing_below_warning not in logger.filters:
        logger.addFilter(_nothing_below_warning)
    # What `stripe.log` and the variable STRIPE_LOG switch on goes past the logger, to stderr.
    stripe.log = None
    stripe._util.STRIPE_LOG = None
    if stripe.app_info is None:
        stripe.set_app_info("flask_billing", version=version("flask-billing"))


def _nothing_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _error(error: stripe.StripeError) -> GatewayError:
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
    if isinstance(error, stripe.InvalidRequestError):
        return GatewayRefusal(f"Stripe refused the request ({code or 'no code'}).", **found)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return GatewayError(
            "Stripe does not accept the key. Check STRIPE_SECRET_KEY and its rights.", **found
        )
    if (error.http_status or 0) >= 500:
        # Stripe answers the same again under the same key until it forgets the key.
        found["code"] = code or "server_error"
    return GatewayUnavailable("Stripe did not answer, or not in a usable way.", **found)


def _card_error(detail: Any, code: str | None, found: dict[str, Any]) -> GatewayError:
    reason = getattr(detail, "decline_code", None)
    if {code, reason} & _AUTHENTICATION:
        return PaymentActionRequired("The bank wants the customer to confirm.", **found)
    advice = getattr(detail, "advice_code", None)
    never_again = reason in _NEVER_AGAIN or advice == "do_not_try_again"
    return PaymentDeclined("The payment method was declined.", never_again=never_again, **found)


def _get(thing: Any, *names: str) -> Any:
    """Follow attributes that may be absent, as keys of Stripe's objects may."""
    for name in names:
        thing = getattr(thing, name, None)
        if thing is None:
            return None
    return thing


def _id(thing: Any) -> str | None:
    """Return the id of an object that may be expanded, not expanded or absent."""
    found: str | None = thing if isinstance(thing, str) else getattr(thing, "id", None)
    return found


def _session(session: Any) -> RemoteSetupSession:
    intent = _get(session, "setup_intent")
    method = _get(intent, "payment_method")
    status = _get(intent, "status")
    return RemoteSetupSession(
        stripe_id=session.id,
        state=session.status,
        url=_get(session, "url"),
        expires_at=datetime.fromtimestamp(session.expires_at, UTC),
        local_id=_get(session, "metadata", _LOCAL_ID),
        purpose=_get(session, "metadata", _PURPOSE),
        customer_id=_id(_get(session, "customer")),
        email=_get(session, "customer_details", "email") or "",
        succeeded=status == "succeeded",
        processing=status == "processing",
        payment_method=None if method is None or isinstance(method, str) else _method(method),
    )


def _customer(customer: Any) -> Customer:
    if getattr(customer, "deleted", False):
        return Customer(stripe_id=customer.id, deleted=True)
    notes = _get(customer, "invoice_settings", "custom_fields") or []
    return Customer(
        stripe_id=customer.id,
        livemode=customer.livemode,
        details=CustomerDetails(
            name=_get(customer, "name") or "",
            company=_get(customer, "business_name") or "",
            email=_get(customer, "email") or "",
            address=_address(_get(customer, "address")),
            invoice_note=next((note.value for note in notes if note.name == _NOTE), ""),
        ),
        tax_ids=tuple(_tax_id(tax_id) for tax_id in _get(customer, "tax_ids", "data") or ()),
    )


def _tax_id(tax_id: Any) -> TaxId:
    return TaxId(
        stripe_id=tax_id.id,
        type=tax_id.type,
        value=_get(tax_id, "value") or "",
        verification=_get(tax_id, "verification", "status") or "unavailable",
    )


def _address(address: Any) -> Address:
    fields = ("line1", "line2", "city", "postal_code", "state", "country")
    return Address(**{field: _get(address, field) or "" for field in fields})


def _method(method: Any) -> PaymentMethodDetails:
    details = _get(method, method.type)
    return PaymentMethodDetails(
        stripe_id=method.id,
        type=method.type,
        customer_id=_id(_get(method, "customer")),
        brand=_get(details, "display_brand") or _get(details, "brand") or "",
        last4=_get(details, "last4") or "",
        exp_month=_get(details, "exp_month"),
        exp_year=_get(details, "exp_year"),
        wallet=_get(details, "wallet", "type") or "",
        fingerprint=_get(details, "fingerprint") or "",
        holder=_get(method, "billing_details", "name") or "",
        address=_address(_get(method, "billing_details", "address")),
        country=_get(details, "country") or "",
    )


def _hold(intent: Any) -> Hold:
    states = {"requires_capture": "held", "processing": "processing", "canceled": "released"}
    return Hold(stripe_id=intent.id, state=states.get(intent.status, "declined"))
