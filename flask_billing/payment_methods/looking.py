"""Reads every payment method again once a month, and tells of those that are about to run out.

Expiry is not kept: what is read decides whether a method can be charged, and is forgotten. A look
is claimed by a moment in `looked_at` that makes it due again within the hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from flask import current_app
from sqlalchemy import Select, and_, exists, or_, select, update

from flask_billing import clock, notifying, projects, signals, sync
from flask_billing.errors import GatewayError, GatewayRefusal
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import BillingInfo, Notification, PaymentMethod, table_of
from flask_billing.periods import month_of
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["LookReport", "look_again"]

_EVERY = timedelta(days=30)
#: How soon a look is due again that was begun and not finished.
_LEASE = timedelta(hours=1)
#: How many are claimed at once.
_BATCH = 100


@dataclass(frozen=True)
class LookReport:
    """How many payment methods were read, run out this month, and could not be read."""

    looked: int = 0
    expiring: int = 0
    failed: int = 0

    def __add__(self, other: LookReport) -> LookReport:
        return LookReport(*map(sum, zip(astuple(self), astuple(other), strict=True)))


class _Claimed(NamedTuple):
    id: UUID
    stripe_id: str
    billing_info_id: UUID


def look_again(limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> LookReport:
    """Read payment methods that were not read this month or for 30 days; commits the session.

    Safe at any time and on several hosts at once. One that runs out within the month is told of,
    once for each month.

    :param limit: How many at most; `None` for all that are due.
    :param stop: Asked before each of them.
    """
    require_clean()
    sync.account_id()
    done: Counter[str] = Counter()
    begun = 0
    while not stop() and (limit is None or begun < limit):
        claimed = _claim(_BATCH if limit is None else min(_BATCH, limit - begun))
        if not claimed:
            break
        for method in claimed:
            if stop():
                break
            begun += 1
            done[_look(method)] += 1
    return LookReport(
        looked=done["looked"] + done["expiring"], expiring=done["expiring"], failed=done["failed"]
    )


def _claim(count: int) -> Sequence[_Claimed]:
    method = table_of(PaymentMethod)
    connection = fresh_connection()
    claimed = [_Claimed(*row) for row in connection.execute(_due().limit(count))]
    if claimed:
        begun = clock.now() - _EVERY + _LEASE
        ids = [each.id for each in claimed]
        connection.execute(update(method).where(method.c.id.in_(ids)).values(looked_at=begun))
    current().db.session.commit()
    return claimed


def _due() -> Select[Any]:
    method = table_of(PaymentMethod).c
    before = clock.now() - _EVERY
    month = month_of(clock.now()).start
    living = select(BillingInfo.id).where(
        BillingInfo.removed_at.is_(None), projects.of_current_key(current())
    )
    return (
        select(method.id, method.stripe_id, method.billing_info_id)
        .where(
            or_(
                method.looked_at.is_(None),
                method.looked_at <= before,
                # In between are those that somebody is looking at.
                and_(method.looked_at > before + _LEASE, method.looked_at < month),
            ),
            method.leaving_at.is_(None),
            method.removed_at.is_(None),
            method.billing_info_id.in_(living),
        )
        .order_by(method.looked_at, method.id)
        .with_for_update(skip_locked=True)
    )


def _look(claimed: _Claimed) -> str:
    try:
        details = sync.payment_method(claimed.stripe_id).details
    except GatewayRefusal as error:
        # Of another account, from before the key was changed: there is nothing to learn.
        current_app.logger.info("Payment method %s is not shown (%s).", claimed.id, error.code)
        details = None
    except GatewayError as error:
        current().db.session.rollback()
        current_app.logger.warning(
            "Payment method %s could not be read (%s).", claimed.id, error.code
        )
        return "failed"
    return _finish(claimed, details)


def _finish(claimed: _Claimed, details: PaymentMethodDetails | None) -> str:
    """Write that a look is done, and what has to be told of it, in one transaction."""
    session = current().db.session
    now = clock.now()
    method = table_of(PaymentMethod)
    connection = projects.connection()
    connection.execute(update(method).where(method.c.id == claimed.id).values(looked_at=now))
    is_new = False
    is_expiring = details is not None and _ends_in_month_of(details, now) and _is_usable(claimed.id)
    if is_expiring:
        topic = f"expiring:{claimed.id}:{now:%Y-%m}"
        is_new = not connection.scalar(select(exists().where(Notification.topic == topic)))
        notifying.note(
            connection,
            "method_expiring",
            topic,
            payment_method_id=claimed.id,
            billing_info_id=claimed.billing_info_id,
        )
    session.commit()
    if is_new:
        _tell(claimed.id)
    return "expiring" if is_expiring else "looked"


def _ends_in_month_of(details: PaymentMethodDetails, at: datetime) -> bool:
    return (details.exp_year, details.exp_month) == (at.year, at.month)


def _is_usable(method_id: UUID) -> bool:
    usable = select(PaymentMethod.id).where(PaymentMethod.id == method_id, PaymentMethod.is_usable)
    return projects.connection().scalar(usable) is not None


def _tell(method_id: UUID) -> None:
    session = current().db.session
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    method = session.get_one(PaymentMethod, method_id)
    try:
        signals.payment_method_expiring.send(
            app, billing_info=method.billing_info, payment_method=method
        )
    except Exception as error:  # noqa: BLE001 - a receiver must not keep the others from a look
        session.rollback()
        current_app.logger.warning(
            "A receiver of payment_method_expiring failed: %s", type(error).__name__
        )
    session.commit()
