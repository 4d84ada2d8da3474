"""Says at the top of the page whether the project can go on, what it owes, and what leads on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask_billing import projects
from flask_billing.guard import Decision, decide
from flask_billing.periods import Span
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.presenters.progress import Progress, pressing_of
from flask_billing.web.times import day, period

__all__ = ["Status", "status_of"]


@dataclass(frozen=True)
class Status:
    """The one sentence at the top of the page.

    :ivar tone: `good`, `note` or `bad`.
    :ivar step: What leads on: `method` (add one), `limit` (raise or remove it), `address` (complete
        the billing details), `pay` or `confirm` (on the page of the invoice); empty for nothing.
    :ivar invoice_id: The invoice that it is about, if it is about one.
    :ivar after_refusal: The sentence for who was just refused something and is told so already.
    """

    tone: str
    sentence: str
    explanation: str
    step: str = ""
    after_refusal: str = ""
    invoice_id: UUID | None = None

    @property
    def needs_method(self) -> bool:
        """Whether the step that leads on is to add a payment method."""
        return self.step == "method"


_STATUSES = {
    "internal": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("This project is an internal one. It needs no payment method."),
    ),
    "rule": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("This site lets the project create without a payment method."),
    ),
    "payment_method": Status(
        "good",
        N_("Everything is set: new resources can be created."),
        N_("A payment method is saved and can be charged."),
    ),
    "rule_refused": Status(
        "bad",
        N_("New resources can't be created at the moment."),
        N_("This site does not allow it for this project. Ask its support what to do."),
    ),
    "limit": Status(
        "bad",
        N_("New resources can't be created until the month is over: a spending limit is reached."),
        N_("The project set it for itself. Remove it to go on. What is running is not touched."),
        "limit",
        after_refusal=N_("Remove the spending limit to go on."),
    ),
    "past_due": Status(
        "bad",
        N_("New resources can't be created: an invoice is past due."),
        N_("They can be again as soon as it is paid. A payment may be on its way."),
    ),
    "unusable": Status(
        "bad",
        N_("Add another payment method to create new resources."),
        N_("None of the saved ones can be charged. What is running already is not touched."),
        "method",
        after_refusal=N_("Add another payment method to go on."),
    ),
    "none": Status(
        "note",
        N_("Add a payment method to create new resources."),
        N_("None is saved. Nothing is charged when you add one."),
        "method",
        after_refusal=N_("Add a payment method to go on."),
    ),
}
#: What the owner of an unpaid invoice is told, by the step that leads on.
_OWED = {
    "pay": N_("The invoice for %(period)s could not be charged: %(amount)s."),
    "confirm": N_("Your bank wanted you to confirm a payment of %(amount)s."),
    "address": N_("The invoice for %(period)s needs your whole address: tax hangs on it."),
    "method": N_("Add a payment method to pay the invoice for %(period)s: %(amount)s."),
}
_PAST_DUE = N_("The invoice for %(period)s is past due: %(amount)s.")
_STEPS = {"confirmation": "confirm", "address": "address", "payment_method": "method"}
_STEP_AFTER_REFUSAL = {
    "pay": N_("Pay the invoice to go on."),
    "confirm": N_("Pay the invoice to go on."),
    "address": N_("Complete your billing details to go on."),
    "method": N_("Add a payment method to go on."),
}


#: What leads on where an invoice is past due already.
_STEP_WHEN_PAST_DUE = {
    "pay": "",
    "confirm": N_("Your bank wanted you to confirm the payment. You can do that on Stripe's page."),
    "address": N_("It needs your whole address: tax hangs on it."),
    "method": N_("Add a payment method to pay it."),
}


def status_of(project: Any) -> Status:
    """Return what the guard says about `project` and why, or which invoice waits for its owner."""
    decision = decide(project)
    pressing = pressing_of(projects.key_of(project))
    if pressing is not None and (decision.reason != "limit" or pressing.situation == "past_due"):
        return _owed(pressing, decision)
    status = _STATUSES.get(decision.reason) or _STATUSES["rule" if decision.allowed else "none"]
    return replace(
        status,
        sentence=gettext(status.sentence),
        explanation=gettext(status.explanation),
        after_refusal=gettext(status.after_refusal) if status.after_refusal else "",
    )


def _owed(progress: Progress, decision: Decision) -> Status:
    invoice = progress.invoice
    step = _step(progress, can_charge=decision.reason not in {"none", "unusable"})
    is_past_due = progress.situation == "past_due"
    named = {
        "period": period(Span(invoice.period_start, invoice.period_end)),
        "amount": amounts.money(progress.to_pay, invoice.currency),
    }
    stops = current().settings.past_due_stops and decision.reason != "internal"
    return Status(
        tone="bad" if is_past_due or step == "pay" else "note",
        sentence=gettext(_PAST_DUE if is_past_due else _OWED[step], **named),
        explanation=_if_past_due(step, stops) if is_past_due else _until(progress, step, stops),
        step=step,
        after_refusal=gettext(_STEP_AFTER_REFUSAL[step]) if is_past_due else "",
        invoice_id=invoice.id,
    )


def _step(progress: Progress, *, can_charge: bool) -> str:
    """Return what leads on; who has added a payment method since does not need one any more."""
    step = _STEPS.get(progress.needs or "", "pay")
    if step in {"pay", "method"}:
        return "pay" if can_charge else "method"
    return step


def _if_past_due(step: str, stops: bool) -> str:
    words = [gettext(_STEP_WHEN_PAST_DUE[step])] if _STEP_WHEN_PAST_DUE[step] else []
    if stops:
        words.append(gettext("Until it is paid, no new resources can be created."))
    return " ".join(words)


def _until(progress: Progress, step: str, stops: bool) -> str:
    if step == "address":
        return gettext("The invoice goes on by itself as soon as it is saved.")
    words = [gettext("You can do that on Stripe's page.")] if step == "confirm" else []
    if progress.until is None:
        return " ".join([*words, gettext("Pay it soon.")])
    by = N_("Pay it by %(day)s to keep creating resources.") if stops else N_("Pay it by %(day)s.")
    return " ".join([*words, gettext(by, day=day(progress.until.date()))])
