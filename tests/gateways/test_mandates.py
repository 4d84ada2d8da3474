"""A mandate is read as the bank left it."""

from __future__ import annotations

import stripe

from flask_billing.gateways import Mandate
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import OTHER_ROW, ROW, setup_request


def test_mandate_ends_alone(
    gateway: StripeGateway, sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    given = []
    for row in (ROW, OTHER_ROW):
        session = gateway.create_setup_session(setup_request(local_id=row)).stripe_id
        stripe_sandbox.complete_checkout(session, iban="DE89370400440532013000")
        [intent] = sdk.v1.setup_intents.list({"limit": 1}).data
        given.append((str(intent.mandate), str(intent.payment_method)))
    (ended, its_method), (other, other_method) = given

    stripe_sandbox.set_mandate_status(ended, "inactive")

    assert gateway.mandate(ended) == Mandate(
        stripe_id=ended, payment_method_id=its_method, active=False
    )
    assert gateway.mandate(other) == Mandate(
        stripe_id=other, payment_method_id=other_method, active=True
    )
    told = [event for event in gateway.events() if event.type == "mandate.updated"]
    assert [(event.object_id, event.customer_id) for event in told] == [(ended, None)]
