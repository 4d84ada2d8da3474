"""The eyes of these tests: they notice what they are there to notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import watched
from tests.browser.inspection import inspect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser.conftest import Harbour

pytestmark = pytest.mark.browser

FAULTS = {
    "html-has-lang": "document.documentElement.removeAttribute('lang')",
    "label": "document.querySelectorAll('label').forEach(label => label.remove())",
    "page-has-heading-one": "document.querySelector('h1').remove()",
    "scrolls sideways": "document.querySelector('h1').style.width = '2000px'",
}


@pytest.fixture(autouse=True)
def _no_screenshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLASK_BILLING_SCREENSHOTS", raising=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_page_is_found(page: Page, harbour: Harbour, fault: str) -> None:
    page.goto(f"{harbour.url}/sign-in")
    page.evaluate(FAULTS[fault])

    with pytest.raises(AssertionError, match=fault):
        inspect(page, "fault")


@pytest.mark.parametrize(
    ("forbidden", "complaint"),
    [
        ("document.body.setAttribute('style', 'color: red')", "style-src"),
        ("document.body.append(new Image()); document.images[0].src = '/none.png'", "404 for"),
        ("setTimeout(() => console.warn('beware'))", "beware"),
    ],
)
def test_complaint_of_the_browser_is_heard(
    browser: Browser, harbour: Harbour, forbidden: str, complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        provoke(browser, f"{harbour.url}/sign-in", forbidden)


def provoke(browser: Browser, address: str, forbidden: str) -> None:
    with watched(browser) as page:
        page.goto(address)
        with page.expect_event("console"):
            page.evaluate(forbidden)
