"""`flask billing check`: tells whether everything that billing needs is in place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy import ColumnElement, Connection, func, inspect, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper

from flask_billing import guard, payment_methods, projects
from flask_billing.cli import arriving, history, unclosed, unfinished
from flask_billing.cli.findings import Finding, show
from flask_billing.cli.rates import of_rates
from flask_billing.errors import GatewayError, GatewayUnavailable
from flask_billing.models import MODELS, BillingInfo, GatewayAccount
from flask_billing.state import Hooks, State, current

__all__ = ["check"]

#: What should have been finished by now, in the words of the commands.
_LATE = {
    "sessions": "setup sessions",
    "removals": "removals of payment methods",
    "holds": "holds",
}


@click.command("check")
@with_appcontext
def check() -> None:
    """Look whether all is in place.

    Prints a line for each thing, marked ok, hint or problem, and ends with status 1 where there is
    a problem. It reads the database and makes two calls to Stripe; all that it writes is which
    account the key belongs to.
    """
    state = current()
    if not state.settings.enabled:
        click.echo("Billing is off: STRIPE_SECRET_KEY is not set. The guard lets everyone pass.")
        return
    problems = 0
    for finding in findings(state):
        problems += finding.mark == "problem"
        show(finding)
    if problems:
        raise SystemExit(1)


def findings(state: State) -> Iterator[Finding]:
    """Look at one thing after the other."""
    yield from of_settings(state)
    yield from of_hooks(state.hooks)
    yield from of_models()
    account = None
    try:
        account = state.gateway.account_id()
        of_key = Finding("ok", f"The key works at Stripe, for the account {account}.")
    except GatewayError as error:
        of_key = of_refused_key(state, error)
    yield of_key
    if of_key.mark != "problem":
        yield from arriving.of_endpoint(state)
    try:
        with state.db.engine.connect() as connection:
            yield from of_database(state, connection, account)
    except SQLAlchemyError as error:
        yield Finding("problem", f"The database can't be used: {reason_of(error)}.")


def of_settings(state: State) -> Iterator[Finding]:
    """Say which settings hold, and which one is missing."""
    settings = state.settings
    mode = "live mode: real money" if settings.livemode else "test mode"
    place = f", at {settings.api_base}" if settings.api_base else ""
    yield Finding("ok", f"The settings are valid: {mode}{place}, {settings.currency.upper()}.")
    if settings.base_url:
        yield Finding("ok", f"Links begin with {settings.base_url}.")
    else:
        yield Finding(
            "problem" if settings.livemode else "hint",
            "BILLING_BASE_URL is not set. Unless TRUSTED_HOSTS is, or the site is only on this "
            "machine, no payment method can be added. Set it to this site's address.",
        )


def of_hooks(hooks: Hooks) -> Iterator[Finding]:
    """Say whether the host has decided who may see and who may change."""
    if hooks.project_loader is None:
        yield Finding(
            "problem", "There is no project loader. Register one with @billing.project_loader."
        )
    else:
        yield Finding("ok", "There is a project loader.")
    if hooks.can_manage is Hooks.can_manage:
        yield Finding(
            "problem",
            "Nobody may add a payment method. Say who may, with @billing.can_manage.",
        )
    else:
        yield Finding("ok", "It is decided who may manage billing.")
    if hooks.staff_required is Hooks.staff_required:
        yield Finding(
            "hint", "Nobody sees the staff pages. Say who may, with @billing.staff_required."
        )
    else:
        yield Finding("ok", "It is decided who is staff.")


def of_models() -> Iterator[Finding]:
    """Say which models are guarded, and which look as if they should be."""
    try:
        project = projects.model()
        key = projects.primary_key()
    except RuntimeError as error:
        yield Finding("problem", str(error))
        return
    marked = guard.models()
    names = ", ".join(sorted(model.__name__ for model in marked))
    if names:
        yield Finding("ok", f"The tenant is {project.__name__}; guarded: {names}.")
    else:
        yield Finding("hint", "Nothing is guarded: no model is marked with BillableResource.")
    for mapper in project.__mapper__.registry.mappers:
        ours = mapper.class_ in MODELS or issubclass(mapper.class_, (project, *marked))
        if not ours and refers_to(mapper, f"{key.table.fullname}.{key.name}"):
            yield Finding(
                "hint",
                f"{mapper.class_.__name__} belongs to a project and is not guarded. If it costs "
                "something, mark it with BillableResource.",
            )


def refers_to(mapper: Mapper[Any], column: str) -> bool:
    """Return whether a model's own table has a foreign key to `column`."""
    keys = getattr(mapper.local_table, "foreign_keys", ())
    return any(key.target_fullname == column for key in keys)


def of_refused_key(state: State, error: GatewayError) -> Finding:
    """Say why the key could not be tried, or does not work."""
    if isinstance(error, GatewayUnavailable):
        return Finding("problem", f"Stripe could not be asked about the key: {error}")
    if (state.settings.secret_key or "").startswith("rk_"):
        return Finding(
            "hint",
            "Stripe does not tell this restricted key its account. Where the key lacks nothing but "
            "that right, all is well, and rows are told apart by test and live only.",
        )
    return Finding("problem", f"The key does not work at Stripe: {error}")


def of_database(state: State, connection: Connection, account: str | None) -> Iterator[Finding]:
    """Say whether the tables are there and new enough, and what is wrong with their rows."""
    yield Finding("ok", f"The database answers ({connection.dialect.name}).")
    absent = absent_from(connection)
    if absent:
        yield Finding("problem", f"The database lacks {', '.join(absent)}.")
    else:
        yield Finding("ok", "The billing tables are there.")
    yield of_history(connection)
    if not absent:
        if account is not None:
            remember(state, account)
        yield of_other_accounts(state, connection, account)
        yield from of_waiting(connection)
        yield from arriving.of_events(state, connection)
        yield from of_rates(connection)
        yield from unclosed.of_closing(connection)
        yield from unfinished.of_money()
        yield from unfinished.of_notifications(connection)
        yield from unfinished.of_workers(state, connection)


def remember(state: State, account: str) -> None:
    """Write down whose key this is, so that guard and pages tell its rows from others at once."""
    session = state.db.session
    session.merge(GatewayAccount(key_digest=state.settings.key_digest, account_id=account))
    session.commit()


def absent_from(connection: Connection) -> list[str]:
    """Return the billing tables, and columns of those that are there, that a database lacks."""
    inspector = inspect(connection)
    absent = []
    for model in MODELS:
        table: Any = model.__table__
        if not inspector.has_table(table.name, table.schema):
            absent.append(table.name)
            continue
        there = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
        absent += [f"{table.name}.{c.name}" for c in table.columns if c.name not in there]
    return absent


def of_history(connection: Connection) -> Finding:
    """Say whether the revisions are installed and the database is upgraded by them."""
    if "migrate" not in current_app.extensions:
        return Finding(
            "hint", "This app has no Flask-Migrate, so nobody knows the database's revision."
        )
    try:
        scripts = history.host_scripts()
        missing = history.missing_from(scripts)
        if missing:
            return Finding(
                "problem",
                f"Not in '{scripts.dir}' yet: {', '.join(s.revision for s in missing)}. Run 'flask "
                "billing install-migrations', then 'flask db upgrade'.",
            )
        done = history.applied(scripts, connection)
    except click.ClickException as error:
        return Finding("problem", error.message)
    newest = history.own_revisions()[-1].revision
    if newest not in done:
        return Finding("problem", f"The database is older than {newest}. Run 'flask db upgrade'.")
    return Finding("ok", f"The database is at the newest billing revision, {newest}.")


def of_other_accounts(state: State, connection: Connection, account: str | None) -> Finding:
    """Count who pays by another mode or account: guard and pages don't see them."""
    foreign: ColumnElement[bool] = BillingInfo.livemode != state.settings.livemode
    if account is not None:
        foreign = or_(foreign, BillingInfo.account_id != account)
    count = connection.scalar(select(func.count()).select_from(BillingInfo).where(foreign))
    if not count:
        return Finding("ok", "All billing info belongs to this key's mode and account.")
    return Finding(
        "hint",
        f"Billing info of another mode or account at Stripe: {count}. Projects that pay by it have "
        "to add a payment method again.",
    )


def of_waiting(connection: Connection) -> Iterator[Finding]:
    """Count what should have been finished by now."""
    late = payment_methods.late(connection)
    for name, count in late.items():
        yield Finding(
            "problem",
            f"Waiting for over an hour: {_LATE[name]} ({count}). Run 'flask billing run --once', "
            "and see that 'flask billing run' is always at work.",
        )
    if not late:
        yield Finding("ok", "Nothing has waited for over an hour.")


def reason_of(error: SQLAlchemyError) -> str:
    """Return why the database failed, without the statement and its parameters."""
    lines = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
