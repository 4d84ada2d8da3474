"""Turns events into what the staff pages show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from babel.numbers import format_decimal

from flask_billing import clock
from flask_billing.models import BillingEvent
from flask_billing.state import current
from flask_billing.web.i18n import N_, gettext, locale, ngettext
from flask_billing.web.staff.filters import STATES
from flask_billing.web.staff.listing import COUNTED, Count
from flask_billing.web.staff.situations import STUCK, situation_of

__all__ = [
    "Group",
    "Handler",
    "Row",
    "Step",
    "Tally",
    "groups",
    "handlers",
    "row",
    "steps",
    "tallies",
]

#: What a situation is called for one event, and how it is to be taken.
_SITUATIONS = {
    "failed": ("bad", N_("failed")),
    "overdue": ("bad", N_("overdue")),
    "retrying": ("note", N_("tried in vain")),
    "put_off": ("wait", N_("is tried again")),
    "working": ("wait", N_("is being processed")),
    "waiting": ("wait", N_("waiting")),
    "processed": ("good", N_("processed")),
    "ignored": ("plain", N_("ignored")),
}
_OVERDUE = N_("Nobody seems to be at work on events. See that a worker runs.")
_ADVICE = {
    "failed": N_("Nothing more is tried. Mend what is wrong, then repeat what failed."),
    "overdue": _OVERDUE,
    "retrying": N_("This goes on by itself. Look into it if the number does not fall."),
}
_COMMANDS = {
    "failed": "flask billing events replay --state failed",
    "overdue": "flask billing run",
    "retrying": "flask billing events list --state pending",
}
_ADVICE_FOR_ONE = {
    "failed": N_("It is not tried again by itself. Mend what is wrong, then repeat it."),
    "overdue": _OVERDUE,
    "retrying": N_("It is tried again by itself. Look into it if that does not help."),
}
_REASONS = {
    "unknown_type": N_("nothing here deals with this type"),
    "connected_account": N_("it happened on a connected account"),
    "not_ours": N_("its object is none of ours"),
}
_ERRORS = {
    "Abandoned": N_("whoever was at work on it never came back"),
    "GatewayRefusal": N_("Stripe refused what was asked for"),
    "GatewayUnavailable": N_("Stripe was not available"),
    "NotYet": N_("something that it builds on is not known here yet"),
    "IntegrityError": N_("the database refused a change"),
    "OperationalError": N_("the database did not answer"),
}
_UNKNOWN_ERROR = N_("the code that deals with it failed; look for its id in the log")


@dataclass(frozen=True)
class Tally:
    """How many events are in a state, as a link shows it."""

    state: str
    name: str
    number: str


@dataclass(frozen=True)
class Group:
    """Events that are stuck in the same way.

    :ivar is_cut: There are more than were counted, so some may be older than `since`.
    :ivar command: What shows or does the same on the command line.
    """

    state: str
    tone: str
    sentence: str
    since: datetime
    is_cut: bool
    advice: str
    command: str


@dataclass(frozen=True)
class Row:
    """An event and what there is to say about it.

    :ivar tone: `good`, `plain`, `wait`, `note` or `bad`.
    :ivar why: Why it is ignored, or what its last try ended with.
    :ivar codes: The same in the words of the tables.
    :ivar advice: What to do; empty where there is nothing to do.
    :ivar is_claimed: A worker is at work on it.
    """

    event: BillingEvent
    situation: str
    tone: str
    word: str
    why: str
    codes: str
    advice: str
    is_claimed: bool


@dataclass(frozen=True)
class Handler:
    """A handler of the host, and when it dealt with the event; `None` if it did not."""

    name: str
    done_at: datetime | None


@dataclass(frozen=True)
class Step:
    """Something that happened to an event, or will; some have no time of their own."""

    tone: str
    words: str
    at: datetime | None


def tallies(counted: Mapping[str, Count]) -> list[Tally]:
    """Return the counts of all states, in the order of the list of states."""
    return [Tally(state, gettext(name), _number(counted[state])) for state, name in STATES.items()]


def groups(counted: Mapping[str, Count]) -> list[Group]:
    """Return what is stuck, the worst first."""
    return [
        Group(
            state=state,
            tone=_SITUATIONS[state][0],
            sentence=_sentence(state, counted[state]),
            since=since,
            is_cut=counted[state].is_cut,
            advice=gettext(_ADVICE[state]),
            command=_COMMANDS[state],
        )
        for state in STUCK
        if (since := counted[state].since) is not None
    ]


def row(event: BillingEvent) -> Row:
    """Return how an event is to be shown."""
    now = clock.now()
    situation = situation_of(event, now)
    # A newer release may know states that this one, still running beside it, does not.
    tone, word = _SITUATIONS.get(situation, ("plain", situation))
    words = (event.reason, event.error_class, event.error_code)
    return Row(
        event=event,
        situation=situation,
        tone=tone,
        word=gettext(word),
        why=_why(event),
        codes=" ".join(filter(None, words)),
        advice=gettext(_ADVICE_FOR_ONE[situation]) if situation in STUCK else "",
        is_claimed=event.claimed_by is not None and (event.next_try_at or now) > now,
    )


def handlers(registered: Iterable[str], done: Mapping[str, datetime]) -> list[Handler]:
    """Return the host's handlers, those that dealt with the event first, in that order.

    :param registered: The names of those that are told of such events now.
    :param done: When which handler dealt with this one; some may not be registered any more.
    """
    finished = [Handler(name, done[name]) for name in sorted(done, key=done.__getitem__)]
    return finished + [Handler(name, None) for name in registered if name not in done]


def steps(shown: Row, told: Iterable[Handler]) -> Iterator[Step]:
    """Tell the story of an event from the beginning on."""
    event = shown.event
    yield Step("plain", gettext("It happened at Stripe."), event.created_at)
    yield Step("plain", gettext("It arrived here."), event.received_at)
    for handler in told:
        if handler.done_at is not None:
            words = gettext("The handler %(name)s has dealt with it.", name=handler.name)
            yield Step("good", words, handler.done_at)
    if event.attempts:
        yield Step("plain", _tries(event.attempts), None)
    yield _last_step(shown)


def _last_step(shown: Row) -> Step:
    event = shown.event
    if event.ended_at is not None:
        ends = {
            "processed": gettext("It was processed."),
            "ignored": gettext("It was ignored."),
            "failed": gettext("It was given up."),
        }
        return Step(shown.tone, ends.get(event.state, shown.word), event.ended_at)
    if shown.is_claimed:
        words = gettext("A worker is at work on it. If it does not come back, another takes over.")
    elif shown.situation == "overdue":
        words = gettext("It should have been tried.")
    else:
        words = gettext("It is tried next.")
    return Step(shown.tone, words, event.next_try_at)


def _tries(attempts: int) -> str:
    most = current().settings.event_tries
    return ngettext(
        "It was tried once, of at most %(most)s times.",
        "It was tried %(num)s times, of at most %(most)s.",
        attempts,
        most=most,
    )


def _why(event: BillingEvent) -> str:
    if event.reason is not None:
        return gettext(_REASONS[event.reason]) if event.reason in _REASONS else event.reason
    if event.error_class is not None:
        return gettext(_ERRORS.get(event.error_class, _UNKNOWN_ERROR))
    return ""


def _sentence(state: str, count: Count) -> str:
    number = _number(count)
    if state == "failed":
        return ngettext(
            "%(number)s event has failed",
            "%(number)s events have failed",
            count.number,
            number=number,
        )
    if state == "overdue":
        return ngettext(
            "%(number)s event is overdue",
            "%(number)s events are overdue",
            count.number,
            number=number,
        )
    return ngettext(
        "%(number)s event was tried in vain",
        "%(number)s events were tried in vain",
        count.number,
        number=number,
    )


def _number(count: Count) -> str:
    shown: str = format_decimal(min(count.number, COUNTED), locale=locale())
    return f"{shown}+" if count.is_cut else shown
