"""The order of trying is 0, 1, 2 without a gap, whatever was done to it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_billing import BillingInfo, NotOurs, PaymentMethod, payment_methods
from flask_billing.ordering import arrange, present
from flask_billing.transactions import begin
from tests.host import Project, db
from tests.payment_methods.journey import order


def give_methods(project: Project, *names: str) -> dict[str, UUID]:
    """Build payment methods by hand and return their ids by name."""
    info = BillingInfo(stripe_id=f"cus_{project.id}")
    methods = [PaymentMethod(stripe_id=name, billing_info=info) for name in names]
    project.billing_info = info
    db.session.add_all([info, *methods])
    db.session.commit()
    return {method.stripe_id: method.id for method in methods}


def test_rows_built_by_hand_get_their_positions(project: Project, other: Project) -> None:
    give_methods(project, "pm_a", "pm_b")
    give_methods(other, "pm_c")
    db.session.add(PaymentMethod(stripe_id="pm_d", billing_info=project.billing_info))
    db.session.commit()

    assert order(project) == ["pm_a", "pm_b", "pm_d"]
    assert order(other) == ["pm_c"]


def test_method_moves_up_and_down(project: Project) -> None:
    ids = give_methods(project, "pm_a", "pm_b", "pm_c")

    payment_methods.move(project, ids["pm_c"], direction="up")
    assert order(project) == ["pm_a", "pm_c", "pm_b"]
    payment_methods.move(project, ids["pm_a"], direction="down")
    assert order(project) == ["pm_c", "pm_a", "pm_b"]


def test_nothing_happens_at_the_ends(project: Project) -> None:
    ids = give_methods(project, "pm_a", "pm_b")

    payment_methods.move(project, ids["pm_a"], direction="up")
    payment_methods.move(project, ids["pm_b"], direction="down")

    assert order(project) == ["pm_a", "pm_b"]


def test_another_projects_method_cannot_be_moved(project: Project, other: Project) -> None:
    give_methods(project, "pm_a", "pm_b")
    ids = give_methods(other, "pm_c", "pm_d")

    with pytest.raises(NotOurs):
        payment_methods.move(project, ids["pm_d"], direction="up")
    with pytest.raises(NotOurs):
        payment_methods.move(project, uuid4(), direction="up")
    assert order(other) == ["pm_c", "pm_d"]


def test_unknown_direction_is_a_mistake_of_the_programmer(project: Project) -> None:
    ids = give_methods(project, "pm_a", "pm_b")

    with pytest.raises(ValueError, match="direction"):
        payment_methods.move(project, ids["pm_a"], direction="sideways")


def test_two_methods_cannot_have_one_place(project: Project) -> None:
    give_methods(project, "pm_a", "pm_b")

    db.session.scalars(select(PaymentMethod)).first().position = 1  # type: ignore[union-attr]
    with pytest.raises(IntegrityError):
        db.session.commit()
    db.session.rollback()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=st.permutations(range(5)))
def test_any_order_is_reached_from_any_other(project: Project, wanted: list[int]) -> None:
    if project.billing_info_id is None:
        give_methods(project, *(f"pm_{number}" for number in range(5)))
    begin(project.billing_info_id, str(project.id))
    assert project.billing_info_id is not None
    methods = present(db.session, project.billing_info_id)

    arrange(db.session, [methods[place] for place in wanted])
    db.session.commit()

    assert order(project) == [methods[place].stripe_id for place in wanted]
