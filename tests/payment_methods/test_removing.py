"""Removing takes a method out of use at once, and never the last one that is needed."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from flask_billing import (
    BilledProjectRow,
    MethodNeeded,
    NotOurs,
    PaymentMethod,
    payment_method_removed,
    payment_methods,
)
from flask_billing.sandbox import Sandbox
from tests.host import Project, Seat, Server, Zone, db
from tests.payment_methods.journey import MASTERCARD, attached, order, save


def saved(sandbox: Sandbox, project: Project, card: str = "4242424242424242") -> PaymentMethod:
    method = save(sandbox, project, card).payment_method
    assert method is not None
    return method


def test_removed_method_is_gone_here_and_at_stripe(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    first, second = saved(stripe_sandbox, project), saved(stripe_sandbox, project, MASTERCARD)
    told: list[object] = []

    with payment_method_removed.connected_to(lambda app, **kw: told.append(kw["payment_method"])):
        payment_methods.remove(project, first.id)

    assert order(project) == [second.stripe_id]
    assert attached(stripe_sandbox, project) == {second.stripe_id}
    assert first.removed_at is not None
    assert first.position is None
    assert told == [first]


def test_last_usable_method_stays_while_something_billable_lives(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    method = saved(stripe_sandbox, project)
    db.session.add(Server(project=project))
    db.session.commit()

    assert payment_methods.why_kept(project, method) == "last_usable"
    with pytest.raises(MethodNeeded):
        payment_methods.remove(project, method.id)
    assert order(project) == [method.stripe_id]
    assert project.can_create_resources


def test_unusable_methods_do_not_count_as_another(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    method, broken = saved(stripe_sandbox, project), saved(stripe_sandbox, project, MASTERCARD)
    broken.refusal = "declined"
    db.session.add(Server(project=project))
    db.session.commit()

    assert payment_methods.why_kept(project, broken) is None
    with pytest.raises(MethodNeeded):
        payment_methods.remove(project, method.id)
    payment_methods.remove(project, broken.id)
    assert order(project) == [method.stripe_id]


def test_what_is_free_does_not_hold_a_method(stripe_sandbox: Sandbox, project: Project) -> None:
    method = saved(stripe_sandbox, project)
    db.session.add_all([Zone(project=project), Seat(project=project), Seat(project=project)])
    db.session.commit()

    assert payment_methods.why_kept(project, method) is None
    payment_methods.remove(project, method.id)
    assert order(project) == []


def test_internal_project_does_not_hold_a_method(stripe_sandbox: Sandbox, project: Project) -> None:
    method = saved(stripe_sandbox, project)
    db.session.add(Server(project=project))
    project.billable = False
    db.session.commit()

    payment_methods.remove(project, method.id)
    assert order(project) == []


def test_resource_of_a_project_that_shares_holds_the_method(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    method = saved(stripe_sandbox, project)
    project.share_billing_info_with(other)
    db.session.add(Server(project=other))
    db.session.commit()

    with pytest.raises(MethodNeeded):
        payment_methods.remove(project, method.id)


def test_project_linked_by_raw_sql_holds_the_method_too(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    method = saved(stripe_sandbox, project)
    db.session.execute(update(Project).values(billing_info_id=project.billing_info_id))
    db.session.commit()
    db.session.add(Server(project=other))
    db.session.commit()

    assert db.session.get_one(BilledProjectRow, str(other.id)).billing_info_id is not None
    with pytest.raises(MethodNeeded):
        payment_methods.remove(project, method.id)


def test_another_projects_method_cannot_be_removed(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    saved(stripe_sandbox, project)
    method = saved(stripe_sandbox, other, MASTERCARD)

    with pytest.raises(NotOurs):
        payment_methods.remove(project, method.id)
    assert order(other) == [method.stripe_id]


def test_removal_that_stripe_does_not_answer_is_finished_by_the_sweeper(
    stripe_sandbox: Sandbox, project: Project, moved_clock: object
) -> None:
    method = saved(stripe_sandbox, project)
    stripe_sandbox.fail("POST /v1/payment_methods/*/detach", how="timeout_before", times=3)

    payment_methods.remove(project, method.id)
    assert not project.can_create_resources
    assert method.removed_at is None
    assert attached(stripe_sandbox, project) == {method.stripe_id}

    moved_clock.shift(600)  # type: ignore[attr-defined]
    report = payment_methods.sweep()
    assert (report.removed, report.failed) == (1, 0)
    assert attached(stripe_sandbox, project) == set()
    db.session.refresh(method)
    assert method.removed_at is not None


def test_method_that_is_gone_at_stripe_already_can_be_removed(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    from flask_billing.state import current

    method = saved(stripe_sandbox, project)
    current().gateway.detach_payment_method(method.stripe_id)

    payment_methods.remove(project, method.id)
    assert method.removed_at is not None
