"""Asks the processor about everything that we have, and writes what it says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from flask_billing import projects, sync
from flask_billing.errors import GatewayRefusal, NotOurs, UnknownProject
from flask_billing.models import BillingInfo, SetupSession
from flask_billing.reconciling import customers, methods, sessions
from flask_billing.reconciling.looks import Difference, Look, Walk, refusal_code
from flask_billing.reconciling.places import count, infos, place_of, rows_after
from flask_billing.reconciling.places import sessions as open_sessions
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["KINDS", "refresh"]

KINDS = ("customers", "payment-methods", "setup-sessions")


def refresh(
    kinds: Collection[str] = KINDS, *, project_key: str | None = None, after: str | None = None
) -> Iterator[Walk]:
    """Yield the walks that bring our rows up to the processor's state; commits the session.

    The differences of a look are what is left: the processor refused to tell.

    :param kinds: Some of `KINDS`.
    :param project_key: Only what this project pays by and what it started.
    :param after: The `place` of the last look that was done, to go on behind it.
    :raises UnknownProject: There is no such project.
    :raises ValueError: `after` names no place.
    :raises GatewayError: The processor did not answer, or not to this key.
    """
    require_clean()
    begin = place_of(after)
    of_project = None if project_key is None else _paying(project_key)
    # So that the rows of another account are not taken for missing there.
    sync.account_id()
    if begin.kind == "billing_info" and {"customers", "payment-methods"} & set(kinds):
        yield _infos(kinds, infos(of_project), begin.after)
    if "setup-sessions" in kinds:
        mine = None if project_key is None else SetupSession.project_key == project_key
        place = begin.after if begin.kind == "setup_session" else None
        yield _sessions(open_sessions(mine), place)


def _paying(project_key: str) -> ColumnElement[bool]:
    """Return the condition that a project pays by a billing info."""
    session = current().db.session
    try:
        found = session.execute(projects.link_of(projects.normal_key(project_key))).one_or_none()
    except ValueError:
        found = None
    session.commit()
    if found is None:
        raise UnknownProject(f"There is no project {project_key!r}.")
    paying: UUID | None = found[0]
    return BillingInfo.id == paying


def _infos(kinds: Collection[str], query: Any, after: UUID | None) -> Walk:
    def looks() -> Iterator[Look]:
        for info_id, customer_id in rows_after(query, after):
            yield Look(str(info_id), tuple(_refreshed(kinds, info_id, customer_id)))

    return Walk("customers", looks(), count(query, after))


def _refreshed(kinds: Collection[str], info_id: UUID, customer_id: str) -> Iterator[Difference]:
    try:
        if "customers" in kinds:
            sync.customer(customer_id)
        if "payment-methods" in kinds and not customers.is_removed(info_id):
            yield from _methods(info_id, customer_id)
    except GatewayRefusal as error:
        yield Difference("customer", refusal_code(error), info_id, customer_id)


def _methods(info_id: UUID, customer_id: str) -> Iterator[Difference]:
    listed = [method.stripe_id for method in current().gateway.payment_methods(customer_id)]
    for stripe_id in dict.fromkeys(methods.known_ids(info_id) + listed):
        try:
            methods.bring_up(info_id, customer_id, stripe_id)
        except GatewayRefusal:
            yield Difference("payment_method", "refused", info_id, stripe_id)


def _sessions(query: Any, after: UUID | None) -> Walk:
    def looks() -> Iterator[Look]:
        for row_id, stripe_id in rows_after(query, after):
            left: tuple[Difference, ...] = ()
            try:
                sessions.bring_up(row_id, stripe_id)
            except (GatewayRefusal, NotOurs):
                left = (Difference("setup_session", "refused", row_id, stripe_id),)
            yield Look(stripe_id, left)

    return Walk("setup sessions", looks(), count(query, after))
