"""Rows of ours: usable by their defaults, in their order, and never gone with others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    InvoiceRefund,
    PaymentAttempt,
    PaymentHold,
    PaymentMethod,
    SetupSession,
    clock,
    models,
)
from tests.host import Project, create_app, db

NOW = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)


def saved(*rows: Any) -> None:
    db.session.add_all(rows)
    db.session.commit()


# What a host's tests rely on


def test_method_built_by_hand_opens_the_guard(app: Flask) -> None:
    project = Project(name="p", billing_info=BillingInfo(stripe_id="cus_1"))
    saved(project, PaymentMethod(stripe_id="pm_1", billing_info=project.billing_info))

    assert project.can_create_resources
    assert [method.stripe_id for method in project.payment_methods] == ["pm_1"]


def test_method_is_usable_by_its_defaults_before_it_is_saved() -> None:
    assert PaymentMethod(stripe_id="pm_1").is_usable


def test_methods_built_by_hand_get_positions_in_the_order_of_their_making(app: Flask) -> None:
    ann, ben = BillingInfo(stripe_id="cus_ann"), BillingInfo(stripe_id="cus_ben")
    saved(*[PaymentMethod(stripe_id=f"pm_{n}", billing_info=ann) for n in (3, 1, 2)])
    saved(
        PaymentMethod(stripe_id="pm_4", billing_info=ben),
        PaymentMethod(stripe_id="pm_5", billing_info_id=ann.id),
    )

    found = db.session.execute(
        select(PaymentMethod.stripe_id, PaymentMethod.position).order_by(PaymentMethod.stripe_id)
    )
    assert {row.stripe_id: row.position for row in found} == {
        "pm_1": 1,
        "pm_2": 2,
        "pm_3": 0,
        "pm_4": 0,
        "pm_5": 3,
    }


def test_method_that_is_gone_gets_no_position(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1")
    gone = PaymentMethod(stripe_id="pm_1", billing_info=info, removed_at=NOW)
    leaving = PaymentMethod(stripe_id="pm_2", billing_info=info, leaving_at=NOW)

    saved(gone, leaving)

    assert gone.position is leaving.position is None


@pytest.mark.parametrize(("key", "livemode"), [("sk_test_1", False), ("sk_live_1", True)])
def test_customer_is_of_the_mode_of_the_key_that_made_it(
    sqlite_url: str, key: str, livemode: bool
) -> None:
    with create_app(sqlite_url, STRIPE_SECRET_KEY=key).app_context():
        db.create_all()
        info = BillingInfo(stripe_id="cus_1")
        saved(info)

        assert info.livemode is livemode


# What can be charged


STATES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"usable": False}, False),
    ({"refusal": "banned"}, False),
    ({"refusal": "checking"}, False),
    ({"leaving_at": NOW}, False),
    ({"removed_at": NOW}, False),
    ({"usable": False, "refusal": "country", "removed_at": NOW}, False),
]


@pytest.mark.parametrize(("state", "usable"), STATES)
def test_predicate_and_its_query_twin_agree(
    app: Flask, state: dict[str, Any], usable: bool
) -> None:
    info = BillingInfo(stripe_id="cus_1")
    project = Project(name="p", billing_info=info)
    other = Project(name="other", billing_info=BillingInfo(stripe_id="cus_2"))
    method = PaymentMethod(stripe_id="pm_1", billing_info=info, **state)
    saved(project, other, method)

    by_query = db.session.scalars(select(PaymentMethod).where(PaymentMethod.is_usable)).all()
    projects = db.session.scalars(select(Project).where(Project.has_payment_method)).all()

    assert method.is_usable is usable
    assert list(by_query) == [method] * usable
    assert project.has_payment_method is usable
    assert list(projects) == [project] * usable


def test_customer_that_is_gone_takes_its_methods_out_of_sight_of_the_guard(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1", removed_at=NOW)
    project = Project(name="p", billing_info=info)
    saved(project, PaymentMethod(stripe_id="pm_1", billing_info=info))

    twin = db.session.scalars(select(Project).where(Project.has_payment_method)).all()

    assert not project.can_create_resources
    assert list(twin) == []
    assert not project.has_payment_method


# Our row for a project


def row_of(key: str) -> BilledProjectRow | None:
    return db.session.get(BilledProjectRow, key, populate_existing=True)


def test_project_gets_our_row_with_its_first_flush(app: Flask) -> None:
    project = Project(name="p")
    saved(project)

    row = row_of(str(project.id))

    assert row is not None
    assert (row.billable, row.billing_info_id, row.currency) == (True, None, None)
    assert row.created_at.tzinfo is UTC


def test_our_row_follows_who_pays(app: Flask) -> None:
    ann, ben = BillingInfo(stripe_id="cus_ann"), BillingInfo(stripe_id="cus_ben")
    project = Project(name="p", billing_info=ann)
    saved(project, ben)
    key = str(project.id)
    followed = []

    for info in (ann, ben, None):
        project.billing_info = info
        db.session.commit()
        row = row_of(key)
        assert row is not None
        followed.append(row.billing_info_id)

    assert followed == [ann.id, ben.id, None]


def test_our_row_outlives_the_project(app: Flask) -> None:
    project = Project(name="p")
    saved(project)
    key = str(project.id)

    db.session.delete(project)
    db.session.commit()

    assert row_of(key) is not None


@pytest.mark.parametrize("when", ["before", "after"])
def test_internal_project_is_marked_before_or_after_it_is_saved(app: Flask, when: str) -> None:
    project = Project(name="internal")
    if when == "before":
        project.billable = False
    saved(project)
    if when == "after":
        project.billable = False
        db.session.commit()

    assert not project.billable
    assert project.can_create_resources

    project.billable = True
    db.session.commit()

    assert project.billable
    assert not project.can_create_resources


# Nothing of ours goes with something else


def test_methods_stay_when_who_pays_is_to_be_deleted(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1")
    saved(PaymentMethod(stripe_id="pm_1", billing_info=info))
    db.session.connection().exec_driver_sql("PRAGMA foreign_keys = ON")

    db.session.delete(info)

    with pytest.raises(IntegrityError):
        db.session.flush()


def test_customer_stays_when_its_project_is_deleted(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1")
    project = Project(name="p", billing_info=info)
    saved(project)

    db.session.delete(project)
    db.session.commit()

    assert db.session.get(BillingInfo, info.id) is not None


def test_no_relationship_of_ours_cascades_a_deletion(app: Flask) -> None:
    cascading = [
        f"{model.__name__}.{relationship.key}"
        for model in models.MODELS
        for relationship in inspect(model).relationships
        if relationship.cascade.delete or relationship.cascade.delete_orphan
    ]

    assert cascading == []
    assert not any(
        key.ondelete or key.onupdate
        for model in models.MODELS
        for key in model.__table__.foreign_keys
    )


def test_ended_session_lets_the_project_start_another(app: Flask) -> None:
    saved(Project(id=1, name="p"))
    first = SetupSession(project_key="1")
    saved(first)

    first.end("expired")
    saved(SetupSession(project_key="1"))

    assert (first.state, first.open_marker) == ("expired", None)
    assert first.ended_at is not None
    assert first.ended_at <= clock.now()


def test_hold_begins_before_the_processor_is_asked(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1")
    method = PaymentMethod(stripe_id="pm_1", billing_info=info)
    hold = PaymentHold(payment_method=method, amount=100, currency="eur")

    saved(hold)

    assert (hold.state, hold.stripe_id, hold.released_at) == ("starting", None, None)


def test_invoice_that_is_closed_by_hand_is_collected_at_once(app: Flask) -> None:
    saved(Project(id=1, name="p"))
    invoice = Invoice(
        project_key="1",
        period_start=NOW.replace(day=1),
        period_end=NOW,
        currency="eur",
        gross=900,
        subtotal=900,
        due=900,
        line_count=1,
    )
    saved(InvoiceCollection(invoice=invoice))
    db.session.expire_all()

    row = invoice.collection

    assert row is not None
    assert row.invoice is invoice
    assert (invoice.state, row.state, row.livemode, row.stamp) == ("closed", "waiting", False, 0)
    assert row.next_try_at is not None
    assert row.next_try_at <= clock.now()
    assert row.owner_until is row.claimed_until is row.needs is None


def test_try_and_refund_begin_before_the_processor_is_asked() -> None:
    begun = [PaymentAttempt.__table__, InvoiceRefund.__table__]

    for table in begun:
        first = {name: table.c[name].default.arg for name in ("state", "in_flight_marker", "sends")}
        assert first == {"state": "sending", "in_flight_marker": 1, "sends": 1}


#: Names of rates, from a file that is reviewed like code; ids of the host's, in which spaces and @
#: are refused; a short word that is refused where it looks like a person's; random ids of ours;
#: how much tax there is, and whether it could be worked out; a moment. See docs/data.md.
NOT_PERSONAL = {
    "billing_adjustment.made_by",
    "billing_alert.label",
    "billing_allowance.made_by",
    "billing_audit.made_by",
    "billing_collection.claimed_by",
    "billing_collection.tax",
    "billing_collection.tax_state",
    "billing_collection.void_by",
    "billing_credit.granted_by",
    "billing_credit_code.made_by",
    "billing_credit_entry.made_by",
    "billing_discount.made_by",
    "billing_dispute.respond_by",
    "billing_event.claimed_by",
    "billing_invoice.voided_by",
    "billing_invoice_group.group_name",
    "billing_notification.claimed_by",
    "billing_rate.group_name",
    "billing_rate.name",
    "billing_refund.made_by",
    "payment_attempt.made_by",
}


def test_no_column_of_ours_is_meant_for_anything_personal() -> None:
    personal = {
        "address",
        "body",
        "brand",
        "by",
        "city",
        "client_secret",
        "country",
        "email",
        "exp",
        "fingerprint",
        "holder",
        "label",
        "last4",
        "name",
        "payload",
        "phone",
        "tax",
        "url",
    }

    found = {
        f"{model.__tablename__}.{column.name}"
        for model in models.MODELS
        for column in model.__table__.columns
        if personal & {column.name, *column.name.split("_")}
    }

    assert found == NOT_PERSONAL
