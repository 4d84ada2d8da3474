"""Says at the top of the page whether the project can go on, and what leads on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_billing.guard import decide
from flask_billing.web.i18n import N_

__all__ = ["Status", "status_of"]


@dataclass(frozen=True)
class Status:
    """The one sentence at the top of the page.

    :ivar tone: `good`, `note` or `bad`.
    :ivar needs_method: The step that leads on is to add a payment method.
    :ivar needs_alerts: The step that leads on is to raise or remove a spending limit.
    :ivar after_refusal: The sentence for who was just refused something and is told so already.
    """

    tone: str
    sentence: str
    explanation: str
    needs_method: bool
    after_refusal: str = ""
    needs_alerts: bool = False


_STATUSES = {
    "internal": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("This project is an internal one. It needs no payment method."),
        needs_method=False,
    ),
    "rule": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("This site lets the project create without a payment method."),
        needs_method=False,
    ),
    "payment_method": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("A payment method is saved and can be charged."),
        needs_method=False,
    ),
    "rule_refused": Status(
        "bad",
        N_("New resources can't be created at the moment."),
        N_("This site does not allow it for this project. Ask its support what to do."),
        needs_method=False,
    ),
    "limit": Status(
        "bad",
        N_("New resources can't be created until the month is over: a spending limit is reached."),
        N_("The project set it for itself. Remove it to go on. What is running is not touched."),
        needs_method=False,
        needs_alerts=True,
        after_refusal=N_("Remove the spending limit to go on."),
    ),
    "unusable": Status(
        "bad",
        N_("Add another payment method to create new resources."),
        N_("None of the saved ones can be charged. What is running already is not touched."),
        needs_method=True,
        after_refusal=N_("Add another payment method to go on."),
    ),
    "none": Status(
        "note",
        N_("Add a payment method to create new resources."),
        N_("None is saved. Nothing is charged when you add one."),
        needs_method=True,
        after_refusal=N_("Add a payment method to go on."),
    ),
}


def status_of(project: Any) -> Status:
    """Return what the guard says about `project`, and why."""
    decision = decide(project)
    status = _STATUSES.get(decision.reason)
    if status is not None:
        return status
    return _STATUSES["rule" if decision.allowed else "none"]
