"""`flask billing discounts`: gives discounts, ends them and lists them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

from flask_billing import invoicing
from flask_billing.cli.amounts import DECIMAL
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import DATE, written
from flask_billing.cli.noting import noted, noted_of_project, project_of
from flask_billing.cli.signed import by_option, negative, plain_refusals, require, signed
from flask_billing.cli.tables import print_rows
from flask_billing.models import Discount

__all__ = ["discounts"]


@click.group("discounts")
def discounts() -> None:
    """Give discounts, end them, list them."""


@discounts.command("add", context_settings=negative)
@click.argument("project")
@click.argument("percent", type=DECIMAL)
@click.option("--rate", metavar="NAME", help="Off the lines of this rate.")
@click.option("--group", metavar="NAME", help="Off the lines of this group of rates.")
@click.option("--resource", nargs=2, metavar="TABLE ID", help="Off the lines of this resource.")
@click.option("--from", "valid_from", type=DATE, metavar="DATE", help="By default now.")
@click.option("--until", "valid_until", type=DATE, metavar="DATE", help="Up to, and without.")
@signed
@only_on
def add(
    project: str,
    percent: Decimal,
    rate: str | None,
    group: str | None,
    resource: tuple[str, str] | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    reason: str,
    made_by: str | None,
) -> None:
    """Take PERCENT off what the project with the key PROJECT pays.

    Off the whole sum, unless --rate, --group or --resource says which lines it is for.
    """
    named = {"rate": rate, "group": group, "resource": resource and resource[1]}
    chosen = {scope: target for scope, target in named.items() if target is not None}
    if len(chosen) > 1:
        raise click.UsageError("Give one of --rate, --group and --resource.")
    scope, target = next(iter(chosen.items()), ("project", ""))
    with plain_refusals(), noted_of_project("add_discount", project, made_by, reason=reason):
        given = invoicing.discount(
            project,
            percent,
            scope=scope,
            target=target,
            resource_type=resource[0] if resource else None,
            valid_from=valid_from,
            valid_until=valid_until,
            reason=reason,
            made_by=made_by,
        )
    click.echo(f"{given.percent:f} % off {_subject(given)} from {_span(given)}: {given.id}.")


@discounts.command("end")
@click.argument("discount_id", metavar="ID", type=click.UUID)
@click.option("--at", type=DATE, metavar="DATE", help="By default now.")
@by_option
@only_on
def end(discount_id: UUID, at: datetime | None, made_by: str | None) -> None:
    """End the discount ID. What it took off before stays off."""
    key = project_of(Discount, discount_id)
    with plain_refusals(), noted("end_discount", "discount", discount_id, made_by, project_key=key):
        ended = invoicing.end_discount(discount_id, at=at)
    click.echo(f"{ended.percent:f} % off {_subject(ended)} from {_span(ended)}.")


@discounts.command("list")
@click.argument("project")
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
@only_on
def list_discounts(project: str, ended: bool) -> None:
    """List the discounts of the project with the key PROJECT."""
    require(project)
    found = invoicing.discounts_of(project, ended=ended)
    if not found:
        click.echo("This project has no discount.")
        return
    rows = [
        (str(each.id), f"{each.percent:f} %", _subject(each), _span(each), each.reason)
        for each in found
    ]
    print_rows(("id", "percent", "off", "from", "reason"), rows, right={"percent"})


def _subject(discount: Discount) -> str:
    if discount.scope == "project":
        return "everything"
    kind = discount.resource_type if discount.scope == "resource" else discount.scope
    return f"{kind} {discount.target}"


def _span(discount: Discount) -> str:
    until = "" if discount.valid_until is None else f" until {written(discount.valid_until)}"
    return f"{written(discount.valid_from)}{until}"
