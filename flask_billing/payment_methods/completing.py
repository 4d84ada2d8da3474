"""Takes over what was saved on the processor's page, once, however often it is asked to.

The return page, the webhook and the sweeper all come here. What the processor says is read first,
outside any transaction; then billing info, payment method and the project's link are written in
one; what may fail without harm comes last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects, signals, sync, waking
from flask_billing.errors import GatewayError, GatewayRefusal, GatewayUnavailable, NotOurs
from flask_billing.gateways import CustomerDetails, PaymentMethodDetails, RemoteSetupSession
from flask_billing.models import BilledProjectRow, BillingInfo, PaymentMethod, SetupSession
from flask_billing.ordering import arrange, present
from flask_billing.payment_methods.checks import CHECKING, first_refusal, place_hold
from flask_billing.payment_methods.removing import finish_removal, mark_leaving
from flask_billing.payment_methods.twins import replace, twins_of
from flask_billing.state import current
from flask_billing.transactions import begin, require_clean

__all__ = ["PURPOSE", "Completion", "complete", "end_session", "finish"]

#: What these setup sessions are for.
PURPOSE = "payment_method"
#: How often two transactions may collide before it is no coincidence any more.
_TRIES = 5


@dataclass(frozen=True)
class Completion:
    """What came of a stay on the processor's page.

    :ivar state: `complete`; `processing` (ask again later); `open` (not finished); `expired`;
        `superseded` (the project pays by other billing info meanwhile, the method was let go).
    :ivar is_new: This very call saved the payment method.
    :ivar refusal: Why the method is refused although it was saved: see `PaymentMethod.refusal`.
    """

    state: str
    payment_method: PaymentMethod | None = None
    is_new: bool = False
    refusal: str | None = None


def complete(project: Any, session_id: str) -> Completion:
    """Take over what was saved on the processor's page; commits the session.

    Called by the return view, by the webhook and by the sweeper, any number of times and side by
    side: the same rows come of it.

    :param session_id: The gateway's id of the setup session, as it came from outside.
    :raises NotOurs: This project did not start it.
    :raises GatewayError: The processor refused or did not answer; try again.
    """
    require_clean()
    row = _row_of(projects.key_of(project), session_id)
    return finish(row, session_id)


def _row_of(key: str, session_id: str) -> SetupSession:
    """Return the session that the project started, found by the gateway's id.

    Where we crashed before that id was written down, the processor tells which row it was for.
    """
    state = current()
    mine = (
        select(SetupSession)
        .join(BilledProjectRow, BilledProjectRow.project_key == SetupSession.project_key)
        .where(
            SetupSession.project_key == key,
            SetupSession.purpose == PURPOSE,
            SetupSession.created_at >= BilledProjectRow.created_at,
        )
    )
    row = state.db.session.scalars(mine.where(SetupSession.stripe_id == session_id)).one_or_none()
    nameless = state.db.session.scalars(mine.where(SetupSession.stripe_id.is_(None))).all()
    state.db.session.commit()
    if row is None and nameless and re.fullmatch(r"cs_\w{1,250}", session_id):
        local_id = _local_id(session_id)
        row = next((found for found in nameless if str(found.id) == local_id), None)
    if row is None:
        raise NotOurs("This project did not start this session.")
    return row


def _local_id(session_id: str) -> str | None:
    try:
        return current().gateway.setup_session(session_id).local_id
    except GatewayRefusal:
        return None


def finish(row: SetupSession, session_id: str) -> Completion:
    """Take over what was saved in one session, whoever asks; commits the session."""
    state = current()
    row_id = row.id
    if _is_final(row):
        return _ended(row)
    state.db.session.commit()
    stamp = sync.take_stamp()
    remote = state.gateway.setup_session(session_id)
    if remote.local_id != str(row_id) or remote.purpose != PURPOSE:
        raise NotOurs("This session was made for something else.")
    if remote.state != "complete":
        if remote.state == "expired":
            end_session(row, "expired")
        return Completion(remote.state)
    if remote.processing:
        return Completion("processing")
    if not remote.succeeded:
        # The bank refused after the page was done; nothing more can come of this session.
        end_session(row, "expired")
        return Completion("expired")
    try:
        return _take_over(row, remote, stamp)
    except GatewayRefusal as error:
        if error.code != "resource_missing" or not _is_deleted(remote):
            raise
    # Nobody is left to pay with what was saved.
    state.db.session.rollback()
    end_session(row, "expired")
    return Completion("expired")


def _is_deleted(remote: RemoteSetupSession) -> bool:
    """Return whether the customer was deleted since, and write that where we know it."""
    customer_id = remote.customer_id
    if customer_id is None or not current().gateway.customer(customer_id).deleted:
        return False
    sync.customer(customer_id)
    return True


def end_session(row: SetupSession, state: str) -> None:
    """Put a session that is not ended yet into its last `state`; commits the session."""
    session = current().db.session
    session.refresh(row)
    if row.open_marker is not None or (row.state == "superseded" and state == "expired"):
        row.end(state)
    session.commit()


def _is_final(row: SetupSession) -> bool:
    """Return whether nothing more can come of a session.

    Of a superseded one a payment method may still come, which is then let go.
    """
    return row.state == "complete" or (
        row.state == "superseded" and row.payment_method_id is not None
    )


def _ended(row: SetupSession) -> Completion:
    session = current().db.session
    method = session.get(PaymentMethod, row.payment_method_id) if row.payment_method_id else None
    return Completion(row.state, method, refusal=method.refusal if method else None)


@dataclass(frozen=True)
class _Found:
    """What the processor told of a finished session, before anything of it is written."""

    session_id: str
    customer_id: str
    account_id: str | None
    method: PaymentMethodDetails
    mandate_id: str | None
    #: The ids of what the customer saved before that is the same card.
    twins: frozenset[str]
    refusal: str | None
    stamp: int


def _take_over(row: SetupSession, remote: RemoteSetupSession, stamp: int) -> Completion:
    method, customer_id = remote.payment_method, remote.customer_id
    if method is None or customer_id is None:
        raise GatewayError("The processor finished a session without a customer or a method.")
    account_id = sync.account_id()
    if row.billing_info_id is None:
        _copy_details(row, remote, method)
    found = _Found(
        session_id=remote.stripe_id,
        customer_id=customer_id,
        account_id=account_id,
        method=method,
        mandate_id=remote.mandate_id,
        twins=twins_of(method, customer_id) if row.billing_info_id is not None else frozenset(),
        refusal=first_refusal(method),
        stamp=stamp,
    )
    saved = _save_at_last(row.id, found)
    _follow_up(saved)
    return saved


def _save_at_last(row_id: UUID, found: _Found) -> Completion:
    for _ in range(_TRIES):
        try:
            return _save(row_id, found)
        except IntegrityError:
            # Someone else saved the same customer or position between our look and our write.
            current().db.session.rollback()
    raise GatewayError("The payment method could not be written down.")


def _copy_details(
    row: SetupSession, remote: RemoteSetupSession, details: PaymentMethodDetails
) -> None:
    """Copy name and address from the method to the customer that the page made.

    The processor does not do it, and taxes and invoices need them there. The key makes sure that a
    late repetition does not overwrite what was edited since.
    """
    found = CustomerDetails(name=details.holder, email=remote.email, address=details.address)
    local_id, customer_id = row.id, remote.customer_id or ""
    current().db.session.commit()
    for attempt in range(_TRIES):
        key = f"setup-{local_id}-details-{attempt}"
        try:
            current().gateway.update_customer(customer_id, found, local_id=local_id, key=key)
        except GatewayUnavailable as error:
            # A key repeats a server error for a day; anything else is repeated by who called.
            if error.code != "server_error" or attempt + 1 == _TRIES:
                raise
        else:
            return


def _save(row_id: UUID, found: _Found) -> Completion:
    """Write billing info, payment method and the project's link in one transaction."""
    session = current().db.session
    row = session.get_one(SetupSession, row_id)
    by_id = select(BillingInfo).where(BillingInfo.stripe_id == found.customer_id)
    known = session.scalars(by_id).one_or_none()
    key, known_id = row.project_key, known.id if known is not None else None
    session.commit()
    begin(known_id, key)
    session.refresh(row)
    if _is_final(row):
        session.commit()
        return _ended(row)
    info = known or _new_billing_info(found)
    method, is_new = _method_row(info, found)
    project = _project_of(row)
    paying = projects.paying_info_id(project) if project is not None else None
    if method.leaving_at is not None or method.removed_at is not None:
        # Gone again before the person came back.
        row.end("superseded")
    elif project is None or paying not in {None, info.id}:
        # Nobody waits for the method any more: let it go, so that no card is stranded.
        mark_leaving(method)
        row.end("superseded")
    else:
        project.billing_info = info
        _place(info, method, found.twins)
        row.end("complete")
        session.flush()
        waking.wake(projects.connection(), info.id)
    row.stripe_id = found.session_id
    row.payment_method_id = method.id
    session.commit()
    is_new = is_new and row.state == "complete"
    return Completion(row.state, method, is_new=is_new, refusal=method.refusal)


def _project_of(row: SetupSession) -> Any:
    """Return the project that started a session, unless it is gone or gave the session up.

    The key of a project that is gone may belong to another by now.
    """
    session = current().db.session
    if row.state == "superseded":
        return None
    ours = session.get_one(BilledProjectRow, row.project_key)
    if row.created_at < ours.created_at:
        return None
    return session.get(projects.model(), projects.normal_key(row.project_key))


def _new_billing_info(found: _Found) -> BillingInfo:
    state = current()
    info = BillingInfo(
        gateway=state.gateway.name,
        stripe_id=found.customer_id,
        livemode=state.settings.livemode,
        account_id=found.account_id,
    )
    state.db.session.add(info)
    state.db.session.flush()
    return info


def _method_row(info: BillingInfo, found: _Found) -> tuple[PaymentMethod, bool]:
    """Return the row of what was saved, and whether it had to be made."""
    session = current().db.session
    by_id = select(PaymentMethod).where(PaymentMethod.stripe_id == found.method.stripe_id)
    method = session.scalars(by_id).one_or_none()
    if method is not None:
        return method, False
    method = PaymentMethod(
        stripe_id=found.method.stripe_id,
        billing_info=info,
        usable=not found.method.is_expired(clock.now()),
        refusal=found.refusal,
        stamp=found.stamp,
        mandate_id=found.mandate_id,
    )
    session.add(method)
    session.flush()
    return method, True


def _place(info: BillingInfo, method: PaymentMethod, twins: frozenset[str]) -> None:
    """Put a new method into the order: in the place of the same card saved before, or at an end."""
    session = current().db.session
    methods = [other for other in present(session, info.id) if other is not method]
    replaced = [other for other in methods if other.stripe_id in twins]
    if replaced and method.refusal is None:
        replace(method, replaced, methods)
        return
    if replaced and method.refusal == CHECKING:
        # The old one stays in use until the new one is found good.
        place = methods.index(replaced[0]) + 1
    else:
        place = 0 if current().settings.new_method_position == "first" else len(methods)
    arrange(session, [*methods[:place], method, *methods[place:]])


def _follow_up(saved: Completion) -> None:
    """Do what may fail without harm, as the sweeper would do it: let go, check, tell."""
    session = current().db.session
    method = saved.payment_method
    if method is None:
        return
    place_hold(method)
    leaving = select(PaymentMethod).where(
        PaymentMethod.billing_info_id == method.billing_info_id,
        PaymentMethod.leaving_at.is_not(None),
        PaymentMethod.removed_at.is_(None),
    )
    for other in session.scalars(leaving).all():
        finish_removal(other)
    if saved.is_new:
        refused = method.refusal not in {None, "checking"}
        told = signals.payment_method_refused if refused else signals.payment_method_added
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        told.send(app, billing_info=method.billing_info, payment_method=method)
