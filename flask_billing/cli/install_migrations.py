"""`flask billing install-migrations`: brings the billing tables into the host's own history."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click
from alembic.util import CommandError
from flask.cli import with_appcontext

from flask_billing.cli import history

if TYPE_CHECKING:
    from alembic.script import Script, ScriptDirectory

__all__ = ["install_migrations"]

_MADE_ELSEWHERE = """\
Your revision {revision} ({path}) makes billing tables itself: {tables}. Nothing was copied.
These tables come with revisions of their own, which updates build on. To change over:
  1. Where it has run: 'flask db downgrade {before}'. This drops the tables and their rows. On
     MariaDB, take drop_index of billing tables out of its downgrade first: an index that serves a
     foreign key goes with its table only.
  2. Delete {file}; if it does other things too, take only the billing tables
     and the columns that refer to them out of its upgrade and downgrade.
  3. Run this command again, then 'flask db upgrade' and 'flask db migrate'."""


@dataclass(frozen=True)
class Copy:
    """One revision as it will stand in the host's history."""

    path: Path
    text: str


@click.command("install-migrations")
@click.option(
    "-d",
    "--directory",
    metavar="DIRECTORY",
    help="The app's migrations; by default where Flask-Migrate keeps them.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be copied, and copy nothing.")
@with_appcontext
def install_migrations(directory: str | None, dry_run: bool) -> None:
    """Add the billing tables to your migrations.

    Copies our revisions behind your newest one. They keep their ids: running it again adds
    nothing, and after an update of flask_billing it adds only what is new. Then run 'flask db
    upgrade'.
    """
    scripts = history.host_scripts(directory)
    copies = plan(scripts)
    if not copies:
        click.echo(f"Nothing to copy: '{scripts.dir}' has every revision of the billing tables.")
        return
    for copy in copies:
        if not dry_run:
            write(copy)
        click.echo(f"{'Would copy' if dry_run else 'Copied'} {copy.path}")
    if not dry_run:
        click.echo(
            "Next: 'flask db upgrade' makes the billing tables. Then 'flask db migrate' and "
            "'flask db upgrade' bring what your own models gained, such as billing_info_id."
        )


def plan(scripts: ScriptDirectory) -> list[Copy]:
    """Return what is to be copied into a host's history, in its order.

    :raises click.ClickException: The history has to be put right first.
    """
    missing = history.missing_from(scripts)
    refuse_tables_made_elsewhere(scripts)
    if not missing:
        return []
    refuse_gap(scripts, missing)
    head = single_head(scripts)
    folder = versions_folder(scripts, head)
    parents = [head, *(script.revision for script in missing)]
    return [
        Copy(folder / Path(script.path).name, rewritten(script, parent))
        for script, parent in zip(missing, parents, strict=False)
    ]


def refuse_tables_made_elsewhere(scripts: ScriptDirectory) -> None:
    """Raise where a revision of the host's own makes billing tables."""
    own = {script.revision for script in history.own_revisions()}
    for script in history.revisions_of(scripts):
        tables = [] if script.revision in own else history.billing_tables_made_by(script)
        if tables:
            parent = script.down_revision or "base"
            before = parent if isinstance(parent, str) else " and ".join(parent)
            raise click.ClickException(
                _MADE_ELSEWHERE.format(
                    revision=script.revision,
                    path=script.path,
                    file=Path(script.path).name,
                    tables=", ".join(tables),
                    before=before,
                )
            )


def refuse_gap(scripts: ScriptDirectory, missing: list[Script]) -> None:
    """Raise where the host has a later revision of ours without an earlier one."""
    own = [script.revision for script in history.own_revisions()]
    absent = [script.revision for script in missing]
    if absent != own[-len(absent) :]:
        raise click.ClickException(
            f"'{scripts.dir}' has later revisions of the billing tables but not {absent[0]}. Bring "
            "that file back from your version control; nothing was copied."
        )


def single_head(scripts: ScriptDirectory) -> str | None:
    """Return the host's newest revision, `None` in an empty history.

    :raises click.ClickException: There are several.
    """
    heads = scripts.get_heads()
    if len(heads) > 1:
        raise click.ClickException(
            f"Your migrations have several heads ({', '.join(sorted(heads))}). Run 'flask db merge "
            "heads' first; nothing was copied."
        )
    return heads[0] if heads else None


def versions_folder(scripts: ScriptDirectory, head: str | None) -> Path:
    """Return where the host's newest revision lies, or where its first one would."""
    if head is not None and (newest := scripts.get_revision(head)) is not None:
        return Path(newest.path).parent
    try:
        return Path(scripts.versions)
    except CommandError as error:
        raise click.ClickException(str(error)) from None


def rewritten(script: Script, parent: str | None) -> str:
    """Return the text of a revision of ours as the child of `parent`."""
    text = Path(script.path).read_text(encoding="utf-8")
    down_revision = "None" if parent is None else f'"{parent}"'
    text = re.sub(r"(?m)^down_revision = .*$", f"down_revision = {down_revision}", text, count=1)
    text = re.sub(r"(?m)^Revises:.*$", f"Revises: {parent or ''}".rstrip(), text, count=1)
    return f"# Copied from {origin()} by 'flask billing install-migrations'.\n{text}"


def origin() -> str:
    """Return the package's name and version; a source tree that nobody installed has none."""
    try:
        return f"flask_billing {version('flask-billing')}"
    except PackageNotFoundError:
        return "flask_billing's source tree"


def write(copy: Copy) -> None:
    """Write a file that is not there yet.

    :raises click.ClickException: It is there, or can't be written.
    """
    try:
        copy.path.parent.mkdir(exist_ok=True)
        with copy.path.open("x", encoding="utf-8") as file:
            file.write(copy.text)
    except OSError as error:
        raise click.ClickException(f"Can't write '{copy.path}': {error.strerror}.") from None
