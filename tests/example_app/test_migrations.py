"""Harbour's own history, with the billing revisions inside it, on each database."""

from __future__ import annotations

import os
import subprocess
import sys


def test_history_goes_up_and_down_and_describes_the_models(database_url: str) -> None:
    done = [
        flask(database_url, "db", *arguments)
        for arguments in (["upgrade"], ["check"], ["downgrade", "base"], ["upgrade"], ["check"])
    ]

    assert [process.returncode for process in done] == [0] * 5, done[-1].stderr


def test_every_billing_revision_is_in_the_history(sqlite_url: str) -> None:
    done = flask(sqlite_url, "billing", "install-migrations", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Nothing to copy")


def flask(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "example_app.wsgi", *arguments],
        env=os.environ | {"DATABASE_URL": database, "SECRET_KEY": "a secret of the tests"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
