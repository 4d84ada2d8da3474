"""Slows down guessing of passwords: a fixed window for each address and each account.

The counts live in the database, so that they hold for all worker processes together.
"""

import hashlib
import time

from flask import current_app
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import TooManyRequests

from example_app.extensions import db
from example_app.models import SignInWindow


def count_sign_in(address: str, email: str) -> None:
    """Count one try before its password is looked at.

    :raises TooManyRequests: with `Retry-After`, once the address or the account is over its limit.
    """
    window = current_app.config["SIGN_IN_WINDOW"]
    now = int(time.time())
    started_at = now - now % window
    db.session.execute(delete(SignInWindow).where(SignInWindow.started_at < started_at))
    counted = {
        _key("account", email): current_app.config["SIGN_IN_LIMIT_PER_ACCOUNT"],
        _key("address", address): current_app.config["SIGN_IN_LIMIT_PER_ADDRESS"],
    }
    over = [_increment(key, started_at) > limit for key, limit in counted.items()]
    db.session.commit()
    if any(over):
        raise TooManyRequests(
            "That was too often. Wait a few minutes and try again.",
            retry_after=started_at + window - now,
        )


def forget_account(email: str) -> None:
    """Start a person's count again after they signed in; the address keeps its own."""
    key = _key("account", email)
    db.session.execute(delete(SignInWindow).where(SignInWindow.key == key))


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()


def _increment(key: str, started_at: int) -> int:
    row = {"key": key, "started_at": started_at}
    if not _add_one(key, started_at):
        try:
            with db.session.begin_nested():
                db.session.add(SignInWindow(**row, attempts=1))
        except IntegrityError:  # Another request made the row in between.
            _add_one(key, started_at)
    window = db.session.get_one(SignInWindow, row, populate_existing=True)
    return window.attempts


def _add_one(key: str, started_at: int) -> bool:
    statement = (
        update(SignInWindow)
        .where(SignInWindow.key == key, SignInWindow.started_at == started_at)
        .values(attempts=SignInWindow.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    return db.session.connection().execute(statement).rowcount == 1
