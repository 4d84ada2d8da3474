"""Gathers what closing and payment methods wait with: from where `flask billing check` has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import url_for

from flask_billing import invoicing, payment_methods, projects
from flask_billing.invoicing import Parked
from flask_billing.periods import Span, name_of
from flask_billing.state import current
from flask_billing.web.amounts import quantity
from flask_billing.web.i18n import gettext
from flask_billing.web.staff import words
from flask_billing.web.staff.groups import Item, MoneyGroup
from flask_billing.web.times import period

__all__ = ["Unfinished", "groups_of_unfinished", "unfinished"]

#: How many of a group are named one by one.
_NAMED = 5


@dataclass(frozen=True)
class Unfinished:
    """What is not closed, and what nobody has brought to its end.

    :ivar parked: Some of the projects that are parked, the longest first.
    :ivar void: The months whose void invoice is to be issued anew, with their projects' keys.
    :ivar late: How many periods ended over a day ago and are not closed.
    :ivar waiting: How many things about payment methods wait for over an hour.
    """

    parked: list[Parked]
    void: list[tuple[str, Span]]
    late: int
    waiting: int

    @property
    def parked_count(self) -> int:
        """How many projects are parked."""
        return self.parked[0].alike if self.parked else 0


def unfinished() -> Unfinished:
    """Read what waits; commits the session."""
    connection = projects.connection()
    found = Unfinished(
        parked=invoicing.parked(connection, _NAMED),
        void=invoicing.unissued(connection),
        late=invoicing.late(connection),
        waiting=sum(payment_methods.late(connection).values()),
    )
    current().db.session.commit()
    return found


def groups_of_unfinished(found: Unfinished) -> Iterator[MoneyGroup]:
    """Yield what somebody has to look at."""
    if found.late:
        yield _of_late(found.late)
    if found.parked:
        yield _of_parked(found)
    if found.void:
        yield _of_void(found.void)
    if found.waiting:
        yield _of_waiting(found.waiting)


def _of_late(count: int) -> MoneyGroup:
    return MoneyGroup(
        kind="months_late",
        tone="bad",
        name=gettext("Months that are not closed"),
        number=quantity(count),
        since=None,
        advice=gettext("They ended over a day ago. See that a worker runs."),
        command="flask billing close",
    )


def _of_parked(found: Unfinished) -> MoneyGroup:
    return MoneyGroup(
        kind="projects_parked",
        tone="bad",
        name=gettext("Parked projects"),
        number=quantity(found.parked_count),
        since=found.parked[0].parked_at,
        advice=gettext("Their months are not closed before somebody has looked at their usage."),
        command="",
        items=tuple(
            Item(
                address=_address(each.project_key),
                project_key=each.project_key,
                why=words.of_project_parking(each.reason),
                since=each.parked_at,
                command=_accepting(each.project_key, found.void),
            )
            for each in found.parked
        ),
        more=_more(found.parked_count - len(found.parked)),
    )


def _accepting(key: str, void: list[tuple[str, Span]]) -> str:
    """Return what to type once somebody has looked; a void month has a command of its own."""
    is_void = any(key == each for each, _ in void)
    return "" if is_void else f"flask billing close --project {key} --accept"


def _of_void(months: list[tuple[str, Span]]) -> MoneyGroup:
    return MoneyGroup(
        kind="months_void",
        tone="note",
        name=gettext("Months that are to be issued anew"),
        number=quantity(len(months)),
        since=None,
        advice=gettext("Their invoices are void, and later months wait."),
        command="",
        items=tuple(
            Item(
                address=_address(key),
                project_key=key,
                why=period(span),
                command=f"flask billing close --period {name_of(span)} --project {key}",
            )
            for key, span in months[:_NAMED]
        ),
        more=_more(len(months) - _NAMED),
    )


def _of_waiting(count: int) -> MoneyGroup:
    return MoneyGroup(
        kind="methods_waiting",
        tone="note",
        name=gettext("Payment methods that are being added or removed for over an hour"),
        number=quantity(count),
        since=None,
        advice=gettext("See that a worker runs and that Stripe can be reached."),
        command="flask billing check",
    )


def _address(project_key: str) -> str:
    return url_for("billing.staff_invoices", project=project_key)


def _more(rest: int) -> str:
    return gettext("and %(number)s more", number=quantity(rest)) if rest > 0 else ""
