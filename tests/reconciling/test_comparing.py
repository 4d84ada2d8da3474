"""What differs between Stripe and the tables is told, and written down when it is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import stripe
from flask import Flask
from sqlalchemy import select

from flask_billing import BillingInfo, PaymentMethod, SetupSession, clock, reconciling, sync
from flask_billing.errors import GatewayError
from flask_billing.gateways import Mandate
from flask_billing.models import SyncStamp
from flask_billing.reconciling import Difference
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, create_app, db
from tests.payment_methods.journey import order, save, start


def found(**how: Any) -> list[tuple[str, str, str]]:
    """Kind, code and Stripe's id of all that differs."""
    return [(d.kind, d.code, d.stripe_id) for d in differences(**how)]


def differences(**how: Any) -> list[Difference]:
    return [
        difference
        for walk in reconciling.compare(**how)
        for look in walk.looks
        for difference in look.differences
    ]


def test_rows_that_are_as_stripe_says_do_not_differ(methods: tuple[PaymentMethod, ...]) -> None:
    assert found() == []


def test_a_look_costs_two_calls_a_customer_and_one_page_of_customers(
    stripe_sandbox: Sandbox, methods: tuple[PaymentMethod, ...]
) -> None:
    stripe_sandbox.requests.clear()

    found()

    assert len(list(stripe_sandbox.requests)) == 2 * 2 + 1


def test_method_that_is_gone_is_told_and_written(
    sdk: stripe.StripeClient, projects: tuple[Project, Project], methods: tuple[PaymentMethod, ...]
) -> None:
    sdk.v1.payment_methods.detach(methods[0].stripe_id)

    told = found()
    before = methods[0].removed_at
    fixed = differences(fix=True)

    assert told == [("payment_method", "gone", methods[0].stripe_id)]
    assert before is None
    assert [(d.id, d.fixed) for d in fixed] == [(methods[0].id, True)]
    assert order(projects[0]) == [methods[1].stripe_id]
    assert order(projects[1]) == [methods[2].stripe_id, methods[3].stripe_id]
    assert found() == []


def test_method_that_nobody_wrote_down_is_told_and_adopted(
    sdk: stripe.StripeClient, projects: tuple[Project, Project], methods: tuple[PaymentMethod, ...]
) -> None:
    info = projects[1].billing_info
    assert info is not None
    beside = sdk.v1.payment_methods.attach("pm_card_amex", {"customer": info.stripe_id})

    told = found()
    fixed = differences(fix=True)

    assert told == [("payment_method", "unknown", beside.id)]
    assert [(d.id, d.fixed) for d in fixed] == [(info.id, True)]
    assert order(projects[1]) == [methods[2].stripe_id, methods[3].stripe_id, beside.id]
    assert found() == []


def test_method_that_ran_out_or_was_renewed_is_told_and_written(
    sdk: stripe.StripeClient, methods: tuple[PaymentMethod, ...], app: Flask
) -> None:
    later = clock.now() + timedelta(days=365 * 3)
    for method in methods[1:]:
        params: Any = {"card": {"exp_month": 1, "exp_year": later.year + 5}}
        sdk.v1.payment_methods.update(method.stripe_id, params)
    params = {"card": {"exp_month": 1, "exp_year": later.year}}
    sdk.v1.payment_methods.update(methods[0].stripe_id, params)
    with clock.moved(lambda: later + timedelta(days=365)):
        ran_out = found()
        differences(fix=True)
        written = [method.usable for method in methods]
        params = {"card": {"exp_month": 1, "exp_year": later.year + 5}}
        sdk.v1.payment_methods.update(methods[0].stripe_id, params)
        renewed = found()
        differences(fix=True)

    assert ran_out == [("payment_method", "unusable", methods[0].stripe_id)]
    assert written == [False, True, True, True]
    assert renewed == [("payment_method", "usable", methods[0].stripe_id)]
    assert [method.usable for method in methods] == [True] * 4


def test_deleted_customer_is_told_and_written(
    sdk: stripe.StripeClient, projects: tuple[Project, Project], methods: tuple[PaymentMethod, ...]
) -> None:
    one, two = (project.billing_info for project in projects)
    assert one is not None
    assert two is not None
    sdk.v1.customers.delete(one.stripe_id)

    told = found()
    differences(fix=True)

    assert told == [("customer", "deleted", one.stripe_id)]
    assert one.removed_at is not None
    assert two.removed_at is None
    assert found() == []


def test_customer_that_the_key_does_not_see_is_left_as_it_is(
    methods: tuple[PaymentMethod, ...],
) -> None:
    db.session.add(BillingInfo(stripe_id="cus_elsewhere"))
    db.session.commit()

    told = differences(fix=True)

    assert [(d.code, d.stripe_id, d.fixed) for d in told] == [("missing", "cus_elsewhere", False)]
    stays = select(BillingInfo.removed_at).where(BillingInfo.stripe_id == "cus_elsewhere")
    assert db.session.scalars(stays).all() == [None]


def test_rows_of_another_mode_or_account_are_not_looked_at(
    methods: tuple[PaymentMethod, ...],
) -> None:
    db.session.add(BillingInfo(stripe_id="cus_live", livemode=True))
    db.session.add(BillingInfo(stripe_id="cus_other", account_id="acct_other"))
    db.session.commit()

    assert found() == []


def test_leaving_method_is_the_sweepers(methods: tuple[PaymentMethod, ...]) -> None:
    methods[1].position, methods[1].leaving_at = None, clock.now()
    db.session.commit()

    assert found() == []


def test_method_that_is_removed_here_alone_is_left_to_a_person(
    methods: tuple[PaymentMethod, ...],
) -> None:
    methods[1].position, methods[1].removed_at = None, clock.now()
    db.session.commit()

    told = differences(fix=True)

    assert [(d.code, d.stripe_id, d.fixed) for d in told] == [
        ("removed_here", methods[1].stripe_id, False)
    ]


def test_row_that_somebody_wrote_since_the_list_was_asked_for_does_not_differ(
    sdk: stripe.StripeClient, methods: tuple[PaymentMethod, ...]
) -> None:
    sdk.v1.payment_methods.detach(methods[0].stripe_id)
    methods[0].stamp = db.session.scalars(select(SyncStamp.last)).one() + 1000
    db.session.commit()

    assert found() == []


def test_mandate_that_was_revoked_makes_its_method_unusable(
    stripe_sandbox: Sandbox, sdk: stripe.StripeClient, methods: tuple[PaymentMethod, ...]
) -> None:
    intent = sdk.v1.setup_intents.create(
        {
            "customer": methods[0].billing_info.stripe_id,
            "payment_method": "pm_success_de",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "mandate_data": {"customer_acceptance": {"type": "offline", "offline": {}}},
        }
    )
    mandate_id = str(intent.mandate)
    differences(fix=True)
    by_id = select(PaymentMethod).where(PaymentMethod.stripe_id == str(intent.payment_method))
    method = db.session.scalars(by_id).one()
    sync.learn_mandate(
        Mandate(stripe_id=mandate_id, payment_method_id=method.stripe_id, active=True)
    )
    before = found()
    stripe_sandbox.set_mandate_status(mandate_id, "inactive")

    told = found()
    differences(fix=True)

    assert before == []
    assert told == [("payment_method", "unusable", method.stripe_id)]
    assert not method.usable
    assert found() == []


def test_customer_whose_billing_info_was_never_written_is_finished(
    stripe_sandbox: Sandbox, sdk: stripe.StripeClient, projects: tuple[Project, Project]
) -> None:
    save(stripe_sandbox, projects[0])
    session_id = start(projects[1])
    stripe_sandbox.complete_checkout(session_id)
    row = db.session.scalars(select(SetupSession).where(SetupSession.open_marker == 1)).one()
    session = sdk.v1.checkout.sessions.retrieve(session_id)
    customer_id = str(session.customer)
    # The crash came between the copy of the details and our own rows.
    sdk.v1.customers.update(customer_id, {"metadata": {"flask_billing_id": str(row.id)}})

    told = found()
    fixed = differences(fix=True)

    assert told == [
        ("customer", "not_written", customer_id),
        ("setup_session", "ended", session_id),
    ]
    assert [(d.stripe_id, d.fixed) for d in fixed] == [(customer_id, True)]
    assert projects[1].billing_info is not None
    assert projects[1].billing_info.stripe_id == customer_id
    assert row.state == "complete"
    assert found() == []


def test_customers_of_others_are_not_ours(
    sdk: stripe.StripeClient, methods: tuple[PaymentMethod, ...]
) -> None:
    for metadata in ({}, {"flask_billing_id": "nonsense"}, {"flask_billing_id": "0" * 32}):
        sdk.v1.customers.create({"metadata": metadata})

    assert found() == []


def test_session_whose_page_has_ended_is_told_and_ended(
    sdk: stripe.StripeClient, projects: tuple[Project, Project]
) -> None:
    ended, stays = (start(project) for project in projects)
    sdk.v1.checkout.sessions.expire(ended)

    told = found()
    differences(fix=True)

    assert told == [("setup_session", "ended", ended)]
    states = select(SetupSession.stripe_id, SetupSession.state)
    assert {(row[0], row[1]) for row in db.session.execute(states)} == {
        (ended, "expired"),
        (stays, "open"),
    }


def test_session_that_stripe_does_not_know_is_ended(projects: tuple[Project, Project]) -> None:
    start(projects[0])
    row = db.session.scalars(select(SetupSession)).one()
    row.stripe_id = "cs_test_of_another_account"
    db.session.commit()

    told = differences(fix=True)

    assert [(d.code, d.fixed) for d in told] == [("ended", True)]
    assert row.state == "expired"


def test_look_that_fails_stops_the_walk_and_writes_nothing(
    stripe_sandbox: Sandbox, sdk: stripe.StripeClient, methods: tuple[PaymentMethod, ...]
) -> None:
    sdk.v1.payment_methods.detach(methods[0].stripe_id)
    stripe_sandbox.fail("GET /v1/customers/*/payment_methods", how="error_500", times=9)

    with pytest.raises(GatewayError):
        differences(fix=True)

    assert methods[0].removed_at is None


def test_walk_goes_on_behind_every_place(
    sdk: stripe.StripeClient, projects: tuple[Project, Project], methods: tuple[PaymentMethod, ...]
) -> None:
    sessions = [start(project) for project in projects]
    places = [look.place for walk in reconciling.compare() for look in walk.looks]

    rests = [
        [look.place for walk in reconciling.compare(after=place) for look in walk.looks]
        for place in places
    ]

    infos = list(db.session.scalars(select(BillingInfo.id).order_by(BillingInfo.id)))
    assert places[:2] == [str(info_id) for info_id in infos]
    assert places[4:] == sessions
    assert rests == [places[number + 1 :] for number in range(len(places))]


@pytest.mark.parametrize("after", ["nonsense", "cs_nobody", "evt_1"])
def test_place_that_is_none_is_refused(app: Flask, after: str) -> None:
    with pytest.raises(ValueError, match=after):
        list(reconciling.compare(after=after))


def test_every_difference_is_found_and_fixed_on_every_database(
    database_url: str, stripe_sandbox: Sandbox, sdk: stripe.StripeClient
) -> None:
    app = create_app(
        database_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
    )
    with app.app_context():
        db.create_all()
        owners = [Project(name="one"), Project(name="two"), Project(name="three")]
        db.session.add_all(owners)
        db.session.commit()
        gone, stays = (save(stripe_sandbox, project).payment_method for project in owners[:2])
        assert gone is not None
        assert stays is not None
        ended = start(owners[2])
        sdk.v1.checkout.sessions.expire(ended)
        customer_id = gone.billing_info.stripe_id
        sdk.v1.payment_methods.detach(gone.stripe_id)
        beside = sdk.v1.payment_methods.attach("pm_card_amex", {"customer": customer_id})

        told = found()
        [place, *_] = [look.place for walk in reconciling.compare() for look in walk.looks]
        rest = found(after=place)
        differences(fix=True)

        assert told == [
            ("payment_method", "gone", gone.stripe_id),
            ("payment_method", "unknown", beside.id),
            ("setup_session", "ended", ended),
        ]
        assert rest == told[2:]
        assert found() == []
        assert order(owners[0]) == [beside.id]
        assert current().gateway.payment_method(stays.stripe_id) is not None
        db.session.remove()
