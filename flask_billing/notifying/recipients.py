"""Finds out who is told, at the moment of sending; no address is kept or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from uuid import UUID

from flask import current_app
from sqlalchemy import select

from flask_billing import projects
from flask_billing.letters import Recipient
from flask_billing.models import BilledProjectRow, BillingInfo, InvoiceCollection, table_of
from flask_billing.notifying.claiming import Claimed
from flask_billing.state import current

__all__ = ["billing_email", "members", "project_keys"]

#: One plain address, without a name and without anything that has a meaning in a header.
_ADDRESS = re.compile(r"[!#-'*+\-./-9=?A-Z^-~]{1,64}@[^\s\x00-\x20\x7f@<>()\[\],;:\\\"]{1,255}")


def project_keys(claimed: Claimed) -> list[str]:
    """Return the projects that a notification is about; ends the session's transaction."""
    if claimed.project_key is not None:
        return [claimed.project_key]
    if claimed.billing_info_id is None:
        return []
    keys = projects.sharing_keys(projects.connection(), claimed.billing_info_id)
    current().db.session.commit()
    return keys


def members(keys: Iterable[str]) -> Mapping[str, list[Recipient]]:
    """Return who of each project is told, as the host says; each address once, in the first.

    Ends the session's transaction. Whatever the host's function raises is raised.
    """
    ask = current().hooks.members_emails
    seen: set[str] = set()
    found: dict[str, list[Recipient]] = {}
    for key in keys:
        found[key] = []
        for recipient in _checked(ask(key), key):
            if _same(recipient.email) not in seen:
                seen.add(_same(recipient.email))
                found[key].append(recipient)
    current().db.session.rollback()
    return found


def billing_email(
    claimed: Claimed, keys: Iterable[str], left_out: Iterable[Recipient]
) -> Recipient | None:
    """Return the billing e-mail as it is at the processor now; ends the session's transaction.

    :param left_out: Who is told already.
    :returns: `None` where there is nobody to tell.
    :raises flask_billing.GatewayError: The processor refused or did not answer.
    """
    stripe_id = _customer_of(claimed, keys)
    if stripe_id is None:
        return None
    email = current().gateway.customer(stripe_id).details.email.strip()
    told = {_same(member.email) for member in left_out}
    if not _ADDRESS.fullmatch(email) or _same(email) in told:
        return None
    return Recipient(email)


def _customer_of(claimed: Claimed, keys: Iterable[str]) -> str | None:
    """Return the processor's id of who pays: for the invoice, else for the project."""
    info_id = claimed.billing_info_id
    connection = projects.connection()
    if info_id is None and claimed.invoice_id is not None:
        collection = table_of(InvoiceCollection).c
        info_id = connection.scalar(
            select(collection.billing_info_id).where(collection.invoice_id == claimed.invoice_id)
        )
    if info_id is None:
        row = table_of(BilledProjectRow).c
        info_id = connection.scalar(
            select(row.billing_info_id).where(row.project_key.in_(list(keys))).limit(1)
        )
    stripe_id = _stripe_id(info_id)
    current().db.session.commit()
    return stripe_id


def _stripe_id(info_id: UUID | None) -> str | None:
    info = table_of(BillingInfo).c
    return projects.connection().scalar(
        select(info.stripe_id).where(info.id == info_id, info.removed_at.is_(None))
    )


def _checked(given: Iterable[str | Recipient], key: str) -> list[Recipient]:
    """Return the recipients that can be written to."""
    if isinstance(given, str):
        raise TypeError("members_emails returns several addresses, not one text.")
    found = [one if isinstance(one, Recipient) else Recipient(one.strip()) for one in given]
    good = [recipient for recipient in found if _ADDRESS.fullmatch(recipient.email)]
    if len(good) < len(found):
        current_app.logger.warning(
            "Members of project %s who have no address that can be written to: %d.",
            key,
            len(found) - len(good),
        )
    return good


def _same(email: str) -> str:
    """Return what two spellings of one mailbox have in common."""
    return email.casefold()
