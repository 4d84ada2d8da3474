"""Chooses which payment method is charged next: in the order of its owner, each once a round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, and_, bindparam, func, null, or_, select

from flask_billing import clock
from flask_billing.models import PaymentAttempt, PaymentMethod, table_of
from flask_billing.state import current

__all__ = ["MOST_DECLINES", "Method", "methods_of", "next_of"]

#: How often a method is tried in vain within the card networks' period before it is left alone
#: (https://docs.stripe.com/declines/card#retrying).
MOST_DECLINES = 15
_PERIOD = timedelta(days=30)


class Method(NamedTuple):
    """A payment method that could be charged, and how it went so far.

    :ivar tried_at: When it was last tried for this invoice in this round.
    :ivar declines: How often it was declined within 30 days, for whatever invoice.
    :ivar held_at: When a bank asked for the owner in this round, where no other method may be
        charged meanwhile.
    """

    id: UUID
    stripe_id: str
    changed_at: datetime | None
    tried_at: datetime | None
    declines: int
    held_at: datetime | None

    @property
    def is_worn(self) -> bool:
        """Whether it was declined too often to be tried once more."""
        return self.declines >= MOST_DECLINES

    @property
    def is_next(self) -> bool:
        """Whether this round has still to try it, or its owner changed it since it did."""
        return not self.is_worn and all(map(self._changed_since, (self.tried_at, self.held_at)))

    def _changed_since(self, moment: datetime | None) -> bool:
        return moment is None or (self.changed_at is not None and moment < self.changed_at)


def methods_of(
    connection: Connection, info_id: UUID | None, invoice_id: UUID, round_number: int
) -> list[Method]:
    """Return the methods of a billing info that could be charged, in the order of trying."""
    terms = {
        "of_info": info_id,
        "of_invoice": invoice_id,
        "of_round": round_number,
        "after": clock.now() - _PERIOD,
    }
    query = _methods(try_next=current().settings.try_next_on_confirmation)
    return [Method(*row) for row in connection.execute(query, terms)]


@cache
def _methods(*, try_next: bool) -> Select[Any]:
    method = table_of(PaymentMethod)
    return (
        select(
            method.c.id,
            method.c.stripe_id,
            method.c.changed_at,
            _tried().scalar_subquery(),
            _declines().scalar_subquery(),
            null() if try_next else _held().scalar_subquery(),
        )
        .where(method.c.billing_info_id == bindparam("of_info"), PaymentMethod.is_usable)
        .order_by(method.c.position.is_(None), method.c.position, method.c.id)
    )


def next_of(methods: Iterable[Method], only: UUID | None = None) -> Method | None:
    """Return the method whose turn it is; `None` where this round has tried them all.

    :param only: The one that a person has chosen; it may have been tried already.
    """
    if only is not None:
        return next((each for each in methods if each.id == only and not each.is_worn), None)
    return next((each for each in methods if each.is_next), None)


def _tried() -> Select[tuple[datetime]]:
    """Return when a method was last tried: an attempt that was not executed is no try.

    One that the processor refused is: it would be refused again.
    """
    attempt = table_of(PaymentAttempt).c
    refused = and_(attempt.state == "not_executed", attempt.code.is_not(None))
    return select(func.max(attempt.created_at)).where(
        attempt.invoice_id == bindparam("of_invoice"),
        attempt.payment_method_id == table_of(PaymentMethod).c.id,
        attempt.round == bindparam("of_round"),
        or_(attempt.state.in_(["declined", "needs_action"]), refused),
    )


def _held() -> Select[tuple[datetime]]:
    """Return when a bank asked for the owner last, where everything else waits for that."""
    attempt = table_of(PaymentAttempt).c
    return select(func.max(attempt.created_at)).where(
        attempt.invoice_id == bindparam("of_invoice"),
        attempt.round == bindparam("of_round"),
        attempt.state == "needs_action",
    )


def _declines() -> Select[Any]:
    attempt = table_of(PaymentAttempt).c
    return select(func.count()).where(
        attempt.payment_method_id == table_of(PaymentMethod).c.id,
        attempt.state == "declined",
        attempt.created_at > bindparam("after"),
    )


def ids_of(methods: Sequence[Method]) -> tuple[UUID, ...]:
    """Return the ids of the methods that this round has still to try, in their order."""
    return tuple(each.id for each in methods if each.is_next)
