"""Delivers what was noted: one claim, one notification, handed over once at most.

`sending` is committed before it is handed over, and `sent` after. A worker that dies in between
leaves one of which nobody knows whether it arrived: it becomes `unknown` and is not sent again. Who
is told is looked up at that moment, outside of any transaction, and kept nowhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from flask import current_app

from flask_billing import clock, projects
from flask_billing.errors import NotTaken
from flask_billing.letters import Letter, Recipient
from flask_billing.notifying import recipients
from flask_billing.notifying.claiming import (
    Claimed,
    begin_sending,
    claim,
    give_up_lost,
    members_state,
    write,
)
from flask_billing.notifying.facts import Facts, gather
from flask_billing.notifying.kinds import MEMBERS
from flask_billing.notifying.log import LogNotifier
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["DeliverReport", "deliver"]

_FIRST_DELAY = timedelta(minutes=1)
_GROWTH = 4
_LONGEST_DELAY = timedelta(hours=6)
#: Enough for a mail server, or a processor, that is away for more than a day. Workers that die
#: meanwhile use tries up, so it is never given up before its time.
_TRIES = 12
_PATIENCE = timedelta(hours=36)
#: As often it may be that its own workers die of it.
_MOST_TRIES = 24
#: What a claimed one may be in: a worker that was given up for lost, but was only slow, knows best.
_OURS = ("pending", "sending", "unknown")


@dataclass(frozen=True)
class DeliverReport:
    """How many notifications came to which end.

    `retried` ones are tried again; `failed` ones were not taken after all tries; of `unknown` ones
    nobody knows whether they were; `skipped` ones had nobody to tell, or nothing any more.
    """

    sent: int = 0
    skipped: int = 0
    retried: int = 0
    failed: int = 0
    unknown: int = 0


def deliver(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> DeliverReport:
    """Deliver what is due; commits the session. Safe on several hosts at once.

    :param limit: How many notifications at most; `None` for all that are due.
    :param stop: Asked before each notification.
    """
    require_clean()
    if not current().settings.enabled:
        return DeliverReport()
    ends: Counter[str] = Counter(unknown=give_up_lost())
    begun = 0
    while (limit is None or begun < limit) and not stop():
        claimed = claim()
        if claimed is None:
            break
        begun += 1
        end = _deliver(claimed)
        if end is not None:
            ends[end] += 1
    return DeliverReport(**ends)


def _deliver(claimed: Claimed) -> str | None:
    """Return what became of a notification; `None` where that is somebody else's to say by now."""
    if claimed.attempts > _MOST_TRIES:
        # Whoever was at work on it never came back, time and again.
        return _fail(claimed, "Abandoned")
    try:
        letters = _letters(claimed)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others must be told
        current().db.session.rollback()
        return _put_off(claimed, error)
    if not letters:
        return _end(claimed, "skipped")
    if not begin_sending(claimed):
        return None
    try:
        taken = (current().hooks.notifier or LogNotifier()).send(letters)
    except NotTaken as refusal:
        current().db.session.rollback()
        return _fail(claimed, refusal.reason) if refusal.for_good else _put_off(claimed, refusal)
    except Exception as error:  # noqa: BLE001 - it may have been taken all the same
        current().db.session.rollback()
        return _lose(claimed, error)
    current().db.session.rollback()
    return _settle(claimed, taken, len(letters))


def _letters(claimed: Claimed) -> list[Letter]:
    """Return what is sent and to whom; nothing where there is nobody to tell, or nothing."""
    facts = gather(claimed)
    if facts is None:
        return []
    keys = recipients.project_keys(claimed)
    told = _recipients(claimed, keys)
    letters = []
    for key, people in told.items():
        named = replace(facts, project_key=key, project_label=_label(key)) if people else facts
        letters += _written(named, people)
    # The host's templates may have asked the database.
    current().db.session.rollback()
    return letters


def _written(facts: Facts, people: list[Recipient]) -> list[Letter]:
    """Write to people, once for each language."""
    letters: dict[str | None, Letter] = {}
    for person in people:
        if person.language not in letters:
            letters[person.language] = current().write_letter(facts, person)
    return [replace(letters[person.language], email=person.email) for person in people]


def _recipients(claimed: Claimed, keys: list[str]) -> Mapping[str, list[Recipient]]:
    if not keys:
        return {}
    if claimed.role == MEMBERS:
        return recipients.members(keys)
    billing = recipients.billing_email(claimed, keys, _told_already(claimed, keys))
    return {keys[0]: [billing]} if billing is not None else {}


def _told_already(claimed: Claimed, keys: list[str]) -> list[Recipient]:
    """Return the members who got the same notification, if they did."""
    if members_state(claimed) not in {"sent", "unknown"}:
        return []
    try:
        found = recipients.members(keys)
    except Exception:
        if not _is_last(claimed):
            raise
        # Rather twice to one person than never to the billing e-mail.
        current().db.session.rollback()
        return []
    return [member for people in found.values() for member in people]


def _label(key: str) -> str:
    """Return what the host calls a project, read live as its pages would."""
    session = current().db.session
    project = session.get(projects.model(), projects.normal_key(key))
    label = getattr(project, "billing_label", None)
    session.rollback()
    return str(label) if label else ""


def _settle(claimed: Claimed, taken: int, count: int) -> str | None:
    if taken < count:
        current_app.logger.warning(
            "Notification %s (%s) was taken for %d of %d recipients.",
            claimed.id,
            claimed.kind,
            taken,
            count,
        )
    return _end(claimed, "sent", error_class=None if taken == count else "PartlyTaken")


def _lose(claimed: Claimed, error: Exception) -> str | None:
    current_app.logger.error(
        "Nobody knows whether notification %s (%s) was sent: %s. It is not sent again.",
        claimed.id,
        claimed.kind,
        type(error).__name__,
    )
    return _end(claimed, "unknown", error_class=type(error).__name__[:100])


def _put_off(claimed: Claimed, error: Exception) -> str | None:
    """Try again later, or give up after the last try. The error's text is not looked at."""
    kind = error.reason if isinstance(error, NotTaken) else type(error).__name__[:100]
    if _is_last(claimed):
        return _fail(claimed, kind)
    current_app.logger.warning(
        "Notification %s (%s) can't be delivered now: %s.", claimed.id, claimed.kind, kind
    )
    delay = min(_FIRST_DELAY * _GROWTH ** (claimed.attempts - 1), _LONGEST_DELAY)
    delay *= random.uniform(0.8, 1.0)  # noqa: S311 - it spreads the load and hides nothing
    written = write(
        claimed,
        from_states=_OURS,
        state="pending",
        claimed_by=None,
        next_try_at=clock.now() + delay,
        error_class=kind,
    )
    return "retried" if written else None


def _is_last(claimed: Claimed) -> bool:
    """Return whether a notification is given up if this try is in vain."""
    is_old = clock.now() - claimed.created_at >= _PATIENCE
    return claimed.attempts >= (_TRIES if is_old else _MOST_TRIES)


def _fail(claimed: Claimed, kind: str) -> str | None:
    current_app.logger.error(
        "Notification %s (%s) could not be delivered: %s.", claimed.id, claimed.kind, kind
    )
    return _end(claimed, "failed", error_class=kind)


def _end(claimed: Claimed, state: str, *, error_class: str | None = None) -> str | None:
    written = write(
        claimed,
        from_states=_OURS,
        state=state,
        claimed_by=None,
        next_try_at=None,
        error_class=error_class,
        ended_at=clock.now(),
    )
    return state if written else None
