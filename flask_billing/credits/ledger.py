"""Grants credit, takes it back, and says what is left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, or_, select

from flask_billing import clock, money, signing
from flask_billing.credits.currencies import fix_currency
from flask_billing.errors import CreditRefused
from flask_billing.models import BilledProjectRow, Credit, CreditEntry, table_of
from flask_billing.periods import month_of
from flask_billing.state import current
from flask_billing.transactions import begin_for

__all__ = [
    "balance",
    "check_amount",
    "enter",
    "grant",
    "left_of",
    "of_project",
    "reverse",
    "usable_at",
]

_MOST = 10**15


def grant(
    project_key: str,
    amount: int,
    *,
    currency: str | None = None,
    reason: str,
    made_by: str | None = None,
    expires_at: datetime | None = None,
    dry_run: bool = False,
) -> Credit:
    """Grant credit to a project; commits the session.

    It pays for months that end after now, and stays until it is used, expires or is reversed.

    :param amount: In minor units, above 0.
    :param currency: By default the project's; its first credit fixes the project's currency.
        `BILLING_CURRENCY` or that of a rate.
    :param reason: One word, such as ``"goodwill"``.
    :param made_by: The host's id of who grants it.
    :param expires_at: From then on it can't be used.
    :param dry_run: Only look whether it could be granted.
    :raises CreditRefused: The project is billed in another currency.
    :raises UnknownProject: There is no such project.
    :raises ValueError: A value can't be meant.
    """
    signing.check(reason, made_by)
    if expires_at is not None and expires_at <= clock.now():
        raise ValueError("Credit that has expired already can't be granted.")
    connection = begin_for(project_key, may_fix_currency=True)
    try:
        wanted = fix_currency(connection, project_key, currency)
        check_amount(amount, wanted)
        credit = Credit(
            project_key=project_key,
            amount=amount,
            remaining=amount,
            currency=wanted,
            granted_at=clock.now(),
            expires_at=expires_at,
            reason=reason,
            granted_by=made_by,
        )
        if dry_run:
            current().db.session.rollback()
            return credit
        enter(credit, made_by=made_by)
        current().db.session.commit()
    except BaseException:
        current().db.session.rollback()
        raise
    return credit


def left_of(credit_id: UUID) -> tuple[int, str]:
    """Return what is left of a credit, in minor units, and its currency.

    :raises LookupError: There is no such credit.
    """
    found = current().db.session.get(Credit, credit_id)
    if found is None:
        raise LookupError(f"There is no credit {credit_id}.")
    return found.remaining, found.currency


def reverse(
    credit_id: UUID, *, reason: str, made_by: str | None = None, dry_run: bool = False
) -> Credit:
    """Take back what is left of a credit; commits the session.

    What invoices have used stays used: void those first where that is meant.

    :param dry_run: Only look whether it could be reversed.
    :raises CreditRefused: Nothing is left, or a month that has ended is not closed yet: closing it
        later would give other amounts than closing it now.
    :raises LookupError: There is no such credit.
    :raises ValueError: `reason` or `made_by` can't be meant.
    """
    signing.check(reason, made_by)
    session = current().db.session
    found = session.get(Credit, credit_id)
    if found is None:
        raise LookupError(f"There is no credit {credit_id}.")
    connection = begin_for(found.project_key)
    try:
        credit = session.get_one(Credit, credit_id, populate_existing=True)
        _refuse_reversal(connection, credit)
        if dry_run:
            session.rollback()
            return credit
        session.add(_entry(credit, "reversed", -credit.remaining, reason, made_by))
        credit.remaining = 0
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return credit


def balance(project_key: str, at: datetime | None = None) -> int:
    """Return the credit that a project can use at a moment, by default now, in minor units."""
    left = select(func.sum(Credit.remaining)).where(
        Credit.project_key == project_key, usable_at(at or clock.now())
    )
    return int(current().db.session.scalar(left) or 0)


def of_project(project_key: str) -> Sequence[Credit]:
    """Return every credit that was granted to a project, the newest first."""
    query = select(Credit).where(Credit.project_key == project_key)
    newest = query.order_by(Credit.granted_at.desc(), Credit.id.desc())
    return list(current().db.session.scalars(newest))


def usable_at(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that something is left of a credit that is granted and not expired."""
    return (
        (Credit.remaining > 0)
        & (Credit.granted_at <= moment)
        & or_(Credit.expires_at.is_(None), Credit.expires_at > moment)
    )


def check_amount(amount: int, currency: str) -> None:
    """Refuse what is no amount of credit.

    :raises ValueError: It isn't above 0, or no multiple of what can be charged.
    """
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise ValueError("An amount is a whole number of minor units.")  # noqa: TRY004
    if not 0 < amount < _MOST:
        raise ValueError(
            f"An amount of credit is above 0 and below {_MOST:,} {currency.upper()} minor units."
        )
    if amount % money.unit(currency):
        raise ValueError(
            f"Amounts in {currency.upper()} are multiples of {money.unit(currency)} minor units."
        )


def enter(credit: Credit, *, made_by: str | None = None) -> None:
    """Add a new credit to the session, with the entry that grants it."""
    session = current().db.session
    session.add(credit)
    session.flush()
    session.add(_entry(credit, "granted", credit.amount, credit.reason, made_by))


def _entry(
    credit: Credit, kind: str, amount: int, reason: str | None, made_by: str | None
) -> CreditEntry:
    return CreditEntry(
        credit_id=credit.id, kind=kind, amount=amount, reason=reason, made_by=made_by
    )


def _refuse_reversal(connection: Connection, credit: Credit) -> None:
    row = table_of(BilledProjectRow).c
    closed_until, ended_at = connection.execute(
        select(row.closed_until, row.ended_at).where(row.project_key == credit.project_key)
    ).one()
    done_until = month_of(clock.now()).start if ended_at is None else ended_at
    if closed_until is not None and closed_until < done_until:
        raise CreditRefused(
            f"The project's usage since {closed_until:%Y-%m-%d} is not closed yet, and this credit "
            "may pay for it. Run 'flask billing close' first."
        )
    if not credit.remaining:
        raise CreditRefused(f"Nothing is left of the credit {credit.id}.")
