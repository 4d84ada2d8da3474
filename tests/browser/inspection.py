"""Looks at a page in both themes, on a phone and on a wide screen, and finds what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Axe().axe_script
EVERYTHING = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["cat.color"]
VIEWS = [
    ("light", 1280, EVERYTHING),
    ("dark", 360, EVERYTHING),
    ("light", 360, COLOURS),
    ("dark", 1280, COLOURS),
]


def inspect(page: Page, name: str) -> None:
    """Fail on whatever axe finds and on what has to be scrolled sideways.

    :param name: What screenshots are named by, where `FLASK_BILLING_SCREENSHOTS` names a folder.
    """
    for theme, width, rules in VIEWS:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        _take_screenshot(page, f"{name}-{theme}-{width}")
        found = _broken_rules(page, rules)
        assert found == [], f"{page.url}, {theme}, {width} px"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def _broken_rules(page: Page, tags: list[str]) -> list[tuple[str, list[str]]]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # The many elements that are as they should be take longer to hand over than to look at.
    options = {"runOnly": tags, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options)", options)
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


def _take_screenshot(page: Page, name: str) -> None:
    folder = os.environ.get("FLASK_BILLING_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
