"""Says whether a project may create, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.orm import Session

from flask_billing import projects
from flask_billing.errors import PaymentMethodRequired
from flask_billing.guard.resources import words_for
from flask_billing.guard.statements import Standing, standings
from flask_billing.models import BilledProjectRow, BillingInfo, PaymentMethod
from flask_billing.state import State, current

__all__ = ["Decision", "Demand", "decide", "enforce", "may_unborn"]


@dataclass(frozen=True)
class Decision:
    """Whether a project may create, and why.

    :ivar reason: `off`, `internal`, `rule`, `payment_method`, `free` or `free_quantity` where it
        may; `rule_refused`, `none` (nothing saved) or `unusable` (nothing that can be charged)
        where it may not.
    """

    allowed: bool
    reason: str


@dataclass(frozen=True)
class Demand:
    """So many rows of a model that are to be created for one project."""

    model: type[Any]
    #: `None` where it is not known how many rows a statement will touch.
    count: int | None


def decide(project: Any, model: type[Any] | None = None, count: int = 1) -> Decision:
    """Say whether `project` may create `count` rows of `model` now, without locking anything.

    :param model: `None` asks for billable resources in general.
    """
    state = current()
    if not state.settings.enabled:
        return Decision(True, "off")
    if model is not None and model.billing_free:
        return Decision(True, "free")
    row = state.db.session.get(BilledProjectRow, projects.key_of(project))
    if row is not None and not row.billable:
        return Decision(True, "internal")
    ruled = _ask_rules(state, lambda: project, model, count)
    if ruled is not None:
        return ruled
    methods = projects.payment_methods_of(project)
    info = projects.visible_billing_info(project)
    if info is not None and info.removed_at is None and any(m.is_usable for m in methods):
        return Decision(True, "payment_method")
    connection = state.db.session.connection()
    key = projects.normal_key(projects.key_of(project))
    if model is not None and _fits_free_quantity(connection, model, key, count):
        return Decision(True, "free_quantity")
    return Decision(False, "unusable" if methods else "none")


def enforce(
    connection: Connection,
    keys: Mapping[str, Any],
    demands: Mapping[str, list[Demand]],
    load: Callable[[Any], Any],
) -> None:
    """Lock the projects in `keys` (text → key) and refuse what one of them may not create.

    One statement, where every project pays by a method of its own.

    :param load: Returns the project of a key, for the host's rules.
    :raises PaymentMethodRequired: A project may not; nothing of the flush was written yet.
    """
    state = current()
    found = standings(connection, keys, state.settings)
    for text, key in keys.items():
        standing = found.get(text) or Standing(billable=True, payable=False)
        if standing.billable and not standing.payable:
            standing = _mend(connection, state, text, key) or standing
        for demand in demands[text]:
            decision = _judge(connection, state, standing, key, demand, load)
            if not decision.allowed:
                raise PaymentMethodRequired(project_key=text, resource=words_for(demand.model))


def may_unborn(session: Session, project: Any, demand: Demand) -> bool:
    """Say whether a project that is not in the database yet may create with its first flush."""
    state = current()
    if not project.billable:
        return True
    ruled = _ask_rules(state, lambda: project, demand.model, demand.count or 1)
    if ruled is not None:
        return ruled.allowed
    if (demand.count or 0) <= demand.model.billing_free_quantity:
        return True
    values = inspect(project).dict
    info = values.get("billing_info")
    if info is not None and inspect(info).key is None:
        return any(method.is_usable for method in info.payment_methods)
    info_id = info.id if info is not None else values.get("billing_info_id")
    return info_id is not None and _can_share(session, state, info_id)


def _can_share(session: Session, state: State, info_id: UUID) -> bool:
    """Say whether billing info can be charged, and keep its last method from being removed.

    The new project can't be locked, as nobody sees it yet; so those are that share with it.
    """
    connection = projects.connection(session)
    projects.lock(connection, projects.sharing_keys(connection, info_id))
    usable = (
        select(PaymentMethod.id)
        .join(BillingInfo, BillingInfo.id == PaymentMethod.billing_info_id)
        .where(
            BillingInfo.id == info_id,
            BillingInfo.removed_at.is_(None),
            PaymentMethod.is_usable,
            projects.of_current_key(state),
        )
        .with_for_update(read=True, of=PaymentMethod)
    )
    return connection.execute(usable).first() is not None


def _mend(connection: Connection, state: State, text: str, key: Any) -> Standing | None:
    """Make or correct our row from the host's own, which it has not seen yet; then ask again."""
    host = projects.model().__mapper__
    column = host.columns["billing_info_id"]
    link = connection.execute(select(column).where(projects.primary_key() == key)).one_or_none()
    if link is None:
        return None
    projects.ensure_row(connection, text, link[0])
    return standings(connection, {text: key}, state.settings).get(text)


def _judge(
    connection: Connection,
    state: State,
    standing: Standing,
    key: Any,
    demand: Demand,
    load: Callable[[Any], Any],
) -> Decision:
    if not standing.billable:
        return Decision(True, "internal")
    ruled = _ask_rules(state, lambda: load(key), demand.model, demand.count or 1)
    if ruled is not None:
        return ruled
    if standing.payable:
        return Decision(True, "payment_method")
    if demand.count is not None and demand.model.billing_free_quantity:
        # Counting under a mere read lock would let two repeatable-read transactions both fit in.
        projects.lock(connection, [str(key)])
        if _fits_free_quantity(connection, demand.model, key, demand.count):
            return Decision(True, "free_quantity")
    return Decision(False, "none")


def _ask_rules(
    state: State, load: Callable[[], Any], model: type[Any] | None, count: int
) -> Decision | None:
    for rule in state.hooks.guard_rules:
        answer = rule(load(), model, count)
        if answer is not None:
            return Decision(answer, "rule" if answer else "rule_refused")
    return None


def _fits_free_quantity(connection: Connection, model: type[Any], key: Any, count: int) -> bool:
    free: int = model.billing_free_quantity
    if count > free:
        return False
    living = select(func.count()).select_from(model).where(model.project_id == key)
    if connection.dialect.name in {"mysql", "mariadb"}:
        # A plain read would count what was there when the transaction first looked.
        living = living.with_for_update(read=True)
    return (connection.scalar(living) or 0) + count <= free
