"""Says in words for staff what the tables say in codes; a code that is not known stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

from flask_billing.web.i18n import N_, gettext

__all__ = [
    "of_action",
    "of_deed",
    "of_needs",
    "of_notification",
    "of_notification_kind",
    "of_origin",
    "of_parking",
    "of_project_parking",
    "of_refund",
    "of_refund_kind",
    "of_try",
    "of_way",
    "of_whom",
]

_TRIES = {
    "sending": ("wait", N_("nobody knows the outcome yet")),
    "succeeded": ("good", N_("it was paid")),
    "declined": ("bad", N_("declined")),
    "needs_action": ("note", N_("the bank wants its owner to confirm")),
    "processing": ("wait", N_("a bank has it")),
    "not_executed": ("plain", N_("nothing was charged")),
}
_ORIGINS = {
    "plan": N_("Planned try"),
    "change": N_("Try after a change of payment methods"),
    "owner": N_("Try by its owner"),
    "staff": N_("Try by staff"),
}
_REFUNDS = {
    "sending": ("wait", N_("nobody knows the outcome yet")),
    "pending": ("wait", N_("on its way")),
    "requires_action": ("wait", N_("on its way")),
    "succeeded": ("good", N_("done")),
    "failed": ("bad", N_("the bank did not take it")),
    "canceled": ("bad", N_("canceled")),
    "refused": ("plain", N_("Stripe refused")),
    "not_executed": ("plain", N_("nothing happened")),
}
_REFUND_KINDS = {
    "refund": N_("Refund, with a credit note,"),
    "credit": N_("Credit note"),
    "overpayment": N_("Refund of an overpayment"),
}
_NOTIFICATIONS = {
    "pending": ("wait", N_("waiting")),
    "sending": ("wait", N_("being sent")),
    "sent": ("plain", N_("sent")),
    "failed": ("bad", N_("not delivered")),
    "unknown": ("note", N_("nobody knows whether it arrived")),
    "skipped": ("plain", N_("nobody to tell, or nothing to tell any more")),
}
#: The billing e-mail is left out where it is a member's, who is told already.
_BILLING_SKIPPED = N_("no address, told as a member already, or nothing to tell any more")
_ROLES = {
    "members": N_("to its members"),
    "billing": N_("to its billing e-mail"),
}
_WAYS = {
    "web": N_("on these pages"),
    "cli": N_("by command"),
}
_NOTIFICATION_KINDS = {
    "receipt": N_("of the payment"),
    "payment_failed": N_("that a payment failed"),
    "action_required": N_("that its owner has to act"),
    "past_due": N_("that it is past due"),
}
_ACTIONS = {
    "retry": N_("Try again"),
    "write_off": N_("Write off"),
    "void": N_("Make void"),
    "unpark": N_("Unpark"),
    "refund": N_("Give money back"),
    "accept_method": N_("Charge a disputed payment method again"),
    "repeat_event": N_("Repeat an event"),
    "fetch_events": N_("Fetch events from Stripe"),
    "set_terms": N_("Set terms of payment"),
    "adjust": N_("Add a correction"),
    "grant_credit": N_("Grant credit"),
    "reverse_credit": N_("Take credit back"),
    "make_codes": N_("Make codes"),
    "end_code": N_("End a code"),
    "add_discount": N_("Give a discount"),
    "end_discount": N_("End a discount"),
    "add_allowance": N_("Let usage be free"),
    "end_allowance": N_("End free usage"),
    "accept_parked": N_("Close what is parked"),
    "close_month": N_("Close a month by hand"),
    "migrate_rate": N_("Move what runs to the newer price"),
    "mend_metering": N_("Mend what is metered"),
    "fix_rows": N_("Write down what Stripe says"),
}
_DEEDS = {
    "begun": ("note", N_("begun, and never ended")),
    "done": ("plain", N_("done")),
    "refused": ("plain", N_("refused")),
    "unknown": ("note", N_("not known")),
}
_NEEDS = {
    "payment_method": N_("It needs a payment method of its owner."),
    "confirmation": N_("A bank wants its owner to confirm the payment."),
    "address": N_("Its owner's address is needed for tax."),
}
_PARKINGS = {
    "amount_differs": N_("At Stripe it comes to another amount than here."),
    "payer_changed": N_(
        "Somebody else pays by now, but it can't be issued anew: a part of it is settled, or "
        "Stripe keeps it open."
    ),
    "deleted_at_processor": N_("It was deleted at Stripe."),
    "issued_differently": N_("It is at Stripe already, with another amount."),
    "missing_at_processor": N_("Stripe does not know it; is the key of the right account?"),
    "overpaid": N_("It was paid too much, and the surplus could not be given back."),
    "refused": N_("Stripe refuses it."),
    "voided_at_processor": N_("It was made void at Stripe, which could not be done here."),
}
#: Why a project's months are not closed, as `flask billing check` says it.
_PROJECT_PARKINGS = {
    "awaits_reissue": N_(
        "The month of a void invoice is to be issued anew first. To accept it instead leaves that "
        "month void for good."
    ),
    "unusual_total": N_("A month comes to many times what the last ones came to."),
    "negative_quantity": N_("A quantity is negative."),
    "rate_missing": N_("A rate that was used is missing."),
    "wrong_currency": N_("A rate or a correction has another currency than the project."),
    "failed": N_("It could not be closed; the log has the kind of error."),
}


def of_try(state: str) -> tuple[str, str]:
    """Return the tone and the words for what came of a try to charge."""
    return _toned(_TRIES, state)


def of_origin(origin: str) -> str:
    """Return who wanted a try."""
    return _plain(_ORIGINS, origin)


def of_refund(state: str) -> tuple[str, str]:
    """Return the tone and the words for how far a refund is."""
    return _toned(_REFUNDS, state)


def of_refund_kind(kind: str) -> str:
    """Return what is given back in which way."""
    return _plain(_REFUND_KINDS, kind)


def of_notification(state: str, role: str) -> tuple[str, str]:
    """Return the tone and the words for what became of a notification to somebody."""
    if (state, role) == ("skipped", "billing"):
        return "plain", gettext(_BILLING_SKIPPED)
    return _toned(_NOTIFICATIONS, state)


def of_whom(role: str) -> str:
    """Return to whom a notification goes."""
    return _plain(_ROLES, role)


def of_notification_kind(kind: str) -> str:
    """Return what a notification tells."""
    return _plain(_NOTIFICATION_KINDS, kind)


def of_action(action: str) -> str:
    """Return what somebody of the staff did."""
    return _plain(_ACTIONS, action)


def of_way(way: str) -> str:
    """Return in which way somebody of the staff did something."""
    return _plain(_WAYS, way)


def of_deed(outcome: str) -> tuple[str, str]:
    """Return the tone and the words for what came of what staff did."""
    return _toned(_DEEDS, outcome)


def of_needs(needs: str) -> str:
    """Return what only the owner of an invoice can give."""
    return _plain(_NEEDS, needs)


def of_parking(reason: str | None) -> str:
    """Return why an invoice is parked; empty where the code says it all."""
    return gettext(_PARKINGS[reason]) if reason in _PARKINGS else ""


def of_project_parking(reason: str) -> str:
    """Return why the months of a project are not closed."""
    return _plain(_PROJECT_PARKINGS, reason)


def _toned(known: Mapping[str, tuple[str, str]], code: str) -> tuple[str, str]:
    tone, words = known.get(code, ("plain", ""))
    return tone, gettext(words) if words else code


def _plain(known: Mapping[str, str], code: str) -> str:
    return gettext(known[code]) if code in known else code
