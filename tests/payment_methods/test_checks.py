"""What we refuse although the processor would not: off by default, and each on its own."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from flask_billing import BannedCard, PaymentHold, UnsupportedOperation, payment_methods
from flask_billing.payment_methods import Completion
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db
from tests.payment_methods.journey import MASTERCARD, order, save, start

CHARGES_FAIL = "4000000000000341"


def set_up(**changes: Any) -> None:
    for name, value in changes.items():
        object.__setattr__(current().settings, name, value)


def holds() -> list[PaymentHold]:
    return list(db.session.scalars(select(PaymentHold)).all())


def intents(sandbox: Sandbox) -> list[str]:
    import stripe

    client = stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})
    return [intent.status for intent in client.v1.payment_intents.list().data]


def test_nothing_is_checked_by_default(stripe_sandbox: Sandbox, project: Project) -> None:
    saved = save(stripe_sandbox, project, CHARGES_FAIL)

    assert saved.refusal is None
    assert holds() == []
    assert project.can_create_resources


def test_card_from_a_blocked_country_is_refused(stripe_sandbox: Sandbox, project: Project) -> None:
    set_up(blocked_countries=frozenset({"GB"}))
    address = {"line1": "12 Deep St", "city": "London", "postal_code": "N1 9GU", "country": "GB"}
    saved = save(stripe_sandbox, project, address=address)

    assert saved.refusal == "country"
    assert not project.can_create_resources


def test_nothing_is_held_on_a_bank_account(stripe_sandbox: Sandbox, project: Project) -> None:
    set_up(preauthorization=100, currency="eur")
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, iban="DE89370400440532013000")

    saved = payment_methods.complete(project, session_id)

    assert saved.refusal is None
    assert holds() == []
    assert project.can_create_resources


def test_banned_card_is_recognised_wherever_it_is_saved_again(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    set_up(banned_card_key="a key of its own for bans")
    first = save(stripe_sandbox, project).payment_method
    assert first is not None
    payment_methods.ban(first)

    assert not project.can_create_resources
    assert save(stripe_sandbox, other).refusal == "banned"
    assert save(stripe_sandbox, project).refusal == "banned"
    assert save(stripe_sandbox, other, MASTERCARD).refusal is None
    assert other.can_create_resources


def test_ban_keeps_no_fingerprint(stripe_sandbox: Sandbox, project: Project) -> None:
    set_up(banned_card_key="a key of its own for bans")
    method = save(stripe_sandbox, project).payment_method
    assert method is not None
    payment_methods.ban(method)
    payment_methods.ban(method)

    details = current().gateway.payment_method(method.stripe_id)
    assert details is not None
    assert details.fingerprint not in db.session.scalars(select(BannedCard.digest)).one()


def test_ban_needs_its_key(stripe_sandbox: Sandbox, project: Project) -> None:
    method = save(stripe_sandbox, project).payment_method
    assert method is not None

    with pytest.raises(UnsupportedOperation, match="BILLING_BANNED_CARD_KEY"):
        payment_methods.ban(method)


def test_hold_is_given_back_at_once(stripe_sandbox: Sandbox, project: Project) -> None:
    set_up(preauthorization=100)
    save(stripe_sandbox, project)

    assert [hold.state for hold in holds()] == ["released"]
    assert intents(stripe_sandbox) == ["canceled"]
    assert project.can_create_resources


def test_method_that_cannot_be_charged_is_refused(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    set_up(preauthorization=100)
    save(stripe_sandbox, project, CHARGES_FAIL)

    assert [method.refusal for method in project.payment_methods] == ["declined"]
    assert not project.can_create_resources


def test_replacing_a_refused_card_clears_the_refusal(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    old = save(stripe_sandbox, project).payment_method
    assert old is not None
    old.refusal = "declined"
    db.session.commit()

    new = save(stripe_sandbox, project).payment_method
    assert new is not None
    assert new.refusal is None
    assert order(project) == [new.stripe_id]
    assert project.can_create_resources


@pytest.mark.parametrize(
    ("call", "times"),
    [
        ("POST /v1/payment_intents", 3),
        ("POST /v1/payment_intents/*/cancel", 3),
        ("GET /v1/payment_intents", 3),
        ("GET /v1/payment_intents/*", 3),
    ],
)
def test_hold_that_was_interrupted_is_given_back_by_the_sweeper(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any, call: str, times: int
) -> None:
    set_up(preauthorization=100)
    stripe_sandbox.fail(call, how="timeout_before", times=times)
    saved: Completion = save(stripe_sandbox, project)
    assert saved.state == "complete"

    moved_clock.shift(300)
    report = payment_methods.sweep()

    assert report.failed == 0
    assert [hold.state for hold in holds()] == ["released"]
    assert "requires_capture" not in intents(stripe_sandbox)
    assert project.can_create_resources


def test_hold_after_a_server_error_is_found_and_given_back(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    set_up(preauthorization=100)
    stripe_sandbox.fail("POST /v1/payment_intents", how="error_500_after")
    save(stripe_sandbox, project)

    moved_clock.shift(300)
    payment_methods.sweep()

    assert [hold.state for hold in holds()] == ["released"]
    assert intents(stripe_sandbox) == ["canceled"]
