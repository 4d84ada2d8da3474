"""Says what each kind of notification says: what happened, what it means, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

from flask_billing import clock
from flask_billing.web import amounts, i18n, times
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.mail.links import link
from flask_billing.web.presenters.methods import name_of

if TYPE_CHECKING:
    from flask_billing.notifying import Facts

__all__ = ["Message", "message_of"]


class Step(NamedTuple):
    """What the reader can do: what the button says, and where it leads."""

    label: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """A notification in words, as the templates get it.

    :ivar sentences: Paragraphs of plain text.
    :ivar step: `None` where no link can be made.
    :ivar reason: Why the reader gets it.
    :ivar project_label: What the host calls the project; may be empty.
    """

    kind: str
    language: str
    subject: str = field(repr=False)
    sentences: tuple[str, ...] = field(repr=False)
    step: Step | None = field(repr=False)
    reason: str = field(repr=False)
    project_label: str = field(repr=False)


class Words(NamedTuple):
    """The subject, the sentences, the button's words and the page that it leads to."""

    subject: str
    sentences: list[str]
    label: str
    endpoint: str


def message_of(facts: Facts) -> Message:
    """Return a notification in words, in the language that is spoken now."""
    words = _WORDS[facts.kind](facts)
    values = {"invoice_id": facts.invoice_id} if words.endpoint == "invoice" else {}
    url = link(words.endpoint, facts.project_key, **values)
    return Message(
        kind=facts.kind,
        language=i18n.language(),
        subject=words.subject,
        sentences=tuple(words.sentences),
        step=None if url is None else Step(words.label, url),
        reason=_reason(facts),
        project_label=facts.project_label,
    )


def _reason(facts: Facts) -> str:
    if facts.role == "members":
        return gettext("You get this message because you are a member of the project.")
    return gettext("You get this message because yours is the billing e-mail of the project.")


def _receipt(facts: Facts) -> Words:
    what = _what(facts)
    return Words(
        gettext("Receipt for %(period)s: %(amount)s", **what),
        [
            gettext("%(amount)s for %(period)s was paid. Thank you.", **what),
            gettext("You find the invoice with all its lines on the billing pages."),
        ],
        gettext("View invoice"),
        "invoice",
    )


def _payment_failed(facts: Facts) -> Words:
    what = _what(facts)
    return Words(
        gettext("Payment failed: %(amount)s for %(period)s", **what),
        [
            gettext("The payment of %(amount)s for %(period)s was declined.", **what),
            gettext("Pay the invoice now, or add another payment method: it is tried at once."),
            *_retry(facts),
            *_deadline(facts),
        ],
        gettext("Pay now"),
        "invoice",
    )


def _action_required(facts: Facts) -> Words:
    return _ACTIONS[facts.needs or "confirmation"](facts)


def _confirmation(facts: Facts) -> Words:
    what = _what(facts)
    return Words(
        gettext("Confirm your payment: %(amount)s for %(period)s", **what),
        [
            gettext(
                "Your bank wants you to confirm the payment of %(amount)s for %(period)s.", **what
            ),
            gettext("Open the invoice and pay it there; your bank then asks you."),
            *_deadline(facts),
        ],
        gettext("Pay now"),
        "invoice",
    )


def _method_needed(facts: Facts) -> Words:
    what = _what(facts)
    return Words(
        gettext("Add a payment method: %(amount)s for %(period)s", **what),
        [
            gettext(
                "There is no payment method that %(amount)s for %(period)s can be charged to.",
                **what,
            ),
            gettext("Add one: the invoice is then charged to it by itself."),
            *_deadline(facts),
        ],
        gettext("Add payment method"),
        "index",
    )


def _address_needed(facts: Facts) -> Words:
    what = _what(facts)
    return Words(
        gettext("Complete your billing address: %(amount)s for %(period)s", **what),
        [
            gettext(
                "The tax on %(amount)s for %(period)s depends on where you are, and your billing "
                "address does not say enough.",
                **what,
            ),
            gettext("Complete the address: the invoice is then issued and charged by itself."),
        ],
        gettext("Edit billing details"),
        "details",
    )


def _past_due(facts: Facts) -> Words:
    what = _what(facts)
    if facts.due_at is not None:
        happened = gettext(
            "%(amount)s for %(period)s was to be paid by %(day)s, and has not arrived.",
            day=_day(facts.due_at),
            **what,
        )
    else:
        happened = gettext(
            "%(amount)s for %(period)s could not be charged to any payment method.", **what
        )
    meaning = (
        N_("Nothing new can be created until it is paid. What is running goes on.")
        if facts.stops
        else N_("Pay it as soon as you can.")
    )
    return Words(
        gettext("Past due: %(amount)s for %(period)s", **what),
        [happened, gettext(meaning)],
        gettext("Pay now"),
        "invoice",
    )


def _method_expiring(facts: Facts) -> Words:
    # A letter may come late.
    has_expired = facts.method is not None and facts.method.is_expired(clock.now())
    subject = (
        N_("A payment method has expired")
        if has_expired
        else N_("A payment method expires this month")
    )
    return Words(
        gettext(subject),
        [
            *_expiry(facts, has_expired=has_expired),
            gettext("Add another one, so that your next invoice can be paid."),
        ],
        gettext("Add payment method"),
        "index",
    )


def _spending_alert(facts: Facts) -> Words:
    what = _what(facts)
    limit = amounts.money(facts.limit or 0, facts.currency or "")
    sentences = [
        gettext(
            "The usage of %(period)s has reached %(limit)s: it was at %(amount)s, before credit "
            "and tax.",
            limit=limit,
            **what,
        )
    ]
    if facts.stops:
        sentences.append(
            gettext("As its owner asked for, nothing new can be created until the month is over.")
        )
    return Words(
        gettext("Spending alert: %(limit)s in %(period)s", limit=limit, period=what["period"]),
        sentences,
        gettext("View usage"),
        "usage",
    )


_WORDS: dict[str, Callable[[Facts], Words]] = {
    "receipt": _receipt,
    "payment_failed": _payment_failed,
    "action_required": _action_required,
    "past_due": _past_due,
    "method_expiring": _method_expiring,
    "spending_alert": _spending_alert,
}
_ACTIONS: dict[str, Callable[[Facts], Words]] = {
    "confirmation": _confirmation,
    "payment_method": _method_needed,
    "address": _address_needed,
}


def _what(facts: Facts) -> dict[str, str]:
    """Return how much is meant, and what it is for."""
    return {
        "amount": amounts.money(facts.amount or 0, facts.currency or ""),
        "period": times.period(facts.period) if facts.period is not None else "",
    }


def _retry(facts: Facts) -> Iterator[str]:
    if facts.retry_at is not None:
        yield gettext("Otherwise it is tried again on %(day)s.", day=_day(facts.retry_at))


def _deadline(facts: Facts) -> Iterator[str]:
    if facts.until is None:
        return
    meaning = (
        N_("If it is not paid by %(day)s, nothing new can be created from then on.")
        if facts.stops
        else N_("If it is not paid by %(day)s, it is past due from then on.")
    )
    yield gettext(meaning, day=_day(facts.until))


def _expiry(facts: Facts, *, has_expired: bool) -> Iterator[str]:
    method = facts.method
    if method is not None and method.exp_year is not None and method.exp_month is not None:
        month = times.month(date(method.exp_year, method.exp_month, 1))
        validity = (
            N_("%(method)s was valid until %(month)s.")
            if has_expired
            else N_("%(method)s is valid until %(month)s.")
        )
        yield gettext(validity, method=name_of(method), month=month)


def _day(at: datetime) -> str:
    return times.day(at.astimezone(UTC).date())
