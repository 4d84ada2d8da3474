"""Runs the examples of one page in their order, in an empty folder, beside a local Stripe.

A page without an app of its own uses the app of the five-minute start: its names, and a saved
project that has no payment method yet. Where the page has a file of rates, that app has it too.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.datastructures import ImmutableDict

from flask_billing.sandbox import Sandbox

#: Flask-Migrate's own env.py asks Flask-SQLAlchemy in an old way first.
WARNINGS = "error,ignore:'get_engine' is deprecated:DeprecationWarning"


def main() -> None:
    """Run the steps that standard input gives."""
    steps = json.load(sys.stdin)
    sys.path.insert(0, str(Path.cwd()))
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        os.environ |= {"STRIPE_SECRET_KEY": sandbox.secret_key, "STRIPE_API_BASE": sandbox.url}
        names: dict[str, Any] = {"__name__": "page", "sandbox": sandbox}
        if Path("app.py").exists() and any(_is_code(step) for step in steps):
            _use_rates(steps)
            names |= _use_app(stack)
        for step in steps:
            _run(step, names)


def _is_code(step: dict[str, Any]) -> bool:
    return step["language"] == "python" and not step["mark"]


def _use_rates(steps: list[dict[str, Any]]) -> None:
    rates = next((step for step in steps if step["mark"] == "file: rates.toml"), None)
    if rates is not None:
        _run(rates, {})
        Flask.default_config = ImmutableDict(Flask.default_config | {"BILLING_RATES": "rates.toml"})


def _use_app(stack: ExitStack) -> dict[str, Any]:
    from app import Project, Server, billing, create_app, db

    app = create_app()
    stack.callback(app.extensions["billing"].threads.shutdown)
    stack.enter_context(app.app_context())
    stack.callback(db.engine.dispose)
    stack.callback(db.session.remove)
    db.create_all()
    project = Project(name="Orchard")
    db.session.add(project)
    db.session.commit()
    return {
        "app": app,
        "billing": billing,
        "db": db,
        "project": project,
        "Project": Project,
        "Server": Server,
    }


def _run(step: dict[str, Any], names: dict[str, Any]) -> None:
    if step["mark"].startswith("file: "):
        path = Path(step["mark"].removeprefix("file: "))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step["text"], encoding="utf-8")
    elif _is_code(step):
        # Blank lines in front make the lines of a traceback the page's own.
        source = "\n" * (step["line"] - 1) + step["text"]
        exec(compile(source, step["page"], "exec", dont_inherit=True), names)
        if "db" in names:
            # An example may have brought a model of its own.
            names["db"].create_all()
    else:
        for line in step["text"].splitlines():
            if line.startswith("$ "):
                _command(shlex.split(line.removeprefix("$ "), comments=True))


def _command(words: list[str]) -> None:
    environment = os.environ | {"PYTHONWARNINGS": WARNINGS}
    done = subprocess.run(
        [sys.executable, "-m", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
