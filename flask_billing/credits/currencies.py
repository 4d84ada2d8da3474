"""What a project is billed in: the first credit fixes it, as the first invoice line does."""

from __future__ import annotations

from sqlalchemy import Connection, exists, or_, select, update

from flask_billing.errors import CreditRefused
from flask_billing.models import (
    BilledProjectRow,
    BillingRate,
    BillingRecord,
    SpendingAlert,
    UsageTotal,
    table_of,
)
from flask_billing.state import current

__all__ = ["check_currency", "currency_of", "fix_currency"]


def check_currency(currency: str) -> None:
    """Refuse a currency in which nothing is ever billed here.

    :raises ValueError: It is neither `BILLING_CURRENCY` nor that of a rate.
    """
    settings = current().settings
    known = sorted({settings.currency, *(rate.currency for rate in settings.rates)})
    if currency not in known:
        raise ValueError(
            f"Nothing is billed in {currency[:20]!r}. A currency is three letters, here one of: "
            f"{', '.join(known)} (BILLING_CURRENCY and those of the rates)."
        )


def currency_of(connection: Connection, project_key: str) -> tuple[str, bool]:
    """Return what a project is billed in, and whether that is fixed."""
    row = table_of(BilledProjectRow).c
    fixed = connection.scalar(select(row.currency).where(row.project_key == project_key))
    return (fixed, True) if fixed else (current().settings.currency, False)


def fix_currency(connection: Connection, project_key: str, wanted: str | None) -> str:
    """Have a project billed in a currency from now on, under the lock of its row.

    :param wanted: By default what it is billed in anyway.
    :returns: The currency.
    :raises CreditRefused: It is billed in another, has used something at rates of another, or has
        alerts in another.
    :raises ValueError: Nothing is billed in that currency.
    """
    present, is_fixed = currency_of(connection, project_key)
    wanted = present if wanted is None else wanted.lower()
    if wanted != present:
        check_currency(wanted)
        if is_fixed or _counts_in_another(connection, project_key, wanted):
            raise CreditRefused(
                f"Project {project_key} is billed in {present.upper()}. Grant credit in that "
                "currency."
            )
    if not is_fixed:
        row = table_of(BilledProjectRow)
        connection.execute(
            update(row).where(row.c.project_key == project_key).values(currency=wanted)
        )
    return wanted


def _counts_in_another(connection: Connection, project_key: str, wanted: str) -> bool:
    """Return whether a project has used something, or has alerts, in another currency."""
    rate, record, total = map(table_of, (BillingRate, BillingRecord, UsageTotal))
    alert = table_of(SpendingAlert).c
    found = [
        exists().where(
            used.c.project_key == project_key,
            used.c.rate_id == rate.c.id,
            rate.c.currency != wanted,
        )
        for used in (record, total)
    ]
    found.append(exists().where(alert.project_key == project_key, alert.currency != wanted))
    return bool(connection.scalar(select(or_(*found))))
