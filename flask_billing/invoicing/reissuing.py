"""Finds the periods whose invoice became void, so that they can be closed once more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, or_, select, update
from sqlalchemy.orm import aliased

from flask_billing import clock
from flask_billing.errors import ClosingRefused
from flask_billing.invoicing import due
from flask_billing.invoicing.due import OpenProject
from flask_billing.invoicing.parking import AWAITS_REISSUE
from flask_billing.models import BilledProjectRow, Invoice, table_of
from flask_billing.periods import Span, name_of

__all__ = ["claim", "done", "expect", "give_up", "unissued", "voided"]


def voided(connection: Connection, project_key: str, month: Span) -> list[Span]:
    """Return the periods of a month whose invoices are all void."""
    query = (
        select(Invoice.period_start, Invoice.period_end)
        .where(
            Invoice.project_key == project_key,
            Invoice.period_start >= month.start,
            Invoice.period_start < month.end,
            *_is_unissued(),
        )
        .distinct()
        .order_by(Invoice.period_start)
    )
    return [Span(*row) for row in connection.execute(query)]


def unissued(connection: Connection) -> list[tuple[str, Span]]:
    """Return the projects and periods that wait for being issued anew, the oldest first.

    What is void for good, or was accepted as void, is none of them.
    """
    row = table_of(BilledProjectRow).c
    query = (
        select(Invoice.project_key, Invoice.period_start, Invoice.period_end)
        .join(row.project_key.table, row.project_key == Invoice.project_key)
        .where(
            row.parked_reason == AWAITS_REISSUE,
            Invoice.voided_at >= row.parked_at,
            *_is_unissued(),
        )
        .distinct()
        .order_by(Invoice.period_start, Invoice.project_key)
    )
    return [(key, Span(start, end)) for key, start, end in connection.execute(query)]


def claim(
    connection: Connection, project_key: str, span: Span, *, locked: bool = True
) -> list[OpenProject]:
    """Lock the project and return a period to be issued anew, unless somebody was faster.

    :param locked: Otherwise it is only looked at.
    :raises ClosingRefused: An earlier one has to be issued anew first.
    """
    row = due.claim_one(connection, project_key, locked=locked)
    if row is None or span not in voided(connection, project_key, span):
        return []
    _refuse_out_of_order(connection, project_key, span)
    carried_in = connection.scalar(
        select(Invoice.carried_in)
        .where(Invoice.project_key == project_key, Invoice.period_start == span.start)
        .order_by(Invoice.voided_at.desc(), Invoice.id.desc())
        .limit(1)
    )
    # What later months carried is not this one's.
    carried = min(row.carried, carried_in or 0)
    return [due.of_row(row).again(span, ended_at=row.ended_at, carried=carried)]


def expect(connection: Connection, project_key: str) -> None:
    """Have a project's later months wait until a void invoice is issued anew.

    They would take what it gave back: credit, adjustments, and what was carried.
    """
    row = table_of(BilledProjectRow)
    connection.execute(
        update(row)
        .where(
            row.c.project_key == project_key,
            or_(row.c.ended_at.is_(None), row.c.closed_until < row.c.ended_at),
        )
        .values(parked_reason=AWAITS_REISSUE, parked_at=func.coalesce(row.c.parked_at, clock.now()))
    )


def done(connection: Connection, project: OpenProject) -> None:
    """Let a project's later months go on once a period is issued anew, unless another has to be."""
    row = table_of(BilledProjectRow)
    others = select(Invoice.id).where(
        Invoice.period_start != project.period.start, *_is_awaited(project.key)
    )
    connection.execute(
        update(row)
        .where(row.c.project_key == project.key, ~others.exists())
        .values(parked_reason=None, parked_at=None)
    )


def give_up(connection: Connection, project_key: str) -> list[OpenProject]:
    """Let a project's later months go on though a void invoice is not issued anew."""
    row = table_of(BilledProjectRow)
    connection.execute(
        update(row)
        .where(row.c.project_key == project_key, row.c.parked_reason == AWAITS_REISSUE)
        .values(parked_reason=None, parked_at=None)
    )
    return []


def _refuse_out_of_order(connection: Connection, project_key: str, span: Span) -> None:
    """Refuse a period that would take what an earlier one gave back."""
    row = table_of(BilledProjectRow)
    earlier = select(Invoice.period_start, Invoice.period_end).where(
        row.c.project_key == project_key,
        Invoice.period_start < span.start,
        *_is_awaited(project_key),
    )
    found = connection.execute(earlier.order_by(Invoice.period_start).limit(1)).one_or_none()
    if found is not None:
        month = name_of(Span(*found))
        raise ClosingRefused(
            f"The invoice of {month} is void too. Issue that month anew first: 'flask billing "
            f"close --period {month} --project {project_key}'."
        )


def _is_awaited(project_key: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an invoice is to be issued anew, beside the project's row."""
    # Those that became void before stay so: that was accepted.
    since = Invoice.voided_at >= table_of(BilledProjectRow).c.parked_at
    return Invoice.project_key == project_key, since, *_is_unissued()


def _is_unissued() -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an invoice is void, and no other has taken its place."""
    live = aliased(Invoice)
    another = select(live.id).where(
        live.project_key == Invoice.project_key,
        live.period_start == Invoice.period_start,
        live.live_marker == 1,
    )
    return Invoice.live_marker.is_(None), ~another.exists()
