"""Reads and updates billing details where they live: at the processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy import exists, select

from flask_billing import clock, projects, signals, sync, waking
from flask_billing.errors import BillingError, GatewayError, GatewayRefusal
from flask_billing.gateways import Customer, CustomerDetails, PaymentMethodDetails
from flask_billing.ids import uuid7
from flask_billing.models import BillingInfo, InvoiceCollection, PaymentMethod
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["DetailsRefused", "LiveDetails", "live_details", "read", "update", "wake"]

T = TypeVar("T")

#: The processor's parameters and the form fields that they come from.
_FIELDS = {
    "name": "name",
    "business_name": "company",
    "email": "email",
    "address[line1]": "line1",
    "address[line2]": "line2",
    "address[city]": "city",
    "address[postal_code]": "postal_code",
    "address[state]": "state",
    "address[country]": "country",
    "address": "country",
    "invoice_settings[custom_fields][0][value]": "invoice_note",
    "invoice_settings[custom_fields]": "invoice_note",
    "type": "tax_id",
    "value": "tax_id",
}
#: Where the processor names no parameter.
_FIELD_OF_CODE = {
    "customer_tax_location_invalid": "country",
    "email_invalid": "email",
    "tax_id_invalid": "tax_id",
}
_REASONS = {
    "customer_tax_location_invalid": "unknown_location",
    "email_invalid": "invalid",
    "parameter_invalid_string_blank": "blank",
    "parameter_invalid_string_empty": "blank",
    "tax_id_invalid": "invalid",
}


@dataclass(frozen=True)
class LiveDetails:
    """What a page shows of a customer, read while a person looks.

    :ivar methods: By their ids at the processor.
    :ivar missing: The processor did not answer in time, or not with everything.
    """

    customer: Customer | None = None
    methods: Mapping[str, PaymentMethodDetails] = field(default_factory=dict)
    missing: bool = False


class DetailsRefused(BillingError):
    """The processor does not take what was typed.

    :param fields: The form's field → a stable reason such as ``"invalid"``.
    """

    status = 422

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("The processor does not take some of these details.")
        self.fields = dict(fields)


def live_details(billing_info: BillingInfo | None) -> LiveDetails:
    """Return what the processor knows of a customer, with two calls side by side.

    Never raises for the processor's sake and never takes longer than `BILLING_PAGE_TIMEOUT`;
    ends the session's transaction.
    """
    if billing_info is None or billing_info.removed_at is not None:
        return LiveDetails()
    state = current()
    stripe_id = billing_info.stripe_id
    state.db.session.commit()
    began = monotonic()
    gateway = state.gateway
    customer = state.threads.submit(gateway.customer, stripe_id)
    methods = state.threads.submit(gateway.payment_methods, stripe_id)
    calls: list[Future[Any]] = [customer, methods]
    wait(calls, timeout=state.settings.page_timeout)
    found, saved = _answer(customer), _answer(methods)
    if found is not None and found.deleted:
        sync.write_customer_removal(billing_info.id)
        return LiveDetails(customer=found)
    if saved is not None:
        _catch_up(billing_info, saved, began + state.settings.page_timeout)
    return LiveDetails(
        customer=found,
        methods={method.stripe_id: method for method in saved or ()},
        missing=found is None or saved is None,
    )


def _catch_up(
    billing_info: BillingInfo, saved: Iterable[PaymentMethodDetails], deadline: float
) -> None:
    """Write what a look at the page brought to light: cards that ran out, were renewed or left.

    Only what seems to differ is asked for again, under a stamp; most looks write nothing.
    """
    state = current()
    live = {method.stripe_id: method for method in saved}
    now = clock.now()
    good = {stripe_id for stripe_id, method in live.items() if not method.is_expired(now)}
    differing = [
        row
        for row in billing_info.payment_methods
        if row.leaving_at is None
        and row.removed_at is None
        and (row.stripe_id not in live or _has_changed(row, row.stripe_id in good))
    ]
    if not differing:
        state.db.session.commit()
        return
    ids = [row.stripe_id for row in differing]
    stamp = sync.take_stamp()
    asked = [state.threads.submit(state.gateway.payment_method, stripe_id) for stripe_id in ids]
    wait(asked, timeout=max(0.0, deadline - monotonic()))
    for row, answer in zip(differing, asked, strict=True):
        if answer.done() and answer.exception() is None:
            sync.write_payment_method(row, answer.result(), stamp)


def _has_changed(row: PaymentMethod, is_good: bool) -> bool:
    """Return whether a method seems to have run out or been renewed.

    One with a mandate hangs on that too, which no list tells; its webhook does.
    """
    return row.mandate_id is None and row.usable != is_good


def _answer(future: Future[T]) -> T | None:
    if not future.done():
        future.cancel()
        return None
    try:
        return future.result()
    except GatewayError as error:
        current_app.logger.warning("Billing details are missing on a page (%s).", error.code)
        return None


def read(billing_info: BillingInfo) -> Customer:
    """Return a customer with its tax ids; ends the session's transaction.

    :raises GatewayError: The processor refused or did not answer.
    """
    stripe_id = billing_info.stripe_id
    current().db.session.commit()
    return current().gateway.customer(stripe_id)


def update(
    billing_info: BillingInfo, details: CustomerDetails, tax_id: tuple[str, str] | None
) -> Customer:
    """Write all billing details to the processor; commits the session.

    :param details: Empty text clears a field.
    :param tax_id: The processor's name of the kind and the number; `None` for no tax id.
    :raises DetailsRefused: Some of it was refused; what was not refused is written.
    :raises GatewayError: The processor did not answer, or refused for another reason.
    """
    require_clean()
    state = current()
    stripe_id, local_id = billing_info.stripe_id, billing_info.id
    state.db.session.commit()
    # A new key each time: the same details may be set again after others were.
    key = str(uuid7())
    try:
        state.gateway.update_customer(stripe_id, details, local_id=local_id, key=f"details-{key}")
        _replace_tax_id(stripe_id, tax_id, key)
        customer = state.gateway.customer(stripe_id)
    except GatewayRefusal as error:
        name = _FIELDS.get(error.param or "") or _FIELD_OF_CODE.get(error.code or "")
        if name is None:
            raise
        raise DetailsRefused({name: _REASONS.get(error.code or "", "invalid")}) from None
    wake(stripe_id)
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]
    signals.billing_details_changed.send(app, billing_info=billing_info)
    return customer


def wake(stripe_id: str) -> None:
    """Have invoices looked at that wait for the address which their tax needs.

    Commits the session.
    """
    session = current().db.session
    waiting = exists().where(
        InvoiceCollection.billing_info_id == BillingInfo.id, InvoiceCollection.needs == "address"
    )
    info_id = session.scalar(
        select(BillingInfo.id).where(BillingInfo.stripe_id == stripe_id, waiting)
    )
    if info_id is not None:
        waking.wake(projects.connection(), info_id, needs="address")
    session.commit()


def _replace_tax_id(stripe_id: str, tax_id: tuple[str, str] | None, key: str) -> None:
    """Leave a customer with just this tax id; the new one is there before the old one goes."""
    gateway = current().gateway
    present = gateway.customer(stripe_id).tax_ids
    kept = next((old for old in present if (old.type, old.value) == tax_id), None)
    if tax_id is not None and kept is None:
        kept = gateway.add_tax_id(stripe_id, *tax_id, key=f"tax-id-{key}")
    for old in present:
        if kept is None or old.stripe_id != kept.stripe_id:
            gateway.remove_tax_id(stripe_id, old.stripe_id)
