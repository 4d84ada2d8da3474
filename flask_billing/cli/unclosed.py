"""Says whether every month that has ended is closed, and what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from flask_billing import invoicing
from flask_billing.cli.findings import Finding
from flask_billing.invoicing import PARKED_BECAUSE
from flask_billing.periods import name_of

__all__ = ["of_closing"]

#: How many projects are named one by one.
_NAMED = 10


def of_closing(connection: Connection) -> Iterator[Finding]:
    """Name the projects that are parked, and count the periods that ended long ago."""
    parked = invoicing.parked(connection, _NAMED)
    for found in parked:
        why = PARKED_BECAUSE.get(found.reason, found.reason)
        yield Finding(
            "problem",
            f"Project {found.project_key} is parked from {found.closed_until:%Y-%m-%d} on: {why}. "
            "Look at its usage, then run 'flask billing close --project "
            f"{found.project_key} --accept'.",
        )
    if parked and parked[0].alike > _NAMED:
        yield Finding("problem", f"Projects that are parked besides: {parked[0].alike - _NAMED}.")
    late = invoicing.late(connection)
    if late:
        yield Finding(
            "problem",
            f"Periods that ended over a day ago and are not closed: {late}. Run 'flask billing "
            "close', and see that 'flask billing run' is always at work.",
        )
    void = invoicing.unissued(connection)
    for key, span in void[:_NAMED]:
        yield Finding(
            "hint",
            f"{name_of(span)} of project {key} waits to be issued anew, its invoice is void: run "
            f"'flask billing close --period {name_of(span)} --project {key}'.",
        )
    if len(void) > _NAMED:
        yield Finding("hint", f"Months that wait so besides: {len(void) - _NAMED}.")
    if not parked and not late:
        yield Finding("ok", "No project is parked, and every month that has ended is closed.")
