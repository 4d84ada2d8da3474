"""The environment in which revisions are written sees the models and writes lasting files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from flask_billing.cli.history import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALEMBIC = """
import subprocess
import sys

alembic = [sys.executable, "-W", "error", "-m", "alembic", "-c", {ini!r}, "-x", "database={url}"]
for command in {commands!r}:
    subprocess.run([*alembic, *command.split()], check=True)
"""


def test_models_and_revisions_do_not_differ(
    run_python: Callable[[str], str], database_url: str
) -> None:
    ini = str(environment() / "alembic.ini")
    commands = ["upgrade head", "check"]

    printed = run_python(ALEMBIC.format(commands=commands, ini=ini, url=database_url))

    assert "No new upgrade operations detected." in printed


def test_new_revision_imports_nothing_of_the_package(
    run_python: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(environment(), folder, ignore=shutil.ignore_patterns("fb*.py", "__pycache__"))
    commands = ["revision --autogenerate --rev-id fb0001_all -m All.", "upgrade head", "check"]

    ini = str(folder / "alembic.ini")
    printed = run_python(ALEMBIC.format(commands=commands, ini=ini, url=database_url))

    assert "No new upgrade operations detected." in printed
    written = (folder / "versions" / "fb0001_all.py").read_text()
    assert "flask_billing" not in written
    assert 'def upgrade(engine_name: str = "") -> None:' in written
