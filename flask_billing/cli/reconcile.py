"""`flask billing reconcile`: tells what differs between our tables and others' books."""

from __future__ import annotations

from functools import partial

import click

from flask_billing import reconciling
from flask_billing.cli.conditions import when_on
from flask_billing.cli.noting import ALL, noted
from flask_billing.cli.signed import by_option
from flask_billing.cli.walking import Tally, after_option, go_through, rate_option
from flask_billing.reconciling import Difference

__all__ = ["reconcile", "said"]

_SENTENCES = {
    ("customer", "deleted"): "Customer {0} was deleted at Stripe (billing info {1}).",
    ("customer", "missing"): "Stripe shows this key no customer {0} (billing info {1}).",
    ("customer", "not_written"): "Customer {0} has no billing info (setup session {1}).",
    ("payment_method", "gone"): "Payment method {0} is gone at Stripe ({1}).",
    ("payment_method", "removed_here"): "Payment method {0} is removed here, not at Stripe ({1}).",
    ("payment_method", "unknown"): "Payment method {0} is not in the tables (billing info {1}).",
    ("payment_method", "unusable"): "Payment method {0} can't be charged any more ({1}).",
    ("payment_method", "usable"): "Payment method {0} can be charged again ({1}).",
    ("setup_session", "ended"): "The page of setup session {0} has ended ({1}).",
}


@click.group("reconcile")
def reconcile() -> None:
    """Compare the tables with Stripe and with the app."""


@reconcile.command("stripe")
@click.option("--fix", is_flag=True, help="Write down what Stripe says, where it differs.")
@by_option
@after_option
@rate_option
@when_on
def stripe(fix: bool, made_by: str | None, after: str | None, rate: float | None) -> None:
    """Tell what differs between Stripe and the tables.

    Looks at every customer and its payment methods, at customers that were never written down, and
    at setup sessions whose page has ended. Ends with status 1 where a difference is left.
    """
    with reconciling.paced(rate):
        try:
            with noted("fix_rows", "billing_info", ALL, made_by, dry_run=not fix):
                walks = reconciling.compare(fix=fix, after=after)
                tally = go_through(walks, partial(_line, fix=fix), after)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--after") from None
    click.echo(_summary(tally, fix=fix))
    if tally.left:
        raise SystemExit(1)


def said(difference: Difference) -> str:
    """Return a difference as a sentence, with ids and nothing else."""
    kind, code = difference.kind, difference.code
    other = f"Stripe refuses to tell about {kind.replace('_', ' ')} {{0}} ({{1}})."
    return _SENTENCES.get((kind, code), other).format(difference.stripe_id, difference.id)


def _line(difference: Difference, *, fix: bool) -> str:
    if difference.fixed:
        mark, colour = "fixed", "green"
    else:
        mark, colour = ("left", "red") if fix else ("differs", "yellow")
    return f"{click.style(f'{mark:<8}', fg=colour)} {said(difference)}"


def _summary(tally: Tally, *, fix: bool) -> str:
    if not tally.fixed and not tally.left:
        return f"{tally} Stripe and the tables agree."
    if fix:
        return f"{tally} {tally.fixed} fixed, {tally.left} left."
    return f"{tally} {tally.left} differ. With --fix, what Stripe says is written down."
