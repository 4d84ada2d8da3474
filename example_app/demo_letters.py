"""The letters of the demo: nobody is sent any, so they are kept in a file, where people read them.

Nothing of it is there in an app that people use: `DEMO_LETTERS` is not set, and it sends mail.
"""

from collections.abc import Sequence
from pathlib import Path

from flask import Flask

from example_app.extensions import billing
from example_app.models import now
from flask_billing import Letter

_RULE = "-" * 72


class LetterFile:
    """Writes letters at the end of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def send(self, letters: Sequence[Letter]) -> int:
        """Take all letters."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write("".join(map(_written, letters)))
        return len(letters)


def init_app(app: Flask) -> None:
    """Have the letters written, where this is a demo."""
    kept = app.config.get("DEMO_LETTERS")
    if kept:
        billing.notifier = LetterFile(Path(kept))


def _written(letter: Letter) -> str:
    head = f"Date: {now():%Y-%m-%d %H:%M} UTC\nTo: {letter.email}\nSubject: {letter.subject}"
    return f"{head}\n\n{letter.text.rstrip()}\n\n{_RULE}\n\n"
