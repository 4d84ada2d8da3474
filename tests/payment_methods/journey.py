"""The steps of a person and of the processor, for tests that are about what follows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from flask_billing import PaymentMethod, SetupSession, payment_methods
from flask_billing.payment_methods import Completion
from flask_billing.sandbox import Sandbox
from tests.host import Project, db

RETURN_URL = "http://localhost/return?session_id={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://localhost/billing"

VISA, MASTERCARD, AMEX = "4242424242424242", "5555555555554444", "378282246310005"


def start(project: Project) -> str:
    """Go to the processor's page and return the id of the session."""
    payment_methods.start(project, return_url=RETURN_URL, cancel_url=CANCEL_URL)
    rows = select(SetupSession).where(
        SetupSession.project_key == str(project.id), SetupSession.open_marker == 1
    )
    return str(db.session.scalars(rows).one().stripe_id)


def save(sandbox: Sandbox, project: Project, card: str = VISA, **filled_in: Any) -> Completion:
    """Save a card from the first click to the return from the processor's page."""
    session_id = start(project)
    sandbox.complete_checkout(session_id, card=card, **filled_in)
    return payment_methods.complete(project, session_id)


def order(project: Project) -> list[str]:
    """Return the ids of the payment methods in the order of trying, after checking it for gaps."""
    db.session.expire_all()
    methods = [method for method in project.payment_methods if method.leaving_at is None]
    assert [method.position for method in methods] == list(range(len(methods)))
    return [method.stripe_id for method in methods]


def attached(sandbox: Sandbox, project: Project) -> set[str]:
    """Return the ids of what the processor would charge for a project."""
    from flask_billing.state import current

    assert project.billing_info is not None
    found = current().gateway.payment_methods(project.billing_info.stripe_id)
    return {method.stripe_id for method in found}


def rows() -> list[PaymentMethod]:
    """Return every payment method there is."""
    return list(db.session.scalars(select(PaymentMethod).order_by(PaymentMethod.id)))
