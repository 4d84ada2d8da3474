"""Looks at a page in both themes, on a phone and on a wide screen, and finds what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWS = [("light", 1280), ("dark", 360), ("light", 360), ("dark", 1280)]
LEVELS = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def inspect(page: Page, name: str) -> None:
    """Fail on whatever axe finds and on what has to be scrolled sideways.

    :param name: What screenshots are named by, where `FLASK_BILLING_SCREENSHOTS` names a folder.
    """
    for theme, width in VIEWS:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        _take_screenshot(page, f"{name}-{theme}-{width}")
        found = Axe().run(page, options={"runOnly": LEVELS}).response
        assert described(found["violations"]) == [], f"{page.url}, {theme}, {width} px"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def described(rules: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Each broken rule with the elements that break it."""
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in rules]


def _take_screenshot(page: Page, name: str) -> None:
    folder = os.environ.get("FLASK_BILLING_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
