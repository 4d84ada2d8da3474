"""What a revision writes into tables that are in use already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from flask_billing.cli.history import own_revisions
from flask_billing.models import BilledProjectRow, BillingInfo, Invoice, InvoiceCollection
from tests.migrations.revisions import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.script import Script
    from sqlalchemy import Connection, Engine

FILL = "fb0076_collect_closed"
START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
TEST, LIVE = UUID(int=1), UUID(int=2)
#: The project, its state, what is due; each for a month of its own.
INVOICES = {
    UUID(int=11): ("north", "closed", 900),
    UUID(int=12): ("north", "closed", 1),
    UUID(int=13): ("north", "closed", 0),
    UUID(int=14): ("north", "void", 900),
    UUID(int=15): ("south", "closed", 900),
    UUID(int=16): ("nobody", "closed", 900),
}
NORTH, PENNY, SOUTH = UUID(int=11), UUID(int=12), UUID(int=15)


@pytest.fixture
def fill() -> Script:
    [fill] = [script for script in own_revisions() if script.revision == FILL]
    return fill


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A database with closed invoices, as it was before their money was collected."""
    with engine.begin() as connection:
        for script in own_revisions():
            if script.revision == FILL:
                break
            step(connection, script, "upgrade")
        write(connection)
        yield connection


def write(connection: Connection) -> None:
    for id_, livemode in ((TEST, False), (LIVE, True)):
        row = {"id": id_, "stripe_id": f"cus_{id_.int}", "livemode": livemode}
        connection.execute(insert(BillingInfo).values(row))
    for key, payer in (("north", TEST), ("south", LIVE), ("nobody", None)):
        project = insert(BilledProjectRow)
        connection.execute(project.values(project_key=key, billing_info_id=payer))
    amounts: dict[str, Any] = {"currency": "usd", "gross": 900, "subtotal": 900, "line_count": 1}
    for months, (id_, (key, state, due)) in enumerate(INVOICES.items()):
        period = {
            "period_start": START - timedelta(days=31 * months),
            "period_end": END - timedelta(days=31 * months),
        }
        told = {"state": state, "live_marker": None if state == "void" else 1}
        row = {"id": id_, "project_key": key, "due": due, **period, **told, **amounts}
        connection.execute(insert(Invoice).values(row))


def modes(connection: Connection) -> dict[UUID, bool]:
    found = connection.execute(select(InvoiceCollection.invoice_id, InvoiceCollection.livemode))
    return {row.invoice_id: row.livemode for row in found}


def test_closed_invoices_are_collected_in_the_mode_of_who_pays(
    connection: Connection, fill: Script
) -> None:
    before = datetime.now(UTC)
    step(connection, fill, "upgrade")

    assert modes(connection) == {NORTH: False, PENNY: False, SOUTH: True}
    # The columns that later revisions add are not there yet.
    table = InvoiceCollection.__table__
    written = [column for column in table.c if not column.name.startswith("void_")]
    for row in connection.execute(select(*written)):
        assert (row.state, row.stamp, row.round, row.failures) == ("waiting", 0, 0, 0)
        assert row.stripe_id is row.billing_info_id is row.claimed_until is row.owner_until is None
        assert before <= row.next_try_at == row.state_since <= datetime.now(UTC)


def test_what_is_collected_already_is_left_alone(connection: Connection, fill: Script) -> None:
    step(connection, fill, "upgrade")
    connection.execute(
        update(InvoiceCollection)
        .where(InvoiceCollection.invoice_id == SOUTH)
        .values(state="processing", stripe_id="in_1")
    )

    step(connection, fill, "downgrade")
    step(connection, fill, "upgrade")

    assert modes(connection) == {NORTH: False, PENNY: False, SOUTH: True}
    states = connection.scalars(select(InvoiceCollection.state)).all()
    assert sorted(states) == ["processing", "waiting", "waiting"]
