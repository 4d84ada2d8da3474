"""`flask billing sync`: brings our rows up to Stripe's state."""

from __future__ import annotations

import click

from flask_billing import reconciling
from flask_billing.cli.conditions import when_on
from flask_billing.cli.reconcile import said
from flask_billing.cli.signed import require
from flask_billing.cli.walking import after_option, go_through, rate_option
from flask_billing.reconciling import Difference

__all__ = ["sync"]


@click.command("sync")
@click.option("--project", metavar="KEY", help="Only what this project pays by and has begun.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(reconciling.KINDS),
    multiple=True,
    help="Only this kind; may be given several times.",
)
@after_option
@rate_option
@when_on
def sync(
    project: str | None, kinds: tuple[str, ...], after: str | None, rate: float | None
) -> None:
    """Bring the tables up to Stripe's state.

    Asks Stripe about every customer and payment method of this mode and account, and about setup
    sessions that are open, and writes what it says. 'flask billing reconcile stripe' asks less, and
    only compares.
    """
    if project is not None:
        require(project)
    chosen = kinds or reconciling.KINDS
    with reconciling.paced(rate):
        try:
            walks = reconciling.refresh(chosen, project_key=project, after=after)
            tally = go_through(walks, _line_of, after)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--after") from None
    click.echo(f"{tally} {tally.left or 'Nothing'} left.")
    if tally.left:
        raise SystemExit(1)


def _line_of(difference: Difference) -> str:
    return f"{click.style('left    ', fg='red')} {said(difference)}"
