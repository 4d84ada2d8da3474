"""Saving a payment method ends in the same rows, whoever does what how often."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from flask_billing import (
    BillingInfo,
    Dispute,
    GatewayUnavailable,
    NotOurs,
    PaymentMethod,
    SetupSession,
    payment_method_added,
    payment_methods,
)
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db
from tests.payment_methods.journey import (
    CANCEL_URL,
    MASTERCARD,
    RETURN_URL,
    VISA,
    attached,
    order,
    rows,
    save,
    start,
)


def calls(sandbox: Sandbox, call: str) -> int:
    return sum(f"{request.method} {request.path}" == call for request in sandbox.requests)


def test_saved_card_opens_the_guard(stripe_sandbox: Sandbox, project: Project) -> None:
    saved = save(stripe_sandbox, project)

    assert saved.state == "complete"
    assert saved.is_new
    assert project.can_create_resources
    assert order(project) == list(attached(stripe_sandbox, project))


def test_rows_know_mode_and_account(stripe_sandbox: Sandbox, project: Project) -> None:
    save(stripe_sandbox, project)

    info = db.session.scalars(select(BillingInfo)).one()
    assert info.livemode is False
    assert info.account_id == current().gateway.account_id()
    assert info.gateway == "stripe"


def test_name_and_address_reach_the_customer(stripe_sandbox: Sandbox, project: Project) -> None:
    address = {"line1": "12 Deep St", "city": "London", "postal_code": "N1 9GU", "country": "GB"}
    save(stripe_sandbox, project, name="Ada Lovelace", email="ada@example.com", address=address)

    assert project.billing_info is not None
    details = current().gateway.customer(project.billing_info.stripe_id).details
    assert details.name == "Ada Lovelace"
    assert details.email == "ada@example.com"
    assert (details.address.line1, details.address.city) == ("12 Deep St", "London")


def test_second_start_gives_the_same_page(stripe_sandbox: Sandbox, project: Project) -> None:
    first = payment_methods.start(project, return_url=RETURN_URL, cancel_url=CANCEL_URL)
    second = payment_methods.start(project, return_url=RETURN_URL, cancel_url=CANCEL_URL)

    assert first == second
    assert calls(stripe_sandbox, "POST /v1/checkout/sessions") == 1


def test_second_card_goes_to_the_same_customer(stripe_sandbox: Sandbox, project: Project) -> None:
    save(stripe_sandbox, project)
    save(stripe_sandbox, project, MASTERCARD)

    assert len(db.session.scalars(select(BillingInfo)).all()) == 1
    assert len(order(project)) == 2
    assert calls(stripe_sandbox, "POST /v1/checkout/sessions") == 2


def test_new_card_goes_last_unless_the_host_wants_it_first(
    app: Flask, stripe_sandbox: Sandbox, project: Project
) -> None:
    first = save(stripe_sandbox, project).payment_method
    last = save(stripe_sandbox, project, MASTERCARD).payment_method
    assert first is not None
    assert last is not None
    assert order(project) == [first.stripe_id, last.stripe_id]

    object.__setattr__(current().settings, "new_method_position", "first")
    front = save(stripe_sandbox, project, "378282246310005").payment_method
    assert front is not None
    assert order(project) == [front.stripe_id, first.stripe_id, last.stripe_id]


def test_reload_of_the_return_page_changes_nothing(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=VISA)
    told: list[object] = []
    with payment_method_added.connected_to(lambda app, **kw: told.append(kw)):
        first = payment_methods.complete(project, session_id)
        again = payment_methods.complete(project, session_id)

    assert first.payment_method is again.payment_method
    assert not again.is_new
    assert len(rows()) == len(told) == 1


def test_another_projects_session_is_refused(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    session_id = start(project)
    start(other)
    stripe_sandbox.complete_checkout(session_id, card=VISA)

    with pytest.raises(NotOurs):
        payment_methods.complete(other, session_id)
    assert rows() == []
    assert not other.can_create_resources


def test_session_that_nobody_started_is_refused(stripe_sandbox: Sandbox, project: Project) -> None:
    start(project)
    foreign = _foreign_session(stripe_sandbox, purpose="payment_method")

    for session_id in (foreign, "cs_test_unknown", "../v1/customers", "", "cs_" + "a" * 300):
        with pytest.raises(NotOurs):
            payment_methods.complete(project, session_id)


def _foreign_session(sandbox: Sandbox, *, purpose: str) -> str:
    """Make a session beside billing, as another program with the same account would."""
    import stripe

    client = stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "usd",
            "customer_creation": "always",
            "success_url": "http://localhost/",
            "metadata": {"flask_billing_purpose": purpose},
        }
    )
    sandbox.complete_checkout(session.id, card=VISA)
    return session.id


def test_session_of_another_purpose_is_refused(stripe_sandbox: Sandbox, project: Project) -> None:
    start(project)
    row = db.session.scalars(select(SetupSession)).one()
    row.stripe_id = _foreign_session(stripe_sandbox, purpose="something_else")
    db.session.commit()

    with pytest.raises(NotOurs):
        payment_methods.complete(project, row.stripe_id)


def test_page_that_was_left_says_so_and_stays_open(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)

    assert payment_methods.complete(project, session_id).state == "open"
    assert start(project) == session_id


def test_declined_card_saves_nothing(stripe_sandbox: Sandbox, project: Project) -> None:
    session_id = start(project)
    with pytest.raises(Exception, match="declined"):
        stripe_sandbox.complete_checkout(session_id, card="4000000000000002")

    assert payment_methods.complete(project, session_id).state == "open"
    assert rows() == []


def test_expired_page_makes_room_for_a_new_one(stripe_sandbox: Sandbox, project: Project) -> None:
    session_id = start(project)
    stripe_sandbox.advance(timedelta(days=2).total_seconds())

    assert payment_methods.complete(project, session_id).state == "expired"
    assert start(project) != session_id


def test_start_takes_over_what_nobody_came_back_from(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=VISA)

    assert start(project) != session_id
    assert len(order(project)) == 1


def test_same_card_takes_the_place_of_the_old_one(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    old = save(stripe_sandbox, project).payment_method
    second = save(stripe_sandbox, project, MASTERCARD).payment_method
    new = save(stripe_sandbox, project, exp="11/36").payment_method

    assert old is not None
    assert second is not None
    assert new is not None
    assert order(project) == [new.stripe_id, second.stripe_id]
    assert old.removed_at is not None
    assert attached(stripe_sandbox, project) == {new.stripe_id, second.stripe_id}


def test_disputed_card_is_not_charged_again_because_it_was_saved_again(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    old = save(stripe_sandbox, project).payment_method
    second = save(stripe_sandbox, project, MASTERCARD).payment_method
    assert old is not None
    assert second is not None
    old.refusal = "disputed"
    dispute = Dispute(stripe_id="du_1", kind="dispute", state="lost", payment_method_id=old.id)
    db.session.add(dispute)
    db.session.commit()

    saved = save(stripe_sandbox, project, exp="11/36")

    assert saved.payment_method is not None
    assert saved.payment_method.refusal == saved.refusal == "disputed"
    assert second.refusal is None
    db.session.refresh(dispute)
    assert dispute.payment_method_id == saved.payment_method.id
    assert order(project) == [saved.payment_method.stripe_id, second.stripe_id]


#: How Stripe is in trouble, and how often: a call is tried three or four times where that is safe.
TROUBLE = {"timeout_before": 3, "error_500": 1, "error_500_after": 1, "rate_limit": 4}


@pytest.mark.parametrize("how", TROUBLE)
def test_start_while_stripe_is_in_trouble_can_be_repeated(
    stripe_sandbox: Sandbox, project: Project, how: str
) -> None:
    stripe_sandbox.fail("POST /v1/checkout/sessions", how=how, times=TROUBLE[how])

    with pytest.raises(GatewayUnavailable):
        start(project)
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=VISA)
    assert payment_methods.complete(project, session_id).state == "complete"
    assert len(order(project)) == 1


def test_answer_that_was_lost_is_asked_for_again(stripe_sandbox: Sandbox, project: Project) -> None:
    stripe_sandbox.fail("POST /v1/checkout/sessions", how="timeout_after")

    start(project)

    import stripe

    client = stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )
    assert len(client.v1.checkout.sessions.list().data) == 1


def test_start_before_the_account_is_known_can_be_repeated(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    stripe_sandbox.fail("GET /v1/account", how="timeout_before", times=3)

    with pytest.raises(GatewayUnavailable):
        start(project)
    assert db.session.scalars(select(SetupSession)).all() == []
    assert save(stripe_sandbox, project).state == "complete"


def test_return_while_stripe_is_down_can_be_repeated(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=VISA)
    stripe_sandbox.fail("GET /v1/checkout/sessions/*", how="timeout_before", times=3)

    with pytest.raises(GatewayUnavailable):
        payment_methods.complete(project, session_id)
    assert rows() == []
    assert payment_methods.complete(project, session_id).state == "complete"
    assert len(rows()) == 1


@pytest.mark.parametrize("how", ["timeout_after", "error_500", "error_500_after"])
def test_name_reaches_the_customer_whatever_stripe_answers(
    stripe_sandbox: Sandbox, project: Project, how: str
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=VISA, name="Ada Lovelace")
    stripe_sandbox.fail("POST /v1/customers/*", how=how)

    payment_methods.complete(project, session_id)

    assert project.billing_info is not None
    assert current().gateway.customer(project.billing_info.stripe_id).details.name == "Ada Lovelace"


def test_deployment_with_another_address_opens_a_new_page(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)
    row = db.session.scalars(select(SetupSession)).one()
    row.stripe_id, row.state = None, "starting"
    db.session.commit()

    url = payment_methods.start(
        project, return_url="https://new.example/r?s={CHECKOUT_SESSION_ID}", cancel_url=CANCEL_URL
    )
    assert session_id not in url


def test_session_is_found_when_its_id_was_never_written_down(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    session_id = start(project)
    row = db.session.scalars(select(SetupSession)).one()
    row.stripe_id, row.state = None, "starting"
    db.session.commit()
    stripe_sandbox.complete_checkout(session_id, card=VISA)

    assert payment_methods.complete(project, session_id).state == "complete"
    assert len(order(project)) == 1


def test_unsaved_changes_are_not_committed_on_the_way(project: Project) -> None:
    project.name = "changed"

    with pytest.raises(RuntimeError, match="Commit or roll back"):
        start(project)


def test_expired_card_is_saved_and_not_usable(stripe_sandbox: Sandbox, project: Project) -> None:
    saved = save(stripe_sandbox, project)
    assert saved.payment_method is not None
    saved.payment_method.usable = False
    db.session.commit()

    assert not project.can_create_resources
    assert not project.has_payment_method
    query = select(Project).where(Project.has_payment_method)
    assert db.session.scalars(query).all() == []


def test_personal_data_stays_out_of_our_rows(stripe_sandbox: Sandbox, project: Project) -> None:
    save(stripe_sandbox, project, name="Canary Name", email="canary@example.com")

    for model in (BillingInfo, PaymentMethod, SetupSession):
        for row in db.session.scalars(select(model)).all():
            text = repr({c.key: getattr(row, c.key) for c in model.__mapper__.column_attrs})
            assert "anary" not in text
            assert "4242" not in text
