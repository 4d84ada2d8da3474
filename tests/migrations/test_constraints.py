"""The database itself refuses what must not be, on each of the three."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import CheckConstraint, UniqueConstraint, delete, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from flask_billing.models import (
    BannedCard,
    BilledProjectRow,
    BillingInfo,
    GatewayAccount,
    PaymentHold,
    PaymentMethod,
    SetupSession,
    SyncStamp,
)
from tests.migrations.revisions import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

NOW = datetime(2026, 3, 31, 23, 59, 59, 123456, tzinfo=UTC)
ANN, BEN, NOBODY = UUID(int=1), UUID(int=2), UUID(int=99)
VISA, AMEX, OLD = UUID(int=11), UUID(int=12), UUID(int=13)

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


@pytest.mark.parametrize("model", [BillingInfo, PaymentMethod, BilledProjectRow])
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
