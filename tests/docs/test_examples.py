from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, Example, examples, pages

RUNNABLE = {"python", "console"}
OTHERS = {"bash", "css", "html", "ini", "jinja", "json", "nginx", "sh", "text", "toml"}


def to_run(page: Path) -> list[Example]:
    return [
        example
        for example in examples(page)
        if example.mark.startswith("file: ")
        or (example.language in RUNNABLE and not example.mark.startswith("not run: "))
    ]


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in pages() if to_run(page)]
)
def test_examples_of_a_page_run_in_their_order(page: Path, tmp_path: Path) -> None:
    steps = [asdict(example) | {"page": str(page)} for example in to_run(page)]
    if not any(step["mark"] == "file: app.py" for step in steps):
        app = next(e for e in examples(DOCS / "start.md") if e.mark == "file: app.py")
        (tmp_path / "app.py").write_text(app.text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "tests/docs/run_page.py"],
        input=json.dumps(steps),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in pages()])
def test_every_block_of_code_is_run_or_says_why_not(page: Path) -> None:
    found = examples(page)

    unknown = [e.line for e in found if e.language not in RUNNABLE | OTHERS]
    marked = [e for e in found if e.mark]
    odd_marks = [e.line for e in marked if not e.mark.startswith(("file: ", "not run: "))]

    assert (unknown, odd_marks) == ([], [])
    assert page.read_text(encoding="utf-8").count("\n```") % 2 == 0


def test_readme_and_the_five_minute_start_show_the_same_app() -> None:
    apps = [
        [e.text for e in examples(page) if e.mark == "file: app.py"]
        for page in (ROOT / "README.md", DOCS / "start.md")
    ]

    assert apps[0] == apps[1]
    assert len(apps[0]) == 1
