"""Discounts: dated rows that staff makes and ends, and that never change what is past."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from flask_billing import clock, projects, signing
from flask_billing.invoicing.validity import check_span, end_of
from flask_billing.metering.telling import PLAIN_ID
from flask_billing.models import MODELS, Discount, table_of
from flask_billing.state import current
from flask_billing.transactions import begin_for

__all__ = ["SCOPES", "check_name", "discount", "discounts_of", "end_discount"]

SCOPES = ("project", "resource", "rate", "group")
_STEP = Decimal("0.01")


def discount(
    project_key: str,
    percent: Decimal | int,
    *,
    scope: str = "project",
    target: str = "",
    resource_type: str | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    reason: str,
    made_by: str | None = None,
) -> Discount:
    """Take a percentage off what a project pays; commits the session.

    :param percent: Above 0 and at most 100, with two decimals at most.
    :param scope: ``"project"`` (off the sum), or ``"resource"``, ``"rate"`` or ``"group"`` (off the
        lines that it fits; of several the one that fits best).
    :param target: The name of the rate or the group, or the id of the resource.
    :param resource_type: The host's table, where the scope is ``"resource"``.
    :param valid_from: By default now; at the earliest the beginning of this month.
    :param valid_until: Up to, and without; by default for good.
    :param reason: One word, such as ``"partner"``.
    :param made_by: The host's id of who makes it.
    :raises UnknownProject: There is no such project.
    :raises ValueError: A value can't be meant.
    """
    signing.check(reason, made_by)
    _check_target(scope, target, resource_type)
    given = Discount(
        project_key=project_key,
        scope=scope,
        target=target,
        resource_type=resource_type,
        percent=_percent(percent),
        valid_from=check_span(valid_from, valid_until),
        valid_until=valid_until,
        reason=reason,
        made_by=made_by,
    )
    begin_for(project_key)
    session = current().db.session
    # After any wait for the lock: what closes a month meanwhile must not have missed it.
    given.created_at = clock.now()
    session.add(given)
    session.commit()
    return given


def end_discount(discount_id: UUID, *, at: datetime | None = None) -> Discount:
    """End a discount, now or at a later moment; commits the session.

    :raises LookupError: There is no such discount.
    :raises ValueError: The moment is past, or the discount ends before it anyway.
    """
    session = current().db.session
    found = session.get(Discount, discount_id)
    if found is None:
        raise LookupError(f"There is no discount {discount_id}.")
    begin_for(found.project_key)
    try:
        session.refresh(found)
        found.valid_until = end_of(found.valid_from, found.valid_until, at)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    return found


def discounts_of(project_key: str, *, ended: bool = False) -> list[Discount]:
    """Return the discounts of a project that hold or will, and with `ended` those that did."""
    query = select(Discount).where(Discount.project_key == project_key).order_by(Discount.id)
    if not ended:
        query = query.where(
            Discount.valid_until.is_(None) | (Discount.valid_until > clock.now()),
        )
    return list(current().db.session.scalars(query))


def _percent(value: Decimal | int) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise ValueError("A percentage is a Decimal or a whole number.")  # noqa: TRY004
    percent = Decimal(value)
    if not percent.is_finite() or not 0 < percent <= 100 or percent != percent.quantize(_STEP):
        raise ValueError("A percentage is above 0 and at most 100, with two decimals at most.")
    return percent


def _check_target(scope: str, target: str, resource_type: str | None) -> None:
    if scope not in SCOPES:
        raise ValueError(f"A discount is for one of: {', '.join(SCOPES)}.")
    if (resource_type is not None) != (scope == "resource"):
        raise ValueError("A discount for a resource names its table, and no other does.")
    if scope == "project" and target:
        raise ValueError("A discount for the whole project has no target.")
    if scope == "resource":
        _check_resource(target, resource_type)
    elif scope != "project":
        check_name(scope, target)


def _check_resource(target: str, resource_type: str | None) -> None:
    # Also what no model meters: usage events name any row of the host's.
    tables = set(projects.model().__mapper__.registry.metadata.tables)
    if resource_type not in tables - {table_of(model).fullname for model in MODELS}:
        raise ValueError(f"There is no table {str(resource_type)[:80]!r} of yours.")
    if not PLAIN_ID.fullmatch(target):
        raise ValueError(
            "Name the resource by its id: up to 255 visible ASCII characters, without spaces and @."
        )


def check_name(scope: str, target: str) -> None:
    """Refuse a name that no rate, or group of rates, has.

    :raises ValueError: There is no such name; the message says which there are.
    """
    rates = current().settings.rates
    known = sorted({rate.name if scope == "rate" else rate.group for rate in rates})
    if target not in known:
        raise ValueError(
            f"There is no {scope} {target[:80]!r}. There are: {', '.join(known[:20]) or 'none'}."
        )
