"""Says whether a project may create, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import get_history

from flask_billing import projects
from flask_billing.errors import PaymentMethodRequired, PaymentOverdue
from flask_billing.guard import limits, resources
from flask_billing.guard.resources import words_for
from flask_billing.guard.statements import Standing, standings
from flask_billing.models import BillingInfo, PaymentMethod
from flask_billing.state import State, current

__all__ = ["Decision", "Demand", "decide", "enforce", "may_unborn", "refusal"]


@dataclass(frozen=True)
class Decision:
    """Whether a project may create, and why.

    :ivar reason: `off`, `internal`, `rule`, `payment_method`, `free` or `free_quantity` where it
        may; `past_due` (an invoice of it is), `limit` (its own spending limit is reached),
        `rule_refused`, `none` (nothing saved) or `unusable` (nothing that can be charged) where it
        may not.
    """

    allowed: bool
    reason: str


_INTERNAL = Decision(True, "internal")
_PAYABLE = Decision(True, "payment_method")
_LIMIT = Decision(False, "limit")
_PAST_DUE = Decision(False, "past_due")
_NONE = Decision(False, "none")


@dataclass(slots=True)
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
    if not project.billable:
        return _INTERNAL
    stop = limits.reason_of_stop(project)
    if stop is not None:
        return Decision(False, stop)
    ruled = _ask_rules(state, lambda: project, model, count)
    if ruled is not None:
        return ruled
    methods = projects.payment_methods_of(project)
    if project.has_payment_method:
        return _PAYABLE
    if not inspect(project).persistent:
        return _NONE
    if model is not None and model.billing_free_quantity:
        key = projects.key_of(project)
        living = _living(projects.connection(), model, [projects.normal_key(key)])
        if living.get(key, 0) + count <= model.billing_free_quantity:
            return Decision(True, "free_quantity")
    return Decision(False, "unusable" if methods else "none")


def refusal(project: Any, model: type[Any] | None, decision: Decision) -> PaymentMethodRequired:
    """Return the error that tells people of a decision not to let `project` create."""
    return _refusal(projects.connection(), projects.key_of(project), model, decision)


def enforce(
    state: State,
    connection: Connection,
    keys: Mapping[str, Any],
    demands: Mapping[str, list[Demand]],
    load: Callable[[Any], Any],
    *,
    relinked: Mapping[str, Any] | None = None,
) -> None:
    """Lock the projects in `keys` (text → key) and refuse what one of them may not create.

    One statement, where every project pays by a method of its own.

    :param load: Returns the project of a key, for the host's rules.
    :param relinked: The projects whose billing info is changed by the same flush.
    :raises PaymentMethodRequired: A project may not; nothing of the flush was written yet.
    :raises PaymentOverdue: An invoice of it is past due.
    :raises SpendingLimitReached: Its own limit stops it.
    :raises RuntimeError: The connection commits each statement, so that no lock would hold.
    """
    _refuse_autocommit(connection)
    known = standings(connection, keys, state)
    free: dict[type[Any], dict[str, int]] = defaultdict(dict)
    for text, key in sorted(keys.items()):
        standing = known.get(text)
        if standing is None or not standing.in_step:
            standing = _mend(connection, state, text, key) or Standing()
        if relinked and text in relinked:
            standing = replace(standing, payable=_will_pay(connection, state, relinked[text]))
        for demand in demands[text]:
            decision = _judge(state, standing, key, demand, load)
            if decision is None:
                free[demand.model][text] = demand.count or 0
            elif not decision.allowed:
                raise _refusal(connection, text, demand.model, decision)
    if free:
        _enforce_free_quantities(connection, keys, free)


def _refusal(
    connection: Connection, key: str, model: type[Any] | None, decision: Decision = _NONE
) -> PaymentMethodRequired:
    resource = words_for(model) if model else None
    if decision == _PAST_DUE:
        return PaymentOverdue(project_key=key, resource=resource)
    if decision == _LIMIT:
        return limits.reached(connection, key, resource)
    return PaymentMethodRequired(project_key=key, resource=resource)


def _refuse_autocommit(connection: Connection) -> None:
    level = connection.get_execution_options().get("isolation_level")
    level = level or getattr(connection.dialect, "_on_connect_isolation_level", None)
    if level == "AUTOCOMMIT":
        raise RuntimeError(
            "Billable resources can't be created in AUTOCOMMIT: the guard's lock would be gone "
            "before the row is written. Use a transaction."
        )


def _judge(
    state: State, standing: Standing, key: Any, demand: Demand, load: Callable[[Any], Any]
) -> Decision | None:
    """Decide, or return `None` where it hangs on how many are free."""
    if not standing.billable:
        return _INTERNAL
    if standing.past_due and state.settings.past_due_stops:
        return _PAST_DUE
    if standing.stopped:
        return _LIMIT
    if state.hooks.guard_rules:
        ruled = _ask_rules(state, lambda: load(key), demand.model, demand.count or 1)
        if ruled is not None:
            return ruled
    if standing.payable:
        return _PAYABLE
    if demand.count is not None and demand.count <= demand.model.billing_free_quantity:
        return None
    return _NONE


def _enforce_free_quantities(
    connection: Connection, keys: Mapping[str, Any], wanted: Mapping[type[Any], Mapping[str, int]]
) -> None:
    """Refuse what exceeds a free quantity, counted under a lock that serialises the counting.

    A mere read lock would let two repeatable-read transactions both find room for the last one.
    """
    texts = {text for counts in wanted.values() for text in counts}
    is_current = projects.lock(connection, texts)
    for model, counts in wanted.items():
        living = _living(connection, model, [keys[text] for text in counts], is_current=is_current)
        for text, count in counts.items():
            if living.get(text, 0) + count > model.billing_free_quantity:
                raise _refusal(connection, text, model)


def _living(
    connection: Connection, model: type[Any], keys: Sequence[Any], *, is_current: bool = True
) -> dict[str, int]:
    """Return how many rows of just this model each project has."""
    query = resources.of_model(model, select(model.project_id, func.count()))
    query = query.where(model.project_id.in_(keys)).group_by(model.project_id)
    if not is_current:
        # MariaDB's plain read would count what was there when the transaction first looked.
        query = query.with_for_update(read=True)
    return {str(key): count for key, count in connection.execute(query)}


def may_unborn(session: Session, project: Any, demand: Demand) -> bool:
    """Say whether a project that is not in the database yet may create with its first flush."""
    _refuse_autocommit(projects.connection(session))
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
        return _is_chargeable(state, info)
    info_id = info.id if info is not None else values.get("billing_info_id")
    return info_id is not None and _can_share(projects.connection(session), state, info_id)


def _can_share(connection: Connection, state: State, info_id: UUID) -> bool:
    """Say whether billing info can be charged, and keep its last method from being removed.

    A project that only now comes to it can't be locked for it; so those are that share it already.
    """
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


def _will_pay(connection: Connection, state: State, project: Any) -> bool:
    """Say whether a project can pay by the billing info that a flush is about to give it."""
    values = inspect(project).dict
    info = values.get("billing_info")
    if info is not None and inspect(info).key is None:
        return _is_chargeable(state, info)
    changed = get_history(project, "billing_info").has_changes()
    info_id = (info.id if info is not None else None) if changed else project.billing_info_id
    return info_id is not None and _can_share(connection, state, info_id)


def _is_chargeable(state: State, info: BillingInfo) -> bool:
    """Say whether billing info that is not in the database yet could be charged once it is."""
    # Not set yet where the column's default will set it, which follows the key.
    livemode = inspect(info).dict.get("livemode", state.settings.livemode)
    return livemode == state.settings.livemode and any(m.is_usable for m in info.payment_methods)


def _mend(connection: Connection, state: State, text: str, key: Any) -> Standing | None:
    """Make or correct our row from the host's own, which it has not seen yet; then ask again."""
    link = connection.execute(projects.link_of(key)).one_or_none()
    if link is None:
        return None
    projects.ensure_row(connection, text, link[0])
    return standings(connection, {text: key}, state).get(text)


def _ask_rules(
    state: State, load: Callable[[], Any], model: type[Any] | None, count: int
) -> Decision | None:
    for rule in state.hooks.guard_rules:
        answer = rule(load(), model, count)
        if answer is not None:
            return Decision(answer, "rule" if answer else "rule_refused")
    return None
