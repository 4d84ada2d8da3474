"""Looks at a page in both themes, on a phone and on a wide screen, and finds what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Axe().axe_script
LEVELS = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Colours differ between the themes and places between the widths: two views show all there is.
FOR_AXE = [("light", 1280), ("dark", 360)]
VIEWS = [*FOR_AXE, ("light", 360), ("dark", 1280)]


def inspect(page: Page, name: str) -> None:
    """Fail on whatever axe finds and on what has to be scrolled sideways.

    :param name: What screenshots are named by, where `FLASK_BILLING_SCREENSHOTS` names a folder.
    """
    for theme, width in VIEWS:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        _take_screenshot(page, f"{name}-{theme}-{width}")
        too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not too_wide, f"{page.url} scrolls sideways at {width} px"
        if (theme, width) in FOR_AXE:
            broken = _broken_rules(page)
            assert not broken, f"{page.url}, {theme}, {width} px: {broken}"


def _broken_rules(page: Page) -> list[tuple[str, list[str]]]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # The many elements that are as they should be take longer to hand over than to look at.
    options = {"runOnly": LEVELS, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options)", options)
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


def _take_screenshot(page: Page, name: str) -> None:
    folder = os.environ.get("FLASK_BILLING_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
