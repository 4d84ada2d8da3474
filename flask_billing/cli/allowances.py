"""`flask billing allowances`: lets usage be free, ends that and lists it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

from flask_billing import invoicing
from flask_billing.cli.amounts import DECIMAL, plain
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import DATE, written
from flask_billing.cli.noting import noted, noted_of_project, project_of
from flask_billing.cli.signed import by_option, negative, plain_refusals, require, signed
from flask_billing.cli.tables import print_rows
from flask_billing.models import Allowance

__all__ = ["allowances"]


@click.group("allowances")
def allowances() -> None:
    """Let usage be free, end that, list it."""


@allowances.command("add", context_settings=negative)
@click.argument("quantity", type=DECIMAL)
@click.option("--rate", metavar="NAME", help="So much of this rate.")
@click.option("--group", metavar="NAME", help="So much of this group of rates, together.")
@click.option("--project", metavar="KEY", help="For one project; by default for every one.")
@click.option("--from", "valid_from", type=DATE, metavar="DATE", help="By default now.")
@click.option("--until", "valid_until", type=DATE, metavar="DATE", help="Up to, and without.")
@signed
@only_on
def add(
    quantity: Decimal,
    rate: str | None,
    group: str | None,
    project: str | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    reason: str,
    made_by: str | None,
) -> None:
    """Let QUANTITY of a rate or of a group be free in each month.

    In quantity times minutes, or in events.
    """
    if (rate is None) == (group is None):
        raise click.UsageError("Give one of --rate and --group.")
    with plain_refusals(), noted_of_project("add_allowance", project, made_by, reason=reason):
        given = invoicing.allow(
            project,
            quantity,
            scope="group" if rate is None else "rate",
            target=rate or group or "",
            valid_from=valid_from,
            valid_until=valid_until,
            reason=reason,
            made_by=made_by,
        )
    click.echo(f"{_words(given)} from {_span(given)}: {given.id}.")


@allowances.command("end")
@click.argument("allowance_id", metavar="ID", type=click.UUID)
@click.option("--at", type=DATE, metavar="DATE", help="By default now.")
@by_option
@only_on
def end(allowance_id: UUID, at: datetime | None, made_by: str | None) -> None:
    """End the allowance ID. The month in which it ends has nothing of it."""
    key = project_of(Allowance, allowance_id)
    with (
        plain_refusals(),
        noted("end_allowance", "allowance", allowance_id, made_by, project_key=key),
    ):
        ended = invoicing.end_allowance(allowance_id, at=at)
    click.echo(f"{_words(ended)} from {_span(ended)}.")


@allowances.command("list")
@click.argument("project", required=False)
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
@only_on
def list_allowances(project: str | None, ended: bool) -> None:
    """List the allowances of PROJECT (its key), or of every project."""
    if project is not None:
        require(project)
    found = invoicing.allowances_of(project, ended=ended)
    if not found:
        click.echo("There is no allowance.")
        return
    rows = [
        (
            str(each.id),
            plain(each.quantity),
            f"{each.scope} {each.target}",
            _span(each),
            each.reason,
        )
        for each in found
    ]
    print_rows(("id", "quantity", "of", "from", "reason"), rows, right={"quantity"})


def _words(allowance: Allowance) -> str:
    who = "every project" if allowance.project_key is None else f"project {allowance.project_key}"
    return f"{plain(allowance.quantity)} of {allowance.scope} {allowance.target} free for {who}"


def _span(allowance: Allowance) -> str:
    until = "" if allowance.valid_until is None else f" until {written(allowance.valid_until)}"
    return f"{written(allowance.valid_from)}{until}"
