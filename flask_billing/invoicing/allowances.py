"""Allowances: what is free in each month, of a rate or of a group of rates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from flask_billing import clock, signing
from flask_billing.invoicing.discounts import check_name
from flask_billing.invoicing.validity import check_span, end_of
from flask_billing.models import Allowance
from flask_billing.state import current
from flask_billing.transactions import begin_for, require_clean

__all__ = ["allow", "allowances_of", "end_allowance"]

_MOST = Decimal(10) ** 12
_STEP = Decimal("0.000001")


def allow(
    project_key: str | None,
    quantity: Decimal | int,
    *,
    scope: str = "rate",
    target: str,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    reason: str,
    made_by: str | None = None,
) -> Allowance:
    """Let so much of a rate or a group be free in each month; commits the session.

    It counts in each month at whose end it holds, whole.

    :param project_key: `None` lets every project have it.
    :param quantity: In unit-minutes (quantity times minutes), or in events; above 0, with six
        decimals at most.
    :param scope: ``"rate"`` or ``"group"``.
    :param target: The name of the rate or the group.
    :param valid_from: By default now; at the earliest the beginning of this month.
    :param valid_until: Up to, and without; by default for good.
    :param reason: One word, such as ``"free_tier"``.
    :param made_by: The host's id of who makes it.
    :raises UnknownProject: There is no such project.
    :raises ValueError: A value can't be meant.
    """
    signing.check(reason, made_by)
    if scope not in {"rate", "group"}:
        raise ValueError("An allowance is for a rate or a group.")
    check_name(scope, target)
    _check_units(scope, target)
    given = Allowance(
        project_key=project_key,
        scope=scope,
        target=target,
        quantity=_quantity(quantity),
        valid_from=check_span(valid_from, valid_until),
        valid_until=valid_until,
        reason=reason,
        made_by=made_by,
    )
    _begin(project_key)
    session = current().db.session
    given.created_at = clock.now()
    session.add(given)
    session.commit()
    return given


def end_allowance(allowance_id: UUID, *, at: datetime | None = None) -> Allowance:
    """End an allowance, now or at a later moment; commits the session.

    The month in which it ends has nothing of it.

    :raises LookupError: There is no such allowance.
    :raises ValueError: The moment is past, or the allowance ends before it anyway.
    """
    session = current().db.session
    found = session.get(Allowance, allowance_id)
    if found is None:
        raise LookupError(f"There is no allowance {allowance_id}.")
    _begin(found.project_key)
    try:
        session.refresh(found)
        found.valid_until = end_of(found.valid_from, found.valid_until, at)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return found


def allowances_of(project_key: str | None, *, ended: bool = False) -> list[Allowance]:
    """Return the allowances of a project that hold or will, and with `ended` those that did.

    :param project_key: `None` for those that every project has.
    """
    query = select(Allowance).where(Allowance.project_key == project_key).order_by(Allowance.id)
    if not ended:
        query = query.where(Allowance.valid_until.is_(None) | (Allowance.valid_until > clock.now()))
    return list(current().db.session.scalars(query))


def _begin(project_key: str | None) -> None:
    if project_key is None:
        require_clean()
    else:
        begin_for(project_key)


def _check_units(scope: str, target: str) -> None:
    """Refuse a group in which minutes and events would come out of one allowance."""
    units = {rate.unit for rate in current().settings.rates if rate.group == target}
    if scope == "group" and len(units) > 1:
        raise ValueError(
            f"The group {target!r} has rates by the minute and by the event. Allow one of its "
            "rates instead."
        )


def _quantity(value: Decimal | int) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ValueError("A quantity is a Decimal or a whole number.")  # noqa: TRY004
    quantity = Decimal(value)
    if not quantity.is_finite() or not 0 < quantity < _MOST or quantity != quantity.quantize(_STEP):
        raise ValueError(
            "A free quantity is above 0 and below a million millions, with six decimals at most."
        )
    return quantity
