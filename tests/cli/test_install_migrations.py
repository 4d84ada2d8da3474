"""`flask billing install-migrations` puts our revisions after the host's own, once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from flask import Flask

from flask_billing.cli.history import own_revisions
from tests.cli.conftest import Shell
from tests.host import billing, create_app

if TYPE_CHECKING:
    from collections.abc import Iterable

OWN = [script.revision for script in own_revisions()]
HOST_TABLES = """
import sqlalchemy as sa
from alembic import op

revision = "4f00d4b111a6"
down_revision = None


def upgrade():
    op.create_table("project", sa.Column("id", sa.Integer()))
    op.create_table("billing_info", sa.Column("id", sa.Uuid()))
    op.create_table("payment_method", sa.Column("id", sa.Uuid()))


def downgrade():
    op.drop_table("payment_method")
    op.drop_table("billing_info")
    op.drop_table("project")
"""


def test_revisions_become_the_history_of_a_host_without_any(history: Shell) -> None:
    result = history.billing("install-migrations")

    assert result.exit_code == 0
    assert chain(history) == OWN
    assert result.output.count("Copied") == len(OWN)
    assert "flask db upgrade" in result.output


def test_revisions_come_after_the_newest_of_the_host(history: Shell) -> None:
    history.flask("db", "revision", "-m", "one", "--rev-id", "0001")
    history.flask("db", "revision", "-m", "two", "--rev-id", "0002")

    history.billing("install-migrations")

    assert chain(history) == ["0001", "0002", *OWN]
    assert "\nRevises: 0002\n" in (history.versions / f"{OWN[0]}.py").read_text()


def test_copy_says_where_it_is_from_and_is_otherwise_the_same(history: Shell) -> None:
    history.billing("install-migrations")

    for script in own_revisions():
        header, _, copy = (history.versions / Path(script.path).name).read_text().partition("\n")
        assert header.startswith("# Copied from flask_billing")
        assert copy == Path(script.path).read_text()


def test_second_run_adds_nothing_and_says_so(history: Shell) -> None:
    history.billing("install-migrations")
    before = contents(history)

    result = history.billing("install-migrations")

    assert result.exit_code == 0
    assert "Nothing to copy" in result.output
    assert contents(history) == before


def test_newer_release_adds_only_what_is_new_after_what_the_host_wrote_since(
    history: Shell,
) -> None:
    history.billing("install-migrations")
    for newer in OWN[-2:]:
        (history.versions / f"{newer}.py").unlink()
    history.flask("db", "revision", "-m", "since", "--rev-id", "0003")
    before = contents(history)

    result = history.billing("install-migrations")

    assert result.output.count("Copied") == 2
    assert chain(history) == [*OWN[:-2], "0003", *OWN[-2:]]
    assert contents(history).items() >= before.items()


def test_dry_run_shows_and_copies_nothing(history: Shell) -> None:
    result = history.billing("install-migrations", "--dry-run")

    assert result.exit_code == 0
    assert [OWN[0] in line for line in result.output.splitlines()].count(True) == 1
    assert result.output.count("Would copy") == len(OWN)
    assert contents(history) == {}


def test_directory_can_be_named(history: Shell, tmp_path: Path) -> None:
    elsewhere = Shell(history.app, tmp_path / "elsewhere")
    history.folder.rename(elsewhere.folder)

    result = history.billing("install-migrations", "--directory", str(elsewhere.folder))

    assert result.exit_code == 0
    assert chain(elsewhere) == OWN


def test_history_with_several_heads_has_to_be_merged_first(history: Shell) -> None:
    history.flask("db", "revision", "-m", "one", "--rev-id", "0001")
    history.flask("db", "revision", "-m", "left", "--rev-id", "0002")
    history.flask("db", "revision", "-m", "right", "--rev-id", "0003", "--head", "0001", "--splice")

    refused = history.billing("install-migrations")

    assert refused.exit_code == 1
    assert "several heads (0002, 0003)" in refused.output
    assert "flask db merge heads" in refused.output
    assert not (history.versions / f"{OWN[0]}.py").exists()
    history.flask("db", "merge", "heads", "--rev-id", "0004")
    assert history.billing("install-migrations").exit_code == 0
    assert chain(history)[-len(OWN) - 1 :] == ["0004", *OWN]


def test_tables_in_a_revision_of_the_host_are_told_with_its_name_and_the_fix(
    history: Shell,
) -> None:
    (history.versions / "4f00d4b111a6_add_billing.py").write_text(HOST_TABLES)

    result = history.billing("install-migrations")

    assert result.exit_code == 1
    assert "revision 4f00d4b111a6" in result.output
    assert "billing_info, payment_method" in result.output
    assert "flask db downgrade base" in result.output
    assert "Delete 4f00d4b111a6_add_billing.py" in result.output
    assert list(contents(history)) == ["4f00d4b111a6_add_billing.py"]


def test_revision_that_only_brings_billing_tables_back_in_a_downgrade_is_no_matter(
    history: Shell,
) -> None:
    text = HOST_TABLES.replace("upgrade()", "x()").replace("downgrade()", "upgrade()")
    (history.versions / "4f00d4b111a6_end.py").write_text(text.replace("x()", "downgrade()"))

    result = history.billing("install-migrations")

    assert result.exit_code == 0


def test_earlier_revision_that_was_lost_is_named(history: Shell) -> None:
    history.billing("install-migrations")
    (history.versions / f"{OWN[0]}.py").unlink()
    second = history.versions / f"{OWN[1]}.py"
    second.write_text(second.read_text().replace(f'= "{OWN[0]}"', "= None"))

    result = history.billing("install-migrations")

    assert result.exit_code == 1
    assert f"not {OWN[0]}" in result.output
    assert chain(history) == OWN[1:]


@pytest.mark.filterwarnings("ignore:Revision gone referenced from:UserWarning")
@pytest.mark.parametrize(
    "source",
    [
        "revision = '0001'\ndown_revision = (\n",
        "revision = '0001'\ndown_revision = 'gone'\n",
        "revision = '0001'\ndown_revision = '0001'\n",
        "import gone\n\nrevision = '0001'\ndown_revision = None\n",
        "revision = gone\ndown_revision = None\n",
        "down_revision = None\n",
    ],
)
def test_broken_history_is_told_without_a_traceback(history: Shell, source: str) -> None:
    (history.versions / "0001_broken.py").write_text(source)

    result = history.billing("install-migrations")

    assert result.exit_code == 1
    assert "is broken" in result.output
    assert not (history.versions / f"{OWN[0]}.py").exists()


def test_file_in_the_way_is_not_overwritten(history: Shell) -> None:
    in_the_way = history.versions / f"{OWN[0]}.py"
    in_the_way.write_text("revision = '0001'\ndown_revision = None\n")

    result = history.billing("install-migrations")

    assert result.exit_code == 1
    assert f"Can't write '{in_the_way}'" in result.output
    assert in_the_way.read_text().startswith("revision = '0001'")


def test_host_that_never_made_a_history_is_told(shell: Shell) -> None:
    result = shell.billing("install-migrations")

    assert result.exit_code == 1
    assert "flask db init" in result.output
    assert not shell.folder.exists()


def test_host_without_flask_migrate_is_told(sqlite_url: str, folder: Path) -> None:
    result = Shell(create_app(sqlite_url), folder).billing("install-migrations")

    assert result.exit_code == 1
    assert "has no Flask-Migrate" in result.output


def test_revisions_are_installed_where_billing_is_off(history: Shell) -> None:
    app = Flask("off")
    app.extensions["migrate"] = history.app.extensions["migrate"]
    billing.init_app(app)

    assert Shell(app, history.folder).billing("install-migrations").exit_code == 0


@pytest.mark.parametrize("kind", ["source", "wheel"])
def test_revisions_are_found_beside_the_source_and_in_the_installed_package(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask_billing.cli import history as room

    if kind == "wheel":
        shutil.copytree(room.environment(), tmp_path / "migrations")
        monkeypatch.setattr(room, "files", lambda package: tmp_path)

    assert (room.environment() / "env.py").is_file()
    assert (room.environment().parent == tmp_path) is (kind == "wheel")
    assert [script.revision for script in room.own_revisions()] == OWN


def chain(shell: Shell) -> list[str]:
    """The ids of a history, oldest first."""
    revisions: Iterable[str] = (
        script.revision for script in ScriptDirectory(shell.folder).walk_revisions()
    )
    return list(revisions)[::-1]


def contents(shell: Shell) -> dict[str, str]:
    return {path.name: path.read_text() for path in shell.versions.glob("*.py")}
