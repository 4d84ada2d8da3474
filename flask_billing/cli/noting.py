"""Notes in the audit log what staff do by command; a dry run leaves no entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask_billing import auditing
from flask_billing.cli.signed import found_invoice, require
from flask_billing.models import Allowance, Credit, Discount
from flask_billing.state import current

__all__ = ["ALL", "noted", "noted_of_invoice", "noted_of_project", "project_of"]

#: The object of what is done to every row of a kind.
ALL = "all"


@contextmanager
def noted(
    action: str,
    object_type: str,
    object_id: object,
    made_by: str | None,
    *,
    project_key: str | None = None,
    amount: int | None = None,
    currency: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Iterator[None]:
    """Note what the block does.

    What is given is kept for ever: check before that a typed id, key or currency is one.
    """
    if dry_run:
        yield
        return
    with auditing.noted(
        action,
        object_type,
        object_id,
        way="cli",
        made_by=made_by,
        project_key=project_key,
        amount=amount,
        currency=currency,
        reason=reason,
    ):
        yield


@contextmanager
def noted_of_invoice(
    action: str,
    invoice_id: UUID,
    made_by: str | None,
    *,
    reason: str | None = None,
    amount: int | None = None,
) -> Iterator[None]:
    """Note what is done with an invoice.

    :raises click.ClickException: There is none.
    """
    invoice = found_invoice(invoice_id)
    with noted(
        action,
        "invoice",
        invoice_id,
        made_by,
        project_key=invoice.project_key,
        amount=amount,
        currency=invoice.currency,
        reason=reason,
    ):
        yield


@contextmanager
def noted_of_project(
    action: str,
    project_key: str | None,
    made_by: str | None,
    *,
    amount: int | None = None,
    currency: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> Iterator[None]:
    """Note what is done to a project; without a key, to all of them.

    :raises UnknownProject: There is no such project.
    """
    if project_key is not None:
        require(project_key)
    with noted(
        action,
        "project",
        ALL if project_key is None else project_key,
        made_by,
        project_key=project_key,
        amount=amount,
        currency=currency,
        reason=reason,
        dry_run=dry_run,
    ):
        yield


def project_of(model: type[Allowance | Credit | Discount], row_id: UUID) -> str | None:
    """Return the key of the project that a row is of; none where there is no such row."""
    row: Any = current().db.session.get(model, row_id)
    return None if row is None else row.project_key
