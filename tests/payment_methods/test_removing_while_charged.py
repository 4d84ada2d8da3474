"""A payment method is charged or removed, never both, whoever is faster."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from uuid import UUID

import pytest
from flask import Flask

from flask_billing import MethodNeeded, PaymentMethod, collecting, payment_methods
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.collecting import world
from tests.host import Project, create_app, db

pytestmark = [pytest.mark.database, pytest.mark.concurrency]

ROUNDS = 4


@pytest.fixture
def anywhere(database_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        database_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        BILLING_STRIPE_RATE=1000,
    )
    with app.app_context():
        db.create_all()
        yield app


def remove(key: str, method_id: UUID) -> PaymentMethod:
    return payment_methods.remove(db.session.get_one(Project, int(key)), method_id)


def test_method_is_charged_or_removed(anywhere: Flask, stripe_sandbox: Sandbox) -> None:
    for month in [world.JULY, world.AUGUST] * (ROUNDS // 2):
        owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
        first, second = owner.methods
        ids = first.stripe_id, second.stripe_id
        invoice_id = world.new_invoice(owner, 300, month=month)

        removed, collected = at_once(
            anywhere, partial(remove, owner.key, first.id), collecting.collect
        )

        assert isinstance(removed, (PaymentMethod, MethodNeeded)), removed
        assert not isinstance(collected, Exception), collected
        collecting.collect()
        assert world.invoice(invoice_id).state == "paid"
        assert world.states(invoice_id) == ["succeeded"]
        [charge] = world.charges(stripe_sandbox, owner)
        assert charge.payment_method in ids


def test_last_method_stays_for_what_is_unpaid(anywhere: Flask, stripe_sandbox: Sandbox) -> None:
    for _ in range(ROUNDS):
        owner = world.new_owner(stripe_sandbox, world.VISA)
        invoice_id = world.new_invoice(owner, 300)

        removed, _ = at_once(
            anywhere, partial(remove, owner.key, owner.methods[0].id), collecting.collect
        )

        # It goes only once the invoice was paid with it.
        assert isinstance(removed, (PaymentMethod, MethodNeeded)), removed
        collecting.collect()
        assert world.invoice(invoice_id).state == "paid"
        assert world.states(invoice_id) == ["succeeded"]
