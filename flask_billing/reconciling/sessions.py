"""Finds setup sessions that are open here and whose page has ended at the processor."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from flask_billing import payment_methods
from flask_billing.errors import GatewayRefusal
from flask_billing.models import SetupSession
from flask_billing.payment_methods.completing import end_session
from flask_billing.reconciling.looks import Difference, refusal_code
from flask_billing.state import current

__all__ = ["bring_up", "differing"]


def differing(row_id: UUID, stripe_id: str) -> Iterator[Difference]:
    """Yield that a page has ended and our row does not say so; commits the session.

    :raises GatewayError: The processor did not answer.
    """
    try:
        remote = current().gateway.setup_session(stripe_id)
        code = None if remote.state == "open" or remote.processing else "ended"
    except GatewayRefusal as error:
        code = "ended" if refusal_code(error) == "missing" else "refused"
    if code is not None and _is_open(row_id):
        yield Difference("setup_session", code, row_id, stripe_id)


def _is_open(row_id: UUID) -> bool:
    session = current().db.session
    marker = session.scalar(select(SetupSession.open_marker).where(SetupSession.id == row_id))
    session.commit()
    return marker is not None


def bring_up(row_id: UUID, stripe_id: str) -> None:
    """Take over what came of a setup session; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    row = current().db.session.get_one(SetupSession, row_id)
    try:
        payment_methods.finish(row, stripe_id)
    except GatewayRefusal as error:
        if refusal_code(error) != "missing":
            raise
        end_session(row, "expired")
