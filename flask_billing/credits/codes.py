"""Codes that grant credit: made by staff, redeemed once for each project."""

from __future__ import annotations

import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, or_, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, signing
from flask_billing.credits import attempts
from flask_billing.credits.currencies import check_currency, currency_of, fix_currency
from flask_billing.credits.ledger import check_amount, enter
from flask_billing.errors import CodeRefused, TooManyAttempts
from flask_billing.models import Credit, CreditCode, table_of
from flask_billing.state import current
from flask_billing.transactions import begin_for, require_clean

__all__ = ["all_codes", "end_code", "find_code", "make_code", "redeem", "written_code"]

#: Without what is read as something else: 0 and O, 1, I and L, U and V.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Some 78 random bits.
_LENGTH = 16
_GIVEN = re.compile(r"[A-Z0-9]{4,40}")
_LONGEST_TYPED = 100

_UNKNOWN = "This code can't be used. Look whether it is typed as you got it."
_USED = "This code was used for this project already."


def make_code(
    amount: int,
    *,
    currency: str | None = None,
    code: str | None = None,
    expires_at: datetime | None = None,
    credit_days: int | None = None,
    max_uses: int | None = None,
    made_by: str | None = None,
) -> CreditCode:
    """Make a code that grants credit, once for each project; commits the session.

    :param amount: In minor units, above 0.
    :param currency: By default `BILLING_CURRENCY`; otherwise that of a rate. Only projects billed
        in it can use the code.
    :param code: By default 16 random characters. One that people can guess will be guessed.
    :param expires_at: From then on the code can't be used.
    :param credit_days: For how many days the credit lasts from its use on; by default for good.
    :param max_uses: How many projects may use it; by default any number.
    :param made_by: The host's id of who makes it.
    :raises ValueError: A value can't be meant, or there is such a code.
    """
    signing.check("code", made_by)
    currency = (currency or current().settings.currency).lower()
    check_currency(currency)
    check_amount(amount, currency)
    for number in (credit_days, max_uses):
        if number is not None and not 0 < number < 10**6:
            raise ValueError("Days and uses are whole numbers above 0 and below a million.")
    if expires_at is not None and expires_at <= clock.now():
        raise ValueError("A code that has expired already can't be made.")
    made = CreditCode(
        code=_random_code() if code is None else _given_code(code),
        amount=amount,
        currency=currency,
        expires_at=expires_at,
        credit_days=credit_days,
        max_uses=max_uses,
        made_by=made_by,
    )
    session = require_clean()
    session.add(made)
    try:
        session.commit()
    except IntegrityError:
        session.rollback()
        raise ValueError("There is such a code already. Choose another.") from None
    return made


def end_code(code: str) -> CreditCode:
    """Let a code be used no more from now on; what it granted stays. Commits the session.

    :raises LookupError: There is no such code.
    """
    session = require_clean()
    found = find_code(code)
    if found is None:
        raise LookupError("There is no such code.")
    now = clock.now()
    if found.expires_at is None or found.expires_at > now:
        found.expires_at = now
    session.commit()
    return found


def find_code(typed: str) -> CreditCode | None:
    """Return the code that somebody typed, if there is such a one."""
    code = _normal(typed)
    if not _GIVEN.fullmatch(code):
        return None
    query = select(CreditCode).where(CreditCode.code == code)
    found: CreditCode | None = current().db.session.scalars(query).first()
    return found


def all_codes(*, ended: bool = False) -> list[CreditCode]:
    """Return the codes that can be used, the newest first; with `ended` those that can't be too."""
    query = select(CreditCode).order_by(CreditCode.created_at.desc(), CreditCode.id.desc())
    if not ended:
        query = query.where(*_usable(clock.now()))
    return list(current().db.session.scalars(query))


def redeem(project_key: str, code: str) -> Credit:
    """Grant a project the credit of a code that somebody typed; commits the session.

    Capitals, spaces and dashes don't matter.

    :raises CodeRefused: It can't be used, or this project has used it.
    :raises TooManyAttempts: Ten codes were tried in vain, none more than an hour after the last.
    :raises UnknownProject: There is no such project.
    """
    connection = begin_for(project_key, may_fix_currency=True)
    session = current().db.session
    try:
        attempts.refuse_too_many(connection, project_key)
        credit = _grant(connection, project_key, code)
        session.commit()
    except TooManyAttempts:
        session.rollback()
        raise
    except CodeRefused as refused:
        # Still under the lock, and nothing else was written.
        if refused.reason == "unknown":
            attempts.count(connection, project_key)
        session.commit()
        raise
    except BaseException:
        session.rollback()
        raise
    return credit


def written_code(code: str) -> str:
    """Return a code as people write it: in groups of four."""
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


def _grant(connection: Connection, project_key: str, typed: str) -> Credit:
    """Use a code up once and enter its credit."""
    session = current().db.session
    found = find_code(typed)
    if found is None or found.currency != currency_of(connection, project_key)[0]:
        raise CodeRefused(_UNKNOWN)
    used = select(Credit.id).where(Credit.project_key == project_key, Credit.code_id == found.id)
    if session.scalar(used) is not None:
        raise CodeRefused(_USED, reason="used")
    now = clock.now()
    row = table_of(CreditCode)
    taken = connection.execute(
        update(row).where(row.c.id == found.id, *_usable(now)).values(uses=row.c.uses + 1)
    )
    if not taken.rowcount:
        raise CodeRefused(_UNKNOWN)
    days = found.credit_days
    credit = Credit(
        project_key=project_key,
        amount=found.amount,
        remaining=found.amount,
        currency=fix_currency(connection, project_key, found.currency),
        granted_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
        reason="code",
        code_id=found.id,
    )
    enter(credit)
    return credit


def _usable(now: datetime) -> tuple[ColumnElement[bool], ...]:
    code = table_of(CreditCode).c
    return (
        or_(code.expires_at.is_(None), code.expires_at > now),
        or_(code.max_uses.is_(None), code.uses < code.max_uses),
    )


def _normal(typed: str) -> str:
    """Return a code in capitals, without spaces and dashes of any kind."""
    return re.sub(r"[\s\u2010-\u2015\u2212-]", "", typed[:_LONGEST_TYPED]).upper()


def _given_code(code: str) -> str:
    normal = _normal(code)
    if len(code) > _LONGEST_TYPED or not _GIVEN.fullmatch(normal):
        raise ValueError("A code is 4 to 40 letters (A to Z) and digits.")
    return normal


def _random_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
