"""Reads the package's own revisions and the host's history of revisions."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from flask import current_app

from flask_billing.models import MODELS, table_names

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection

__all__ = [
    "applied",
    "billing_tables_made_by",
    "environment",
    "host_scripts",
    "missing_from",
    "own_revisions",
    "revisions_of",
]

#: What reading a history with a faulty file, or without one that another names, may raise.
_BROKEN = (CommandError, RevisionError, ImportError, KeyError, NameError, SyntaxError)


def environment() -> Path:
    """Return where our Alembic environment is: in the installed package, or beside its source."""
    packaged = Path(str(files("flask_billing"))) / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "migrations"


def own_revisions() -> list[Script]:
    """Return the package's revisions, oldest first."""
    return revisions_of(ScriptDirectory(environment()))


def host_scripts(directory: str | None = None) -> ScriptDirectory:
    """Return the host's migrations: those in `directory`, or where its Flask-Migrate keeps them.

    :raises click.ClickException: There are none; the message says what to do.
    """
    migrate = current_app.extensions.get("migrate")
    if migrate is None:
        raise click.ClickException(
            "This app has no Flask-Migrate. Add 'Migrate(app, db)' where the app is made, then run "
            "'flask db init'."
        )
    place = Path(directory or migrate.directory)
    if not (place / "env.py").is_file():
        raise click.ClickException(
            f"There are no migrations in '{place}'. Run 'flask db init' first, or name their place "
            "with --directory."
        )
    try:
        return ScriptDirectory.from_config(migrate.migrate.get_config(str(place)))
    except CommandError as error:
        raise click.ClickException(str(error)) from None


def revisions_of(scripts: ScriptDirectory) -> list[Script]:
    """Return all revisions of a history, parents before children.

    :raises click.ClickException: The history is broken.
    """
    try:
        return list(scripts.walk_revisions())[::-1]
    except _BROKEN as error:
        raise click.ClickException(f"The history in '{scripts.dir}' is broken: {error}") from None


def missing_from(scripts: ScriptDirectory) -> list[Script]:
    """Return the package's revisions that a host's history does not have, oldest first."""
    present = {script.revision for script in revisions_of(scripts)}
    return [script for script in own_revisions() if script.revision not in present]


def billing_tables_made_by(script: Script) -> list[str]:
    """Return the billing tables that a revision's upgrade creates."""
    billing = table_names(MODELS)
    tree = ast.parse(Path(script.path).read_text(encoding="utf-8"))
    upgrades = [
        node
        for node in ast.walk(tree)
        # Flask-Migrate's template for several databases writes upgrade_() and upgrade_<name>().
        if isinstance(node, ast.FunctionDef) and node.name.startswith("upgrade")
    ]
    calls = [node for function in upgrades for node in ast.walk(function)]
    return sorted({name for node in calls if (name := _created_table(node)) in billing})


def _created_table(node: ast.AST) -> str | None:
    """Return the table's name where `node` is a call such as ``op.create_table("name", ...)``."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr="create_table"), args=[ast.Constant(value=str(name)), *_]
        ):
            return name
    return None


def applied(scripts: ScriptDirectory, connection: Connection) -> set[str]:
    """Return the ids of the revisions that a database has been upgraded by.

    :raises click.ClickException: The database is at a revision that the history does not have.
    """
    configured = current_app.extensions["migrate"].configure_args
    options = {
        key: configured[key]
        for key in ("version_table", "version_table_schema")
        if key in configured
    }
    heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    try:
        return {script.revision for script in scripts.iterate_revisions(heads, "base")}
    except (CommandError, RevisionError) as error:
        raise click.ClickException(
            f"The database is at a revision that '{scripts.dir}' does not have: {error}"
        ) from None
