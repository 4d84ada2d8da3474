"""Reads everything that a period's amounts depend on, for many projects at once.

What counts is what was so at the period's end, whenever it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Select, or_, select

from flask_billing import credits, money
from flask_billing.invoicing.due import OpenProject
from flask_billing.models import (
    Adjustment,
    Allowance,
    BillingRate,
    BillingRecord,
    Discount,
    UsageTotal,
    table_of,
)
from flask_billing.periods import Span, month_of
from flask_billing.pricing import (
    AdjustmentFacts,
    AllowanceFacts,
    CreditFacts,
    DiscountFacts,
    RateFacts,
    RecordFacts,
    Terms,
    TotalFacts,
)
from flask_billing.state import current

__all__ = ["Facts", "Rates", "load"]


class Facts(NamedTuple):
    """What a project used in a period, and the terms on which it is priced."""

    project: OpenProject
    terms: Terms
    records: list[RecordFacts]
    totals: list[TotalFacts]

    def so_far(self, until: datetime) -> Facts:
        """Return the same, as if the period ended at `until`."""
        start, end = self.terms.period
        terms = replace(self.terms, period=Span(start, min(max(start, until), end)))
        return self._replace(terms=terms)


class Rates:
    """The rates by their ids, read when they are first needed: they never change."""

    def __init__(self) -> None:
        self.by_id: dict[UUID, RateFacts] = {}

    def learn(self, connection: Connection, rate_ids: Collection[UUID]) -> None:
        """Read those of the rates that are not known yet."""
        unknown = set(rate_ids) - self.by_id.keys()
        if not unknown:
            return
        rate = table_of(BillingRate).c
        query = select(
            rate.id, rate.name, rate.unit, rate.unit_price, rate.currency, rate.group_name
        ).where(rate.id.in_(unknown))
        self.by_id |= {row[0]: RateFacts(*row) for row in connection.execute(query)}


@dataclass(frozen=True)
class _Agreed:
    """What was agreed with the projects, by their keys; `None` stands for all of them."""

    discounts: Mapping[str, list[DiscountFacts]]
    allowances: Mapping[str | None, list[Row[Any]]]
    adjustments: Mapping[str, list[Row[Any]]]
    credits: Mapping[str, list[CreditFacts]]


def load(
    connection: Connection, chosen: Sequence[OpenProject], rates: Rates, *, most: int | None = None
) -> list[Facts]:
    """Return the facts of periods that begin in one month, in the order of their projects' keys.

    :param most: About how many records and totals to read; the periods whose turn does not come
        then are left out. The first always comes, whole.
    """
    by_key = {project.key: project for project in sorted(chosen)}
    month = month_of(chosen[0].period.start)
    keys = list(by_key)
    records, keys = _whole(connection, _records_in(month), keys, most)
    totals, keys = _whole(connection, _totals_in(month), keys, most)
    for found in (records, totals):
        rates.learn(connection, {row.rate_id for rows in found.values() for row in rows})
    agreed = _agreed(connection, {key: by_key[key].period.end for key in keys})
    return [
        Facts(
            project=by_key[key],
            terms=_terms(by_key[key], rates, agreed),
            records=[RecordFacts._make(row[1:]) for row in records.get(key, ())],
            totals=[TotalFacts._make(row[1:]) for row in totals.get(key, ())],
        )
        for key in keys
    ]


def _records_in(month: Span) -> Select[Any]:
    record = table_of(BillingRecord).c
    return (
        select(record.project_key, *(record[name] for name in RecordFacts._fields))
        .where(
            record.started_at < month.end,
            or_(record.ended_at.is_(None), record.ended_at > month.start),
        )
        .order_by(record.project_key, record.started_at, record.id)
    )


def _totals_in(month: Span) -> Select[Any]:
    total = table_of(UsageTotal).c
    return (
        select(total.project_key, *(total[name] for name in TotalFacts._fields))
        .where(total.counted_in == month.start.date())
        .order_by(total.project_key, total.day)
    )


def _whole(
    connection: Connection, query: Select[Any], keys: list[str], most: int | None
) -> tuple[dict[str, list[Row[Any]]], list[str]]:
    """Read rows of the projects, by their keys, and return whose rows are complete."""
    key = query.selected_columns.project_key
    if most is None:
        return _by_key(connection.execute(query.where(key.in_(keys)))), keys
    rows = connection.execute(query.where(key.in_(keys)).limit(most + 1)).all()
    if len(rows) <= most:
        return _by_key(rows), keys
    last = rows[-1].project_key
    found = _by_key(rows)
    if len(found) == 1:
        found = _by_key(connection.execute(query.where(key == last)))
        return found, [each for each in keys if each <= last]
    del found[last]
    return found, [each for each in keys if each < last]


def _by_key(rows: Iterable[Row[Any]]) -> dict[Any, list[Row[Any]]]:
    found: dict[Any, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _agreed(connection: Connection, ends: Mapping[str, datetime]) -> _Agreed:
    """Read what was agreed before the periods' ends, by project key."""
    latest = max(ends.values())
    return _Agreed(
        discounts=_discounts(connection, ends, latest),
        allowances=_by_key(connection.execute(_allowances(list(ends), latest))),
        adjustments=_by_key(connection.execute(_adjustments(list(ends)))),
        credits=credits.open_credits(connection, ends),
    )


def _discounts(
    connection: Connection, ends: Mapping[str, datetime], latest: datetime
) -> dict[str, list[DiscountFacts]]:
    discount = table_of(Discount).c
    query = select(
        discount.project_key,
        discount.created_at,
        *(discount[name] for name in DiscountFacts._fields),
    ).where(
        discount.project_key.in_(list(ends)),
        discount.created_at < latest,
        discount.valid_from < latest,
    )
    found: dict[str, list[DiscountFacts]] = {}
    for key, created_at, *values in connection.execute(query):
        facts, end = DiscountFacts(*values), ends[key]
        over = facts.valid_until is not None and facts.valid_until < end
        # One off the whole project is judged at the period's end, others cut their lines.
        if created_at < end and not (over and facts.scope == "project"):
            found.setdefault(key, []).append(facts)
    return found


def _allowances(keys: list[str], latest: datetime) -> Select[Any]:
    allowance = table_of(Allowance).c
    return (
        select(
            allowance.project_key,
            *(allowance[name] for name in AllowanceFacts._fields),
            allowance.created_at,
            allowance.valid_from,
            allowance.valid_until,
        )
        .where(
            or_(allowance.project_key.in_(keys), allowance.project_key.is_(None)),
            allowance.created_at < latest,
            allowance.valid_from < latest,
        )
        .order_by(allowance.id)
    )


def _adjustments(keys: list[str]) -> Select[Any]:
    adjustment = table_of(Adjustment).c
    return select(
        adjustment.project_key,
        adjustment.id,
        adjustment.amount,
        adjustment.currency,
        adjustment.created_at,
    ).where(
        adjustment.project_key.in_(keys),
        adjustment.invoice_id.is_(None),
    )


def _terms(project: OpenProject, rates: Rates, agreed: _Agreed) -> Terms:
    settings = current().settings
    key, end = project.key, project.period.end
    own = agreed.allowances.get(key, [])
    return Terms(
        period=project.period,
        currency=project.currency,
        rates=rates.by_id,
        cap_minutes=settings.monthly_cap_minutes,
        minimum=money.minimum_charge(project.currency),
        # Nothing follows that it could be carried to.
        below_minimum="waive" if project.is_last else settings.below_minimum,
        carried=project.carried,
        discounts=agreed.discounts.get(key, ()),
        # The project's own before everybody's.
        allowances=[
            AllowanceFacts(row.scope, row.target, row.quantity)
            for row in (*own, *agreed.allowances.get(None, ()))
            if _holds_at(row, end)
        ],
        adjustments=[
            AdjustmentFacts(row.id, row.amount)
            for row in agreed.adjustments.get(key, ())
            if (row.created_at < end or project.is_last) and _same(row.currency, project.currency)
        ],
        credits=agreed.credits.get(key, ()),
    )


def _holds_at(allowance: Row[Any], end: datetime) -> bool:
    until = allowance.valid_until
    return bool(
        allowance.created_at < end
        and allowance.valid_from < end
        and (until is None or until >= end)
    )


def _same(currency: str, wanted: str) -> bool:
    if currency != wanted:
        raise ValueError("currency")
    return True
