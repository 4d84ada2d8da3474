"""What every test can ask for, and an honest word at the end about what did not run."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, MetaData, event

from tests.databases import DatabaseServer, MariaDB, PostgreSQL, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_billing.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent
CI = os.environ.get("CI") == "true"

for name in list(os.environ):
    if name.startswith(("BILLING_", "FLASK_APP", "FLASK_DEBUG", "STRIPE_")):
        del os.environ[name]


def pytest_report_header() -> str:
    releases = ", ".join(f"{name} {version(name)}" for name in ("sqlalchemy", "flask", "stripe"))
    return f"with: {releases}"


# What could not run is skipped with the reason. It is said once more at the very end, so that a
# green run cannot be mistaken for a whole one; in CI it makes the run fail.


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        skipped[reason] = skipped.get(reason, 0) + 1
    if skipped:
        terminalreporter.section("NOT EVERYTHING WAS TESTED", sep="!", red=True, bold=True)
        for reason, count in skipped.items():
            terminalreporter.write_line(f"NOT RUN: {count} x {reason}", red=True, bold=True)
        if CI:
            terminalreporter.write_line("CI leaves nothing out: this run failed.", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if CI and terminal is not None and terminal.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Take the place of pytest-flask's fixture, which keeps one app context open for a whole test.

    Under it every request of a test shares one database session, and a forgotten commit passes.
    """


@pytest.fixture(autouse=True, scope="session")
def _no_telemetry() -> None:
    import stripe

    stripe.enable_telemetry = False


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_turns() -> Iterator[None]:
    """The sandbox takes any number of calls a second; nobody has to pause between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flask_billing.gateways.stripe.pacing._AT_ONCE", 86_400)
        patch.setattr("flask_billing.gateways.stripe.pacing._FIRST_PAUSE", 0)
        yield


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Undo what a program that runs inside a test does to the process's logging, as Celery does."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


# Idle connections are closed after each test; left to the garbage collector they would warn in a
# later one. This is no fixture, because those of the test's app have to end first.

_engines: set[Engine] = set()


@event.listens_for(Engine, "connect")
def _let_the_disk_be(connection: object, _: object) -> None:
    """Have SQLite not wait for the disk: no test pulls the plug, and tables are made often."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@event.listens_for(Engine, "engine_connect")
def _remember_engine(connection: Connection) -> None:
    _engines.add(connection.engine)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    yield
    while _engines:
        _engines.pop().dispose()


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    yield server
    server.drop()


@pytest.fixture(scope="session")
def _mariadb() -> Iterator[MariaDB]:
    server = MariaDB()
    yield server
    server.drop()


def _fresh(server: DatabaseServer, kept: MetaData | None) -> str:
    try:
        return server.fresh_database(kept)
    except UnreachableError as unreachable:
        pytest.skip(str(unreachable))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an empty SQLite database in a file of this test."""
    return f"sqlite:///{tmp_path / 'test.sqlite'}"


@pytest.fixture
def kept_tables() -> MetaData | None:
    """The tables that a test finds in its database, without rows; overridden where it makes them.

    Making them takes longer than many a test. On SQLite it does not.
    """
    return None


@pytest.fixture
def postgresql_url(_postgresql: PostgreSQL, kept_tables: MetaData | None) -> str:
    """The URL of an empty PostgreSQL database."""
    return _fresh(_postgresql, kept_tables)


@pytest.fixture
def mariadb_url(_mariadb: MariaDB, kept_tables: MetaData | None) -> str:
    """The URL of an empty MariaDB database."""
    return _fresh(_mariadb, kept_tables)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.database)
        for name in ("sqlite", "postgresql", "mariadb")
    ]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; a test that asks for it runs once on each of the three."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    from flask_billing.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def stripe_sandbox(_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A local Stripe that knows nothing yet, and sends webhooks when it is told to only."""
    _sandbox.reset()
    yield _sandbox
    _sandbox.webhooks.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("Browser tests (there is no chromium; run `make services`)")


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[[str], str]:
    """Runs a script in a process of its own, with warnings as errors, and gives what it prints.

    For what needs a fresh process: another registry, another kind of host. A script that fails
    fails the test with what it wrote to standard error.
    """

    def run(script: str) -> str:
        path = tmp_path / "script.py"
        path.write_text(dedent(script))
        done = subprocess.run(
            [sys.executable, "-W", "error", path],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"The script ended with {done.returncode}:\n{done.stderr}", pytrace=False)
        return done.stdout

    return run
