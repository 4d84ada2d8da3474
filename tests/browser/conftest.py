"""Harbour beside a local Stripe, and a browser that complains of whatever is wrong with a page."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from flask_billing.sandbox import Sandbox
from tests.browser.person import Person
from tests.example_app.serving import serve
from tests.example_app.visitor import Visitor, enroll, new_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
# The console does not name what was blocked; the event does.
TELL_VIOLATIONS = """
    document.addEventListener("securitypolicyviolation", event =>
        console.error(`${event.effectiveDirective} forbids ${event.blockedURI}`));
"""

numbers = count(1)


@dataclass(frozen=True)
class Harbour:
    """Where Harbour is, and where it keeps everything."""

    url: str
    database: Path

    def write(self, statement: str, *parameters: object) -> None:
        """Bring about what cannot be brought about on any page."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, parameters)


@pytest.fixture(scope="session")
def _stripe() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_stripe: Sandbox) -> Sandbox:
    """The local Stripe of Harbour; it knows nothing yet, and nothing goes wrong in it."""
    _stripe.reset()
    return _stripe


@pytest.fixture(scope="session")
def harbour(tmp_path_factory: pytest.TempPathFactory, _stripe: Sandbox) -> Iterator[Harbour]:
    """A Harbour on SQLite; whatever goes wrong inside it fails the run."""
    folder = tmp_path_factory.mktemp("harbour")
    database = folder / "harbour.sqlite3"
    with serve(f"sqlite:///{database}", _stripe.url, folder / "log") as url:
        yield Harbour(url, database)
    assert "Traceback" not in (folder / "log").read_text()


@pytest.fixture
def harbour_without_stripe(tmp_path: Path) -> Iterator[str]:
    """The address of a Harbour whose billing is off."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GUNICORN_CMD_ARGS", "--env STRIPE_SECRET_KEY=")
        database = f"sqlite:///{tmp_path / 'harbour.sqlite3'}"
        with serve(database, "http://127.0.0.1:1", tmp_path / "log") as url:
            yield url


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--no-first-run", *QUIET]
        )
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, *, scripts: bool = True) -> Iterator[Page]:
    """Open a page; complaints of the browser about anything that it shows are errors."""
    context = browser.new_context(java_script_enabled=scripts, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    context.add_init_script(TELL_VIOLATIONS)
    page = context.new_page()
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # The status of the page itself is a matter of each test; those of its parts come below.
        if not message.text.startswith("Failed to load resource: the server responded with"):
            complaints.append(f"{page.url}: {message.text}")

    def look(response: Response) -> None:
        if response.request.resource_type != "document" and response.status >= 400:
            complaints.append(f"{page.url}: {response.status} for {response.url}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on("response", look)
    yield page
    context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of the browser."""
    with watched(browser) as page:
        yield page


@pytest.fixture
def page_without_scripts(browser: Browser) -> Iterator[Page]:
    """A page of a browser with JavaScript switched off."""
    with watched(browser, scripts=False) as page:
        yield page


@pytest.fixture
def person(page: Page, harbour: Harbour, sandbox: Sandbox) -> Person:
    """Somebody with a new account and a project, signed in."""
    visitor = Visitor(harbour.url, "2001:db8::1")
    enroll(visitor, f"person-{next(numbers)}@example.com")
    project = new_project(visitor, "Analytical Engine")
    visitor.get(project)
    cookies = visitor.session.cookies.items()
    page.context.add_cookies(
        [{"name": name, "value": value or "", "url": harbour.url} for name, value in cookies]
    )
    visitor.session.close()
    return Person(page, harbour.url, visitor.email, project)
