"""Objects as Stripe has written them in several API versions, and what each of them means."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask_billing.gateways import (
    Address,
    Customer,
    CustomerDetails,
    Mandate,
    PaymentMethodDetails,
    RemoteEvent,
    RemoteSetupSession,
    TaxId,
    WebhookEndpoint,
)
from flask_billing.gateways.stripe import StripeGateway
from tests.gateways.conftest import ADDRESS as HOOKS
from tests.gateways.conftest import ROW

Objects = dict[str, Any]
#: Makes a gateway that gets one answer, whatever it asks.
Answering = Callable[[Any], StripeGateway]

OBJECTS = Path(__file__).with_name("objects")
VERSIONS = [
    "2020-08-27",
    "2024-06-20",
    "2025-03-31.basil",
    "2026-05-27.dahlia",
    "2026-10-28.endive",
]

CUS = "cus_QbL4p7x9YzK2mN"
ADDRESS = Address(line1="12 Analytical Row", city="London", postal_code="N1 7AA", country="GB")
CARD = PaymentMethodDetails(
    stripe_id="pm_1PkW3y2eZvKYlo2C4Wq8bXnT",
    type="card",
    customer_id=CUS,
    brand="visa",
    last4="4242",
    exp_month=11,
    exp_year=2030,
    fingerprint="Xt5EWLLDS7FJjR1c",
    holder="Ada Lovelace",
    address=ADDRESS,
    country="US",
)
SEPA = PaymentMethodDetails(
    stripe_id="pm_1PkW3y2eZvKYlo2CsepaAbCd",
    type="sepa_debit",
    customer_id=CUS,
    last4="3000",
    fingerprint="ze3tYwzRTLUpi2Xc",
    holder="Ada Lovelace",
    country="DE",
)
LINK = PaymentMethodDetails(stripe_id="pm_1PkW3y2eZvKYlo2ClinkAbCd", type="link", customer_id=None)
CUSTOMER = Customer(
    stripe_id=CUS,
    local_id=str(ROW),
    details=CustomerDetails(
        name="Ada Lovelace", email="ada@example.com", address=ADDRESS, invoice_note="PO 4711"
    ),
    tax_ids=(
        TaxId(
            stripe_id="txi_1PkW3y2eZvKYlo2CAbCdEfGh",
            type="eu_vat",
            value="DE123456789",
            verification="verified",
        ),
    ),
)
SESSION = RemoteSetupSession(
    stripe_id="cs_test_c1PkW3y2eZvKYlo2C0123456789",
    state="complete",
    url=None,
    expires_at=datetime(2025, 11, 22, tzinfo=UTC),
    local_id=str(ROW),
    purpose="payment_method",
    customer_id=CUS,
    email="ada@example.com",
    succeeded=True,
    payment_method=CARD,
)
MANDATE = Mandate(
    stripe_id="mandate_1PkW3y2eZvKYlo2CMnBvCxZa", payment_method_id=SEPA.stripe_id, active=True
)
ENDPOINT = WebhookEndpoint(
    stripe_id="we_1PkW3y2eZvKYlo2CLkJhGfDs",
    url=HOOKS,
    enabled=True,
    types=frozenset({"customer.updated", "payment_method.detached"}),
)
EVENT = RemoteEvent(
    stripe_id="evt_1PkW3z2eZvKYlo2CPoIuYtRe",
    type="payment_method.detached",
    livemode=False,
    created_at=datetime(2025, 11, 21, 0, 1, tzinfo=UTC),
    object_id=CARD.stripe_id,
    object_type="payment_method",
    customer_id=CUS,
    idempotency_key="detach-1",
)


def objects_of(version: str) -> Objects:
    found: Objects = json.loads((OBJECTS / f"{version}.json").read_text())
    return found


def expanded(objects: Objects) -> Objects:
    """The session as it comes with its setup intent and payment method."""
    intent = objects["setup_intent"] | {"payment_method": objects["payment_method.card"]}
    found: Objects = copy.deepcopy(objects["checkout.session"] | {"setup_intent": intent})
    return found


def without_nulls(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {name: without_nulls(value) for name, value in thing.items() if value is not None}
    return [without_nulls(entry) for entry in thing] if isinstance(thing, list) else thing
