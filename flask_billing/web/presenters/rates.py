"""Says what a rate is called, as the host's file has it, and what it costs, as it was kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from flask_billing import projects
from flask_billing.models import BillingRate, table_of
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext

__all__ = ["ShownRate", "rates_of"]


class ShownRate(NamedTuple):
    """A rate in words; `unit` tells minutes from events."""

    name: str
    description: str
    unit: str
    price: str


def rates_of(rate_ids: Iterable[UUID | None]) -> Mapping[UUID | None, ShownRate]:
    """Return rates by id, with one statement.

    Only the description is the file's, which may differ from what was used and is charged.
    """
    wanted = {rate_id for rate_id in rate_ids if rate_id is not None}
    book = current().settings.rates
    found: dict[UUID | None, ShownRate] = {
        rate.id: _shown(rate, rate.description) for rate in book if rate.id in wanted
    }
    if wanted:
        rate = table_of(BillingRate).c
        columns = (rate.id, rate.name, rate.unit, rate.unit_price, rate.currency)
        kept = projects.connection().execute(select(*columns).where(rate.id.in_(wanted)))
        for row in kept:
            found[row.id] = _shown(row, book.words_for(row.id, row.name))
    return found


def _shown(rate: Any, description: str) -> ShownRate:
    """Return a rate of the file, or a row, in words."""
    price = _price(rate.unit, amounts.price(rate.unit_price, rate.currency))
    return ShownRate(rate.name, description, rate.unit, price)


def _price(unit: str, price: str) -> str:
    if unit == "minute":
        return gettext("%(price)s a minute", price=price)
    return gettext("%(price)s each", price=price)
