"""The way to the processor's page for saving a payment method.

States of a setup session: `starting` → `open` → `complete` | `expired` | `superseded`. The row is
committed before the processor is asked, and its id is the idempotency key, so whoever repeats a
step (a second tab, a second person, the sweeper after a crash) gets the same page and the same
rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects, sync
from flask_billing.errors import GatewayError, GatewayRefusal, SessionUnfinished
from flask_billing.gateways import RemoteSetupSession, SetupRequest
from flask_billing.models import BillingInfo, SetupSession
from flask_billing.payment_methods.completing import PURPOSE, end_session, finish
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["close_open_session", "start"]

#: How long an idempotency key is safe to repeat; the processor may forget it after a day.
_KEY_LIVES = timedelta(hours=23)
#: How often others may be faster before it is no coincidence any more.
_TRIES = 5


def start(project: Any, *, return_url: str, cancel_url: str) -> str:
    """Return the address of the processor's page for saving a payment method; commits the session.

    A project has one such page at most: while it is open, everyone who starts gets the same.

    :param return_url: Where the person comes back to; holds ``{CHECKOUT_SESSION_ID}``.
    :raises SessionUnfinished: The processor still works on the one that was just finished.
    :raises GatewayError: The processor refused or did not answer; nothing is half done.
    """
    require_clean()
    sync.account_id()
    for _ in range(_TRIES):
        row = _claim(project)
        remote = _remote(row, return_url, cancel_url)
        if remote is not None and remote.state == "open" and remote.url is not None:
            return remote.url
        if remote is not None and remote.state == "complete":
            finished = finish(row, remote.stripe_id)
            if finished.state in {"processing", "open"}:
                raise SessionUnfinished(
                    "The last payment method is still being checked.", state=finished.state
                )
        else:
            end_session(row, "expired")
    raise GatewayError("No page for saving a payment method could be opened.")


def close_open_session(project: Any) -> None:
    """Close the page that `project` has open, if any, so that nothing is saved there any more."""
    row = _open_row(projects.key_of(project))
    current().db.session.commit()
    if row is not None:
        _close(row)


def _claim(project: Any) -> SetupSession:
    """Return the open session of `project`, made now if there is none; committed."""
    session = current().db.session
    key = projects.key_of(project)
    for _ in range(_TRIES):
        session.commit()
        link = projects.paying_info_id(project)
        projects.ensure_row(projects.connection(), key, project.billing_info_id)
        row = _open_row(key)
        if row is None:
            row = SetupSession(project_key=key, billing_info_id=link, purpose=PURPOSE)
            session.add(row)
        try:
            session.commit()
        except IntegrityError:
            session.rollback()
            continue
        if row.billing_info_id == link and not _outlived(row):
            return row
        _close(row)
    raise GatewayError("No page for saving a payment method could be opened.")


def _look_at_customer(info: BillingInfo) -> None:
    try:
        sync.customer(info.stripe_id)
    except GatewayRefusal as error:
        if error.code != "resource_missing":
            raise


def _open_row(key: str) -> SetupSession | None:
    query = select(SetupSession).where(
        SetupSession.project_key == key,
        SetupSession.purpose == PURPOSE,
        SetupSession.open_marker == 1,
    )
    return (
        current()
        .db.session.scalars(query, execution_options={"populate_existing": True})
        .one_or_none()
    )


def _outlived(row: SetupSession) -> bool:
    """Return whether a session never got as far as its page, and its key may be forgotten."""
    return row.stripe_id is None and clock.now() - row.created_at > _KEY_LIVES


def _close(row: SetupSession) -> None:
    """End a session that must not be used any more, at the processor first."""
    if row.stripe_id is not None:
        stripe_id = row.stripe_id
        current().db.session.commit()
        try:
            current().gateway.expire_setup_session(stripe_id)
        except GatewayRefusal as error:
            if error.code != "resource_missing" and finish(row, stripe_id).state == "processing":
                # Its outcome is still to come: the sweeper looks, and lets go of what it brings.
                end_session(row, "superseded")
                return
    end_session(row, "expired")


def _remote(row: SetupSession, return_url: str, cancel_url: str) -> RemoteSetupSession | None:
    """Return the session as the processor has it, opened now if need be; `None` if it is lost."""
    state = current()
    stripe_id, row_id = row.stripe_id, row.id
    customer_id = row.billing_info.stripe_id if row.billing_info is not None else None
    state.db.session.commit()
    try:
        if stripe_id is not None:
            return state.gateway.setup_session(stripe_id)
        remote = state.gateway.create_setup_session(
            SetupRequest(
                local_id=row_id,
                purpose=PURPOSE,
                customer_id=customer_id,
                currency=state.settings.currency,
                return_url=return_url,
                cancel_url=cancel_url,
            )
        )
    except GatewayError as error:
        if error.code == "resource_missing" and row.billing_info is not None:
            # Of another mode or account; or the customer was deleted, which is written down.
            _look_at_customer(row.billing_info)
        # Or asked for with other addresses before, since when the site was deployed anew.
        if error.code in {"resource_missing", "idempotency_key_reused"}:
            return None
        if error.code == "server_error" and stripe_id is None:
            # The key would repeat this answer for a day. Whatever it opened, nobody was sent there.
            end_session(row, "expired")
        raise
    row.stripe_id, row.expires_at = remote.stripe_id, remote.expires_at
    row.state = "open" if row.state == "starting" else row.state
    state.db.session.commit()
    return remote
