"""What commands need to work: billing that is on. What stops them is told in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from flask_billing.errors import BillingError
from flask_billing.state import current

__all__ = ["only_on", "plain_errors", "reason_of", "when_on"]

OFF = "Billing is off: STRIPE_SECRET_KEY is not set. There is nothing to do."


def when_on(command: Callable[..., None]) -> Callable[..., None]:
    """Run a command inside the app, unless billing is off, and end it without a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        if not current().settings.enabled:
            click.echo(OFF)
            return
        with plain_errors():
            command(*args, **kwargs)

    return with_appcontext(run)


def only_on(command: Callable[..., None]) -> Callable[..., None]:
    """Do the same, but fail where billing is off: somebody asked for this very thing."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        if not current().settings.enabled:
            raise click.ClickException(OFF)
        with plain_errors():
            command(*args, **kwargs)

    return with_appcontext(run)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what the processor and the database refuse into one line and status 1."""
    try:
        yield
    except (BillingError, SQLAlchemyError) as error:
        raise click.ClickException(reason_of(error)) from None


def reason_of(error: Exception) -> str:
    """Return what went wrong, without the statement and parameters of a database's error."""
    if isinstance(error, BillingError):
        return str(error)
    return f"The database failed ({type(error).__name__}). 'flask billing check' may tell more."
