"""What commands of staff have in common: a reason, who it was, and refusals in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click

from flask_billing import projects, signing
from flask_billing.keys import require_known
from flask_billing.models import BilledProjectRow, Invoice
from flask_billing.state import current

__all__ = [
    "by_option",
    "currency_option",
    "found_invoice",
    "negative",
    "plain_refusals",
    "project_currency",
    "require",
    "signed",
]

#: So that -5.00 is an amount, and no option.
negative = {"ignore_unknown_options": True}

currency_option = click.option(
    "--currency", metavar="CODE", help="By default what the project is billed in."
)


def _checked(_context: click.Context, _param: click.Parameter, made_by: str | None) -> str | None:
    """Refuse what is no id before anything is read or done."""
    with plain_refusals():
        signing.check("none", made_by)
    return made_by


def _checked_reason(_context: click.Context, _param: click.Parameter, reason: str) -> str:
    """Refuse what is no reason before anything is read or done."""
    with plain_refusals():
        signing.check(reason, None)
    return reason


by_option = click.option(
    "--by",
    "made_by",
    metavar="ID",
    callback=_checked,
    help="Who does it: an id of yours, no name.",
)


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be told why it is run, and by whom."""
    reason = click.option(
        "--reason",
        required=True,
        metavar="WORD",
        callback=_checked_reason,
        help="Why, in one word such as goodwill.",
    )
    return reason(by_option(command))


@contextmanager
def plain_refusals() -> Iterator[None]:
    """Turn what can't be meant, and what is not there, into one line and status 1."""
    try:
        yield
    except (LookupError, ValueError) as error:
        raise click.ClickException(str(error)) from None


def require(project_key: str) -> None:
    """Tell a mistyped project from one that has nothing.

    :raises UnknownProject: There is no such project.
    """
    require_known(projects.connection(), project_key)


def found_invoice(invoice_id: UUID) -> Invoice:
    """Return an invoice, as it is now.

    :raises click.ClickException: There is none.
    """
    invoice: Invoice | None = current().db.session.get(Invoice, invoice_id, populate_existing=True)
    if invoice is None:
        raise click.ClickException(f"There is no invoice {invoice_id}.")
    return invoice


def project_currency(project_key: str) -> str:
    """Return what a project is billed in, fixed or not.

    :raises UnknownProject: There is no such project.
    """
    require(project_key)
    row: Any = current().db.session.get(BilledProjectRow, project_key)
    return (row.currency if row is not None else None) or current().settings.currency
