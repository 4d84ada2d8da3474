"""The database itself refuses what must not be, on each of the three."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import CheckConstraint, UniqueConstraint, delete, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from flask_billing.models import (
    Adjustment,
    Allowance,
    AuditEntry,
    BannedCard,
    BilledProjectRow,
    BillingEvent,
    BillingEventHandling,
    BillingInfo,
    BillingPause,
    BillingRate,
    BillingRecord,
    BillingWorker,
    Credit,
    CreditCode,
    CreditEntry,
    Discount,
    Dispute,
    GatewayAccount,
    Invoice,
    InvoiceCollection,
    InvoiceGroup,
    InvoiceLine,
    InvoicePayment,
    InvoiceRefund,
    Notification,
    PaymentAttempt,
    PaymentHold,
    PaymentMethod,
    SetupSession,
    SpendingAlert,
    SyncStamp,
    Usage,
    UsageTotal,
)
from tests.migrations.revisions import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

NOW = datetime(2026, 3, 31, 23, 59, 59, 123456, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ANN, BEN, NOBODY = UUID(int=1), UUID(int=2), UUID(int=99)
VISA, AMEX, OLD = UUID(int=11), UUID(int=12), UUID(int=13)
TOLD, ALSO_TOLD = UUID(int=41), UUID(int=42)
CHANGE: dict[str, Any] = {"type": "customer.updated", "livemode": False, "created_at": NOW}
MINUTE, COUNT = UUID(int=51), UUID(int=52)
RATE: dict[str, Any] = {"unit_price": Decimal("0.0003843751"), "currency": "usd"}
RATE |= {"active_from": NOW, "group_name": "machines"}
MACHINE = {"resource_type": "machine", "resource_id": "1"}
RECORD: dict[str, Any] = {"project_key": "north", **MACHINE, "slot": "compute"}
RECORD |= {"rate_id": MINUTE, "quantity": Decimal("2.5"), "started_at": NOW}
USE: dict[str, Any] = {"project_key": "north", "rate_id": COUNT, "quantity": 7}
USE |= {"used_at": NOW, "counted_in": date(2026, 3, 1)}
TOTAL: dict[str, Any] = {"project_key": "north", "rate_id": COUNT, "quantity": 7, "event_count": 1}
TOTAL |= {"counted_in": date(2026, 3, 1), "day": date(2026, 3, 31)}
MARCH, APRIL, VOID = UUID(int=61), UUID(int=62), UUID(int=63)
SUMS: dict[str, Any] = {"currency": "usd", "gross": 10, "subtotal": 9, "due": 9, "line_count": 1}
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
PERIOD: dict[str, Any] = {"project_key": "north", "period_start": START, "period_end": END}
LINE: dict[str, Any] = {"invoice_id": MARCH, "kind": "usage", "amount": 9}
LINE |= {"gross": Decimal("0.1"), "net": Decimal("0.09")}
TOO_DEAR, TOO_CHEAP, TENTH, HALF = (UUID(int=number) for number in (71, 72, 73, 74))
CORRECTION: dict[str, Any] = {"project_key": "north", "amount": -100, "currency": "usd"}
CORRECTION |= {"reason": "outage"}
PRICE_CUT: dict[str, Any] = {"project_key": "north", "scope": "project", "percent": 10}
PRICE_CUT |= {"valid_from": NOW, "reason": "partner"}
FREE: dict[str, Any] = {"scope": "rate", "target": "tokens", "quantity": 500_000}
FREE |= {"valid_from": NOW, "reason": "launch"}
WELCOME, GOODBYE, GIFT, SORRY = (UUID(int=number) for number in (81, 82, 83, 84))
CODE: dict[str, Any] = {"amount": 500, "currency": "usd", "max_uses": 2}
CREDIT: dict[str, Any] = {"project_key": "north", "amount": 500, "remaining": 500}
CREDIT |= {"currency": "usd", "reason": "code"}
MOVE: dict[str, Any] = {"credit_id": GIFT, "kind": "granted", "amount": 500}
ALERT: dict[str, Any] = {"project_key": "north", "amount": 10_000, "currency": "usd"}
TRY: dict[str, Any] = {"invoice_id": MARCH, "payment_method_id": VISA, "amount": 9}
TRY |= {"currency": "usd"}
RECEIVED: dict[str, Any] = {"invoice_id": MARCH, "state": "paid", "amount": 9, "currency": "usd"}
REFUND: dict[str, Any] = {"invoice_id": MARCH, "amount": 9, "currency": "usd", "reason": "outage"}
CONTEST: dict[str, Any] = {"kind": "dispute", "invoice_id": MARCH, "state": "needs_response"}
CONTEST |= {"payment_method_id": VISA}
RECEIPT: dict[str, Any] = {"kind": "receipt", "role": "members", "project_key": "north"}
RECEIPT |= {"billing_info_id": ANN, "invoice_id": MARCH, "payment_method_id": VISA}
DEED: dict[str, Any] = {"way": "cli", "action": "retry", "object_type": "billing_invoice"}

#: Two of everything, in an order that satisfies the foreign keys.
ROWS: list[tuple[type[Any], dict[str, Any]]] = [
    (BillingInfo, {"id": ANN, "stripe_id": "cus_ann", "livemode": False}),
    (BillingInfo, {"id": BEN, "stripe_id": "cus_ben", "livemode": False}),
    (PaymentMethod, {"id": VISA, "stripe_id": "pm_visa", "billing_info_id": ANN, "position": 0}),
    (PaymentMethod, {"id": AMEX, "stripe_id": "pm_amex", "billing_info_id": ANN, "position": 1}),
    (PaymentMethod, {"id": OLD, "stripe_id": "pm_old", "billing_info_id": ANN, "removed_at": NOW}),
    (BilledProjectRow, {"project_key": "north", "billing_info_id": ANN}),
    (BilledProjectRow, {"project_key": "south"}),
    (SetupSession, {"id": UUID(int=21), "project_key": "north", "stripe_id": "cs_1"}),
    (SetupSession, {"id": UUID(int=22), "project_key": "south", "stripe_id": "cs_2"}),
    (GatewayAccount, {"key_digest": "a" * 64, "account_id": "acct_1"}),
    (SyncStamp, {"id": 1, "last": 7}),
    (BannedCard, {"digest": "b" * 64}),
    (
        PaymentHold,
        {
            "id": UUID(int=31),
            "payment_method_id": VISA,
            "stripe_id": "pi_1",
            "amount": 100,
            "currency": "eur",
        },
    ),
    (BillingEvent, {"id": TOLD, "stripe_id": "evt_1", **CHANGE}),
    (BillingEvent, {"id": ALSO_TOLD, "stripe_id": "evt_2", **CHANGE}),
    (BillingEventHandling, {"event_id": TOLD, "handler": "host.tell_owner"}),
    (BillingEventHandling, {"event_id": TOLD, "handler": "host.count"}),
    (BillingRate, {"id": MINUTE, "name": "machine.small", "unit": "minute", **RATE}),
    (BillingRate, {"id": COUNT, "name": "tokens", "unit": "count", **RATE}),
    (BillingRecord, {"id": UUID(int=53), **RECORD}),
    (BillingRecord, {"id": UUID(int=54), **RECORD, "resource_id": "2"}),
    (BillingPause, {"resource_type": "machine", "resource_id": "3"}),
    (BillingPause, {"resource_type": "machine", "resource_id": "4"}),
    (Usage, {"id": UUID(int=55), **USE, "event_id": "call-1"}),
    (Usage, {"id": UUID(int=56), **USE, "event_id": "call-2"}),
    (UsageTotal, TOTAL | {"resource_type": "", "resource_id": ""}),
    (UsageTotal, TOTAL | MACHINE),
    (Invoice, {"id": MARCH, **PERIOD, **SUMS}),
    (Invoice, {"id": APRIL, **PERIOD, **SUMS, "project_key": "south"}),
    (Invoice, {"id": VOID, **PERIOD, **SUMS, "live_marker": None}),
    (Adjustment, {"id": TOO_DEAR, **CORRECTION}),
    (Adjustment, {"id": TOO_CHEAP, **CORRECTION, "amount": 100, "invoice_id": MARCH}),
    (Discount, {"id": TENTH, **PRICE_CUT}),
    (Discount, {"id": HALF, **PRICE_CUT, "project_key": "south", "percent": 50}),
    (Allowance, {"id": UUID(int=75), **FREE}),
    (Allowance, {"id": UUID(int=76), **FREE, "project_key": "south"}),
    (InvoiceLine, {"id": UUID(int=77), **LINE, "position": 0, "rate_id": MINUTE}),
    (InvoiceLine, {"id": UUID(int=78), **LINE, "position": 1, "discount_id": TENTH}),
    (InvoiceGroup, {**LINE, "position": 0, "rate_id": MINUTE, "line_count": 1}),
    (InvoiceGroup, {**LINE, "position": 1, "rate_id": COUNT, "line_count": 1}),
    (CreditCode, {"id": WELCOME, **CODE, "code": "WELCOME"}),
    (CreditCode, {"id": GOODBYE, **CODE, "code": "GOODBYE", "uses": 2}),
    (Credit, {"id": GIFT, **CREDIT, "code_id": WELCOME}),
    (Credit, {"id": SORRY, **CREDIT, "invoice_id": MARCH, "remaining": 0}),
    (CreditEntry, {"id": UUID(int=85), **MOVE}),
    (CreditEntry, {"id": UUID(int=86), **MOVE, "credit_id": SORRY, "invoice_id": MARCH}),
    (SpendingAlert, {"id": UUID(int=87), **ALERT}),
    (SpendingAlert, {"id": UUID(int=88), **ALERT, "project_key": "south", "label": "staging"}),
    (InvoiceCollection, {"invoice_id": MARCH, "stripe_id": "in_1", "billing_info_id": ANN}),
    (InvoiceCollection, {"invoice_id": APRIL}),
    (PaymentAttempt, {"id": UUID(int=91), **TRY}),
    (PaymentAttempt, {"id": UUID(int=92), **TRY, "in_flight_marker": None}),
    (InvoicePayment, {"id": UUID(int=93), **RECEIVED, "stripe_id": "inpay_1"}),
    (InvoicePayment, {"id": UUID(int=94), **RECEIVED, "stripe_id": "inpay_2"}),
    (
        InvoiceRefund,
        {"id": UUID(int=95), **REFUND, "stripe_id": "re_1", "credit_note_id": "cn_1"},
    ),
    (
        InvoiceRefund,
        {"id": UUID(int=96), **REFUND, "in_flight_marker": None, "overpayment_marker": 1},
    ),
    (Dispute, {"id": UUID(int=97), **CONTEST, "stripe_id": "du_1"}),
    (Dispute, {"id": UUID(int=98), "kind": "dispute", "state": "won", "stripe_id": "du_2"}),
    (Notification, {"id": UUID(int=101), **RECEIPT, "topic": "receipt:1"}),
    (Notification, {"id": UUID(int=102), **RECEIPT, "topic": "receipt:1", "role": "billing"}),
    (BillingWorker, {"id": UUID(int=103), "kind": "run"}),
    (BillingWorker, {"id": UUID(int=104), "kind": "once", "stopped_at": NOW}),
    (AuditEntry, {"id": UUID(int=105), **DEED, "object_id": str(MARCH)}),
    (AuditEntry, {"id": UUID(int=106), **DEED, "object_id": str(APRIL), "made_by": "7"}),
]

#: What a row of each model is when nothing is wrong with it.
SOUND: dict[type[Any], dict[str, Any]] = {
    BillingInfo: {"stripe_id": "cus_new", "livemode": False},
    PaymentMethod: {"stripe_id": "pm_new", "billing_info_id": ANN, "position": 2},
    BilledProjectRow: {"project_key": "west"},
    SetupSession: {"project_key": "north", "stripe_id": "cs_new", "open_marker": None},
    GatewayAccount: {"key_digest": "c" * 64, "account_id": "acct_1"},
    SyncStamp: {"id": 2, "last": 1},
    BannedCard: {"digest": "d" * 64},
    PaymentHold: {
        "payment_method_id": AMEX,
        "stripe_id": "pi_new",
        "amount": 1,
        "currency": "eur",
    },
    BillingEvent: {"stripe_id": "evt_new", **CHANGE},
    BillingEventHandling: {"event_id": ALSO_TOLD, "handler": "host.tell_owner"},
    BillingRate: {"id": UUID(int=57), "name": "disk.gb", "unit": "minute", **RATE},
    BillingRecord: {**RECORD, "ended_at": NOW, "open_marker": None},
    BillingPause: {"resource_type": "machine", "resource_id": "5"},
    Usage: {**USE, "event_id": "call-3"},
    UsageTotal: TOTAL | {"resource_type": "machine", "resource_id": "2"},
    Invoice: {**PERIOD, **SUMS, "live_marker": None},
    Adjustment: CORRECTION,
    Discount: PRICE_CUT,
    Allowance: FREE,
    InvoiceLine: {**LINE, "position": 2},
    InvoiceGroup: {**LINE, "position": 2, "line_count": 1},
    CreditCode: {**CODE, "code": "AUTUMN"},
    Credit: {**CREDIT, "code_id": GOODBYE},
    CreditEntry: MOVE,
    SpendingAlert: ALERT,
    InvoiceCollection: {"invoice_id": VOID, "stripe_id": "in_new", "billing_info_id": ANN},
    PaymentAttempt: TRY | {"in_flight_marker": None},
    InvoicePayment: RECEIVED | {"stripe_id": "inpay_new"},
    InvoiceRefund: REFUND
    | {"in_flight_marker": None, "stripe_id": "re_new", "credit_note_id": "cn_new"},
    Dispute: CONTEST | {"stripe_id": "du_new"},
    Notification: RECEIPT | {"topic": "receipt:new"},
    BillingWorker: {"kind": "celery"},
    AuditEntry: DEED | {"object_id": str(VOID)},
}

#: Which constraint refuses a row that differs from a sound one in this.
WRONG: list[tuple[type[Any], str, dict[str, Any]]] = [
    (BillingInfo, "billing_info_stripe_id_key", {"stripe_id": "cus_ann"}),
    (PaymentMethod, "payment_method_stripe_id_key", {"stripe_id": "pm_visa"}),
    (PaymentMethod, "payment_method_billing_info_id_position_key", {"position": 1}),
    (PaymentMethod, "payment_method_position_check", {"position": -1}),
    (PaymentMethod, "payment_method_removed_at_check", {"removed_at": NOW}),
    (PaymentMethod, "payment_method_billing_info_id_fkey", {"billing_info_id": NOBODY}),
    (BilledProjectRow, "billed_project_billing_info_id_fkey", {"billing_info_id": NOBODY}),
    (SetupSession, "setup_session_stripe_id_key", {"stripe_id": "cs_2"}),
    (SetupSession, "setup_session_open_key", {"open_marker": 1}),
    (SetupSession, "setup_session_open_marker_check", {"open_marker": 2}),
    (SetupSession, "setup_session_open_marker_check", {"open_marker": 0}),
    (SetupSession, "setup_session_project_key_fkey", {"project_key": "nowhere"}),
    (SetupSession, "setup_session_billing_info_id_fkey", {"billing_info_id": NOBODY}),
    (SetupSession, "setup_session_payment_method_id_fkey", {"payment_method_id": NOBODY}),
    (PaymentHold, "payment_hold_payment_method_id_key", {"payment_method_id": VISA}),
    (PaymentHold, "payment_hold_stripe_id_key", {"stripe_id": "pi_1"}),
    (PaymentHold, "payment_hold_amount_check", {"amount": 0}),
    (PaymentHold, "payment_hold_amount_check", {"amount": -100}),
    (PaymentHold, "payment_hold_payment_method_id_fkey", {"payment_method_id": NOBODY}),
    (BillingEvent, "billing_event_stripe_id_key", {"stripe_id": "evt_1"}),
    (BillingEventHandling, "billing_event_handling_event_id_fkey", {"event_id": NOBODY}),
    (BillingRate, "billing_rate_name_currency_from_key", {"name": "tokens"}),
    (BillingRecord, "billing_record_open_key", {"open_marker": 1, "ended_at": None}),
    (BillingRecord, "billing_record_open_marker_check", {"slot": "disk", "open_marker": 2}),
    (BillingRecord, "billing_record_open_marker_check", {"slot": "disk", "open_marker": 0}),
    (BillingRecord, "billing_record_quantity_check", {"quantity": 0}),
    (BillingRecord, "billing_record_quantity_check", {"quantity": Decimal("-0.000001")}),
    (BillingRecord, "billing_record_ended_at_check", {"ended_at": NOW - MICROSECOND}),
    (BillingRecord, "billing_record_project_key_fkey", {"project_key": "nowhere"}),
    (BillingRecord, "billing_record_rate_id_fkey", {"rate_id": NOBODY}),
    (Usage, "billing_usage_event_id_key", {"event_id": "call-1"}),
    (Usage, "billing_usage_project_key_fkey", {"project_key": "nowhere"}),
    (Usage, "billing_usage_rate_id_fkey", {"rate_id": NOBODY}),
    (UsageTotal, "billing_usage_total_project_key_fkey", {"project_key": "nowhere"}),
    (UsageTotal, "billing_usage_total_rate_id_fkey", {"rate_id": NOBODY}),
    (Invoice, "billing_invoice_period_key", {"live_marker": 1}),
    (Invoice, "billing_invoice_live_marker_check", {"live_marker": 0}),
    (Invoice, "billing_invoice_live_marker_check", {"live_marker": 2}),
    (Invoice, "billing_invoice_due_check", {"due": -1}),
    (Invoice, "billing_invoice_period_check", {"period_end": START}),
    (Invoice, "billing_invoice_project_key_fkey", {"project_key": "nowhere"}),
    (Adjustment, "billing_adjustment_project_key_fkey", {"project_key": "nowhere"}),
    (Adjustment, "billing_adjustment_invoice_id_fkey", {"invoice_id": NOBODY}),
    (Discount, "billing_discount_project_key_fkey", {"project_key": "nowhere"}),
    (Allowance, "billing_allowance_project_key_fkey", {"project_key": "nowhere"}),
    (InvoiceLine, "billing_invoice_line_position_key", {"position": 1}),
    (InvoiceLine, "billing_invoice_line_invoice_id_fkey", {"invoice_id": NOBODY}),
    (InvoiceLine, "billing_invoice_line_rate_id_fkey", {"rate_id": NOBODY}),
    (InvoiceLine, "billing_invoice_line_discount_id_fkey", {"discount_id": NOBODY}),
    (InvoiceLine, "billing_invoice_line_adjustment_id_fkey", {"adjustment_id": NOBODY}),
    (InvoiceGroup, "billing_invoice_group_invoice_id_fkey", {"invoice_id": NOBODY}),
    (InvoiceGroup, "billing_invoice_group_rate_id_fkey", {"rate_id": NOBODY}),
    (CreditCode, "billing_credit_code_code_key", {"code": "WELCOME"}),
    (CreditCode, "billing_credit_code_uses_check", {"uses": -1}),
    (CreditCode, "billing_credit_code_max_uses_check", {"uses": 3}),
    (Credit, "billing_credit_code_id_key", {"code_id": WELCOME}),
    (Credit, "billing_credit_amount_check", {"amount": 0, "remaining": 0}),
    (Credit, "billing_credit_remaining_check", {"remaining": -1}),
    (Credit, "billing_credit_most_check", {"remaining": 501}),
    (Credit, "billing_credit_project_key_fkey", {"project_key": "nowhere"}),
    (Credit, "billing_credit_code_id_fkey", {"code_id": NOBODY}),
    (Credit, "billing_credit_invoice_id_fkey", {"invoice_id": NOBODY}),
    (CreditEntry, "billing_credit_entry_credit_id_fkey", {"credit_id": NOBODY}),
    (CreditEntry, "billing_credit_entry_invoice_id_fkey", {"invoice_id": NOBODY}),
    (SpendingAlert, "billing_alert_project_key_fkey", {"project_key": "nowhere"}),
    (InvoiceCollection, "billing_collection_stripe_id_key", {"stripe_id": "in_1"}),
    (InvoiceCollection, "billing_collection_invoice_id_fkey", {"invoice_id": NOBODY}),
    (InvoiceCollection, "billing_collection_billing_info_id_fkey", {"billing_info_id": NOBODY}),
    (PaymentAttempt, "payment_attempt_in_flight_key", {"in_flight_marker": 1}),
    (PaymentAttempt, "payment_attempt_in_flight_marker_check", {"in_flight_marker": 0}),
    (PaymentAttempt, "payment_attempt_in_flight_marker_check", {"in_flight_marker": 2}),
    (PaymentAttempt, "payment_attempt_invoice_id_fkey", {"invoice_id": NOBODY}),
    (PaymentAttempt, "payment_attempt_payment_method_id_fkey", {"payment_method_id": NOBODY}),
    (InvoicePayment, "billing_payment_stripe_id_key", {"stripe_id": "inpay_1"}),
    (InvoicePayment, "billing_payment_invoice_id_fkey", {"invoice_id": NOBODY}),
    (InvoiceRefund, "billing_refund_stripe_id_key", {"stripe_id": "re_1"}),
    (InvoiceRefund, "billing_refund_credit_note_id_key", {"credit_note_id": "cn_1"}),
    (InvoiceRefund, "billing_refund_overpayment_key", {"overpayment_marker": 1}),
    (InvoiceRefund, "billing_refund_overpayment_marker_check", {"overpayment_marker": 0}),
    (InvoiceRefund, "billing_refund_overpayment_marker_check", {"overpayment_marker": 2}),
    (InvoiceRefund, "billing_refund_in_flight_key", {"in_flight_marker": 1}),
    (InvoiceRefund, "billing_refund_in_flight_marker_check", {"in_flight_marker": 0}),
    (InvoiceRefund, "billing_refund_in_flight_marker_check", {"in_flight_marker": 2}),
    (InvoiceRefund, "billing_refund_amount_check", {"amount": 0}),
    (InvoiceRefund, "billing_refund_amount_check", {"amount": -9}),
    (InvoiceRefund, "billing_refund_invoice_id_fkey", {"invoice_id": NOBODY}),
    (Dispute, "billing_dispute_stripe_id_key", {"stripe_id": "du_1"}),
    (Dispute, "billing_dispute_invoice_id_fkey", {"invoice_id": NOBODY}),
    (Dispute, "billing_dispute_payment_method_id_fkey", {"payment_method_id": NOBODY}),
    (Notification, "billing_notification_topic_key", {"topic": "receipt:1"}),
    (Notification, "billing_notification_project_key_fkey", {"project_key": "nowhere"}),
    (Notification, "billing_notification_billing_info_id_fkey", {"billing_info_id": NOBODY}),
    (Notification, "billing_notification_invoice_id_fkey", {"invoice_id": NOBODY}),
    (
        Notification,
        "billing_notification_payment_method_id_fkey",
        {"payment_method_id": NOBODY},
    ),
]


@pytest.fixture
def connection(migrated: Engine) -> Iterator[Connection]:
    """A database with two of everything."""
    with migrated.connect() as connection:
        for model, row in ROWS:
            connection.execute(insert(model).values(row))
        connection.commit()
        yield connection


def test_sound_row_is_accepted(connection: Connection) -> None:
    for model, row in SOUND.items():
        connection.execute(insert(model).values(row))

    connection.commit()


def test_every_constraint_refuses(connection: Connection) -> None:
    for model, constraint, change in WRONG:
        refusal = refused(connection, model, SOUND[model] | change)

        assert refusal is not None, f"{constraint} let {change} pass"
        if connection.dialect.name != "sqlite":  # which does not always name it
            assert constraint in refusal


def test_no_constraint_was_forgotten_above() -> None:
    named = {
        str(constraint.name)
        for table in TABLES
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint | CheckConstraint)
    } | {str(key.name) for table in TABLES for key in table.foreign_key_constraints}

    assert named == {constraint for _, constraint, _ in WRONG}


def test_every_key_is_unique(connection: Connection) -> None:
    for model, row in ROWS:
        keys = [column.name for column in model.__table__.primary_key]
        copy = SOUND[model] | {key: row[key] for key in keys}

        assert refused(connection, model, copy) is not None, f"two {model.__name__} with one key"


def test_what_must_be_known_cannot_be_null(connection: Connection) -> None:
    for model, row in SOUND.items():
        for column in model.__table__.columns:
            if not column.nullable:
                refusal = refused(connection, model, row | {column.name: None})

                assert refusal is not None, f"{column} was null"


def test_any_number_of_removed_methods_has_no_position(connection: Connection) -> None:
    row = {"stripe_id": "pm_older", "billing_info_id": ANN, "removed_at": NOW, "position": None}

    connection.execute(insert(PaymentMethod).values(row))
    connection.commit()

    left = select(PaymentMethod.stripe_id).where(PaymentMethod.position.is_(None))
    assert sorted(connection.scalars(left)) == ["pm_old", "pm_older"]


def test_any_number_of_sessions_of_a_project_has_ended(connection: Connection) -> None:
    for number in (3, 4):
        row = {"project_key": "north", "stripe_id": f"cs_{number}", "open_marker": None}
        connection.execute(insert(SetupSession).values(row))
    connection.commit()

    ended = select(SetupSession.stripe_id).where(SetupSession.open_marker.is_(None))
    assert sorted(filter(None, connection.scalars(ended))) == ["cs_3", "cs_4"]


@pytest.mark.parametrize("other", ["PM_VISA", "pm_visà"])
def test_ids_that_look_alike_are_different(connection: Connection, other: str) -> None:
    row = {"stripe_id": other, "billing_info_id": ANN, "position": 2}

    connection.execute(insert(PaymentMethod).values(row))
    connection.commit()

    found = select(PaymentMethod.position).where(PaymentMethod.stripe_id == other)
    assert connection.scalars(found).all() == [2]


def test_any_number_of_tries_and_refunds_of_an_invoice_has_an_outcome(
    connection: Connection,
) -> None:
    for model in (PaymentAttempt, InvoiceRefund):
        ended = SOUND[model] | {"stripe_id": None, "credit_note_id": None}
        row = {name: ended[name] for name in ended if name in model.__table__.columns}
        for _ in range(2):
            connection.execute(insert(model).values(row))
    connection.commit()

    for model in (PaymentAttempt, InvoiceRefund):
        marker = model.__table__.c.in_flight_marker
        markers = connection.scalars(select(marker)).all()
        assert sorted(markers, key=str) == [1, None, None, None]


@pytest.mark.parametrize("model", [BillingInfo, PaymentMethod, BilledProjectRow, Invoice])
def test_row_that_others_refer_to_cannot_be_deleted(
    connection: Connection, model: type[Any]
) -> None:
    with pytest.raises(IntegrityError):
        connection.execute(delete(model))
    connection.rollback()

    rows = [row for of, row in ROWS if of is model]
    assert len(connection.execute(select(model)).all()) == len(rows)


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        NOW.replace(microsecond=1),
        NOW.replace(microsecond=999_999),
        NOW.astimezone(timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_times_keep_their_microseconds_and_are_utc(
    connection: Connection, moment: datetime
) -> None:
    row = {"project_key": "west", "created_at": moment}
    connection.execute(insert(BilledProjectRow).values(row))
    connection.commit()

    [read] = connection.scalars(
        select(BilledProjectRow.created_at).where(BilledProjectRow.project_key == "west")
    )

    assert read == moment
    assert read.utcoffset() == timedelta(0)


def test_times_compare_to_the_microsecond(connection: Connection) -> None:
    for number in range(3):
        moment = NOW + timedelta(microseconds=number)
        row = {"project_key": f"p{number}", "created_at": moment}
        connection.execute(insert(BilledProjectRow).values(row))

    later = select(BilledProjectRow.project_key).where(
        BilledProjectRow.created_at > NOW, BilledProjectRow.created_at <= NOW + timedelta(seconds=1)
    )

    assert sorted(connection.scalars(later)) == ["p1", "p2"]


def refused(connection: Connection, model: type[Any], row: dict[str, Any]) -> str | None:
    """Try to insert a row; return what the database says against it."""
    try:
        connection.execute(insert(model).values(row))
    except DBAPIError as error:
        return str(error.orig)
    finally:
        connection.rollback()
    return None
