"""Writes to the row of a claimed invoice, as long as the claim is ours."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Update, bindparam, case, or_, update

from flask_billing import clock
from flask_billing.collecting.claiming import ACTIVE, LEASE, Lost
from flask_billing.collecting.loading import Work
from flask_billing.collecting.writing import (
    Answer,
    Before,
    before,
    done,
    is_newest,
    mirrored,
    of_answer,
)
from flask_billing.models import InvoiceCollection, table_of

__all__ = ["end", "release", "renew", "write_claimed"]

_RELEASED: dict[str, Any] = {"claimed_by": None, "claimed_until": None}
#: Who finds it in another state than void, under a claim, knows that it never became void.
_NOT_VOID: dict[str, Any] = {"void_reason": None, "void_by": None, "void_reissue": None}


class _Form(NamedTuple):
    """What tells one statement from another.

    :ivar looks: Whether it is planned anew when the invoice is looked at, ``"by plan"`` or
        ``"by hand"``.
    """

    is_answered: bool
    before: Before
    is_active: bool = False
    is_done: bool = False
    looks: str | None = None


def release(
    connection: Connection,
    work: Work,
    at: datetime | None,
    answer: Answer | None = None,
    **values: Any,
) -> None:
    """Give the claim back, with what was decided and when somebody has to look again.

    Whoever wakes the invoice while it is claimed is not overruled, nor who finds it paid or has to
    park it.

    :param at: `None` where only an event or a person moves it on.
    :param answer: What the processor said of it, if it was asked.
    :raises Lost: The claim is not ours any more, something newer is known than the answer, or
        nothing is left to be done.
    """
    looks = None
    if at is None:
        values["next_try_at"] = None
    else:
        looks = _looks(work)
        if work.by_hand and work.next_try_at is not None:
            at = min(at, work.next_try_at)
    form = _form(answer)._replace(is_active=True, looks=looks)
    _write(connection, work, form, answer, _RELEASED | values, look_at=at)


def renew(connection: Connection, work: Work, answer: Answer | None = None, **values: Any) -> None:
    """Let a claim run for its whole time once more, with what was found.

    Whoever works by hand has it looked at then too: what is begun must not wait for the plan.

    :param answer: What the processor said of an invoice that is still to be paid.
    :raises Lost: The claim is not ours any more, something newer is known than the answer, or
        nothing is left to be done.
    """
    until = clock.now() + LEASE
    form = _form(answer)._replace(is_active=answer is not None, looks=_looks(work))
    _write(connection, work, form, answer, {"claimed_until": until} | values, look_at=until)
    work.until = until


def end(connection: Connection, work: Work, answer: Answer) -> None:
    """Give the claim back for good, as nothing is left to be done.

    :raises Lost: The claim is not ours any more, or something newer is known than the answer.
    """
    form = _form(answer)._replace(is_done=True)
    _write(connection, work, form, answer, _RELEASED, done_at=clock.now())


def write_claimed(
    connection: Connection, work: Work, answer: Answer | None = None, **values: Any
) -> None:
    """Write to the invoice's row, and keep the claim.

    :raises Lost: It is not ours any more, or something newer is known than the answer.
    """
    _write(connection, work, _form(answer), answer, values)


def _form(answer: Answer | None) -> _Form:
    return _Form(False, None) if answer is None else _Form(True, before(answer))


def _looks(work: Work) -> str:
    return "by hand" if work.by_hand else "by plan"


def _write(
    connection: Connection,
    work: Work,
    form: _Form,
    answer: Answer | None,
    values: dict[str, Any],
    **terms: Any,
) -> None:
    if answer is not None:
        kept = {} if answer.remote.state == "void" else _NOT_VOID
        values = mirrored(answer) | kept | values
        terms |= of_answer(answer)
    terms |= {"of_invoice": work.invoice_id, "of_claim": work.token}
    if form.looks is not None:
        terms["claim_until"] = work.until
    if not connection.execute(_statement(form), values | terms).rowcount:
        raise Lost


@cache
def _statement(form: _Form) -> Update:
    """Return an update that takes what is plainly written beside its own terms."""
    table = table_of(InvoiceCollection)
    row = table.c
    statement = update(table).where(
        row.invoice_id == bindparam("of_invoice"), row.claimed_by == bindparam("of_claim")
    )
    if form.is_answered:
        statement = statement.where(is_newest(form.before))
    if form.is_active:
        statement = statement.where(row.state.in_(ACTIVE))
    if form.is_done:
        statement = statement.values(done(bindparam("done_at", type_=row.state_since.type)))
    if form.looks is not None:
        statement = statement.values(next_try_at=_next_look(by_hand=form.looks == "by hand"))
    return statement


def _next_look(*, by_hand: bool) -> ColumnElement[datetime | None]:
    """Return when to look next: as planned now, unless the invoice was woken while it is claimed.

    By hand it is looked at no later than planned before.
    """
    column = table_of(InvoiceCollection).c.next_try_at
    at = bindparam("look_at", type_=column.type)
    is_its = column == bindparam("claim_until", type_=column.type)
    if by_hand:
        is_its = or_(column.is_(None), is_its, column > at)
    return case((is_its, at), else_=column)
