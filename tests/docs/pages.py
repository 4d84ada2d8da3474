"""Reads what the documentation's pages promise: their examples and their tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n\n?)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A block of code on a page.

    :ivar mark: What the comment above it says: ``file: NAME`` or ``not run: REASON``.
    """

    language: str
    text: str
    mark: str
    line: int


def pages() -> list[Path]:
    """Return every page that is written by hand."""
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def examples(page: Path) -> list[Example]:
    """Return the blocks of code on a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Example(
            found["language"],
            found["text"],
            found["mark"] or "",
            text.count("\n", 0, found.start("text")) + 1,
        )
        for found in FENCE.finditer(text)
    ]


def sections(page: str, *, level: int) -> dict[str, str]:
    """Return the text below each heading of a page, by the heading without its backticks."""
    text = (DOCS / page).read_text(encoding="utf-8")
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    return {name.strip("`"): below for name, below in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str) -> list[list[str]]:
    """Return the cells of a text's tables, without the headings."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0].startswith("`")]


def code(cell: str) -> str:
    """Return a cell's text without its backticks."""
    return cell.strip("`")
