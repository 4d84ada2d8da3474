"""The pages in a real browser: strict CSP, both themes, phone and wide screen, axe on each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask, Response
from playwright.sync_api import sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.web.conftest import Person, add_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def app(app: Flask) -> Flask:
    @app.after_request
    def strict(response: Response) -> Response:
        processor = app.config["STRIPE_API_BASE"]
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            f"form-action 'self' {processor}; base-uri 'none'; frame-ancestors 'none'"
        )
        return response

    return app


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/projects/1/billing"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--no-first-run", *quiet]
        )
        yield browser
        browser.close()


@pytest.fixture(params=[(theme, width) for theme in ("light", "dark") for width in (360, 1280)])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    theme, width = request.param
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if "Security" in m.text else None)
    yield page
    assert complaints == []
    context.close()


def assert_good(page: Page) -> None:
    """Nothing for axe to find, nothing to scroll sideways, no target too small."""
    found = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = page.eval_on_selector_all(
        ".billing a, .billing button, .billing input:not([type=hidden]), .billing select",
        """all => all.map(each => each.getBoundingClientRect())
            .map(box => Math.min(box.width, box.height))""",
    )
    assert min(sizes, default=24) >= 24


def test_every_page_is_good_in_both_themes_and_all_widths(
    page: Page, address: str, app: Flask, person: Person
) -> None:
    page.goto(f"{address}?next=/servers/new")
    assert_good(page)
    page.goto(f"{address}/details")
    assert_good(page)
    for card in ("4242424242424242", "5555555555554444", "378282246310005"):
        person.save_card(card)
    add_server(app)
    page.goto(address)
    assert_good(page)

    page.get_by_role("link", name="Edit Billing details").click()
    assert_good(page)
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_label("Country").select_option("US")
    page.get_by_role("button", name="Save billing details").click()
    assert page.get_by_role("alert").is_visible()
    assert page.title() == "Error: Edit billing details"
    assert_good(page)
    page.get_by_role("link", name="E-mail: Enter").click()
    assert page.evaluate("document.activeElement.name") == "email"

    page.goto(address)
    page.get_by_role("button", name="Move up Mastercard ending in 4444").click()
    assert_good(page)
    names = page.locator(".billing-method-name").all_inner_texts()
    assert [name.split()[0] for name in names] == ["Mastercard", "Visa", "American"]

    page.get_by_role("link", name="Remove Visa ending in 4242").click()
    assert_good(page)
    page.get_by_role("button", name="Remove payment method").click()
    assert page.get_by_text("Your payment method was removed.").is_visible()


def test_button_reaches_the_page_of_the_processor_under_a_strict_policy(
    page: Page, address: str, person: Person
) -> None:
    page.goto(address)

    page.get_by_role("button", name="Add payment method").click()

    assert page.url.startswith(person.sandbox.url)


def test_button_can_be_read_on_any_accent_of_the_host(
    page: Page, address: str, person: Person
) -> None:
    page.goto(address)

    for accent in ("#ffd54f", "#0f3d2e", "#f5f5f5", "#111111"):
        page.evaluate(
            "accent => document.documentElement.style.setProperty('--billing-accent', accent)",
            accent,
        )
        found = Axe().run(page, options={"runOnly": ["cat.color"]}).response["violations"]
        assert [rule["id"] for rule in found] == []
