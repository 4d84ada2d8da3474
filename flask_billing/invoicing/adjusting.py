"""Corrections by staff: what is closed never changes, so they are lines of the next invoice."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from flask_billing import clock, money, signing
from flask_billing.credits.currencies import fix_currency
from flask_billing.errors import CorrectionRefused
from flask_billing.models import Adjustment, BilledProjectRow, table_of
from flask_billing.state import current
from flask_billing.transactions import begin_for

__all__ = ["adjust", "adjustments_of"]

_MOST = 10**15


def adjust(
    project_key: str,
    amount: int,
    *,
    reason: str,
    made_by: str | None = None,
    dry_run: bool = False,
) -> Adjustment:
    """Add a line to a project's next invoice; commits the session.

    :param amount: In minor units of the project's currency, which it fixes; negative in the
        customer's favour.
    :param reason: One word, such as ``"goodwill"``.
    :param made_by: The host's id of who does it.
    :param dry_run: Only look whether it could be made.
    :raises CorrectionRefused: The project is gone: no invoice follows.
    :raises UnknownProject: There is no such project.
    :raises ValueError: A value can't be meant.
    """
    signing.check(reason, made_by)
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise ValueError("An amount is a whole number of minor units.")  # noqa: TRY004
    if not 0 < abs(amount) < _MOST:
        raise ValueError(
            f"An adjustment's amount is above or below 0, by less than {_MOST:,} minor units."
        )
    session = current().db.session
    connection = begin_for(project_key, may_fix_currency=True)
    try:
        _refuse_gone(connection, project_key)
        made = Adjustment(
            project_key=project_key,
            amount=amount,
            currency=_currency(connection, project_key, amount),
            reason=reason,
            made_by=made_by,
            created_at=clock.now(),
        )
        if dry_run:
            session.rollback()
        else:
            session.add(made)
            session.commit()
    except BaseException:
        session.rollback()
        raise
    return made


def _refuse_gone(connection: Connection, project_key: str) -> None:
    row = table_of(BilledProjectRow).c
    if connection.scalar(select(row.ended_at).where(row.project_key == project_key)):
        raise CorrectionRefused(
            f"Project {project_key} is gone, so no invoice follows. Make its last one void instead."
        )


def _currency(connection: Connection, project_key: str, amount: int) -> str:
    """Return what the project is billed in from now on."""
    currency = fix_currency(connection, project_key, None)
    if amount % money.unit(currency):
        raise ValueError(
            f"Amounts in {currency.upper()} are multiples of {money.unit(currency)} minor units."
        )
    return currency


def adjustments_of(project_key: str) -> Sequence[Adjustment]:
    """Return the adjustments that wait for a project's next invoice, the oldest first."""
    query = (
        select(Adjustment)
        .where(Adjustment.project_key == project_key, Adjustment.invoice_id.is_(None))
        .order_by(Adjustment.created_at, Adjustment.id)
    )
    return list(current().db.session.scalars(query))
