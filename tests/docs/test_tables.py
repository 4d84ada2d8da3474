"""The tables of the documentation say what the code says, no more and no less."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from typing import Any

import click
from flask import Flask
from sqlalchemy import inspect

import flask_billing
from flask_billing import Billing, Settings, signals
from flask_billing.cli import group
from flask_billing.models import MODELS
from flask_billing.sandbox.control import control
from flask_billing.sandbox.engine.faults import WAYS
from flask_billing.sandbox.webhooks.disturbances import WAYS as DISTURBANCES
from flask_billing.state import Hooks
from flask_billing.web import rendering
from tests.docs.pages import DOCS, code, rows, sections
from tests.host import db

TEMPLATES = Path(rendering.__file__).parent / "templates" / "billing"


class Recorder(dict[str, Any]):
    """A configuration that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def test_every_column_of_every_table_is_described() -> None:
    assert db.metadata.tables  # the models are mapped
    described = {
        name: [code(row[0]) for row in rows(text)]
        for name, text in sections("data.md", level=2).items()
        if rows(text)
    }

    columns = {
        model.__tablename__: [column.name for column in inspect(model).local_table.columns]
        for model in MODELS
    }

    assert described == columns


def test_every_column_says_what_it_means_and_why_it_is_no_personal_data() -> None:
    described = [row for text in sections("data.md", level=2).values() for row in rows(text)]

    assert all(len(row) == 3 and all(row) for row in described)


def test_every_setting_is_described_with_its_default() -> None:
    config = Recorder()
    defaults = Settings.from_config(config)
    described = {
        code(row[0]): row[1] for row in rows((DOCS / "settings.md").read_text(encoding="utf-8"))
    }

    assert described.keys() == config.asked
    for key, default in described.items():
        value = None if default == "none" else literal_eval(code(default))
        assert Settings.from_config({key: value}) == defaults, key


def test_every_hook_is_described() -> None:
    described = {code(row[0]) for row in rows((DOCS / "hooks.md").read_text(encoding="utf-8"))}

    hooks = {name if hasattr(Billing, name) else name.removesuffix("s") for name in vars(Hooks())}
    assert described == hooks - {"event_handler"} | {"on"}


def test_every_signal_is_described() -> None:
    table = rows((DOCS / "signals.md").read_text(encoding="utf-8"))

    assert {code(row[0]) for row in table} == set(signals.__all__)


def test_every_command_and_its_options_are_described() -> None:
    described = sections("command-line.md", level=2)

    assert described.keys() == group.commands.keys()
    for name, command in group.commands.items():
        text, within = described[name], commands(command, name)
        options = {option for each in within.values() for option in options_of(each)}
        # By itself, or behind the words of the one command that it belongs to.
        described_options = set(re.findall(r"`(?:[a-z]+ )?(--?[a-z-]+)`", text))
        assert options - described_options == set(), name
        assert set(re.findall(r"`(--[a-z-]+)`", text)) <= options, name


def test_every_command_of_a_group_is_described() -> None:
    described = sections("command-line.md", level=2)
    groups = {n: c for n, c in group.commands.items() if isinstance(c, click.Group)}

    assert groups
    for name, command in groups.items():
        text, members = described[name], commands(command, name).keys() - {name}
        assert {words for words in members if not re.search(rf"{words}[ `]", text)} == set()
        listed = {code(row[0]).split(" ID")[0] for row in rows(text)}
        assert {words for words in listed if words.startswith(f"{name} ")} <= members


def commands(command: click.Command, name: str) -> dict[str, click.Command]:
    """Return a command and those that it groups, by their words."""
    found = {name: command}
    if isinstance(command, click.Group):
        for word, member in command.commands.items():
            found |= commands(member, f"{name} {word}")
    return found


def options_of(command: click.Command) -> list[str]:
    """Return the options of a command as they are typed."""
    given = [param for param in command.params if isinstance(param, click.Option)]
    return [spelling for option in given for spelling in [*option.opts, *option.secondary_opts]]


def test_every_fault_of_the_sandbox_is_described() -> None:
    table = rows(sections("sandbox.md", level=2)["Trouble on demand"])

    assert [code(row[0]) for row in table] == list(WAYS)


def test_every_disturbance_of_the_sandbox_is_described() -> None:
    table = rows(sections("sandbox.md", level=3)["Trouble with webhooks"].split("\n## ")[0])

    assert [code(row[0]) for row in table] == list(DISTURBANCES)


def test_every_control_of_the_sandbox_is_described() -> None:
    table = rows(sections("sandbox.md", level=2)["From another process"])
    described = {re.sub("<.*?>", "<>", code(row[0])) for row in table}

    app = Flask("controls")
    app.register_blueprint(control)
    controls = {
        f"{method} {re.sub('<.*?>', '<>', rule.rule)}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/_sandbox/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert described == controls


def test_every_block_of_every_page_is_described() -> None:
    table = rows((DOCS / "templates.md").read_text(encoding="utf-8"))
    described = {code(row[0]): set(re.findall(r"`(\w+)`", row[1])) for row in table}

    blocks = {}
    for page in (*TEMPLATES.glob("[a-z]*.html"), *TEMPLATES.glob("staff/[a-z]*.html")):
        own = page.with_name(f"_{page.name}")
        text = (own if own.exists() else page).read_text(encoding="utf-8")
        name = page.relative_to(TEMPLATES.parent).as_posix()
        blocks[name] = set(re.findall(r"{% block (billing_\w+)", text))
    shared = {"billing_title", "billing_content"}

    assert described == {name: own - shared for name, own in blocks.items()}


def test_every_custom_property_is_described() -> None:
    sheet = (TEMPLATES.parents[1] / "static" / "billing.css").read_text(encoding="utf-8")
    text = (DOCS / "templates.md").read_text(encoding="utf-8")

    properties = set(re.findall(r"^  (--billing-[a-z-]+):", sheet, flags=re.MULTILINE))

    assert {name for name in properties if f"`{name}`" not in text} == set()


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")

    missing = [name for name in flask_billing.__all__ if not re.search(rf"\b{name}\b", text)]

    assert missing == []


def test_every_page_is_in_the_table_of_contents() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = {line for line in text.splitlines() if re.fullmatch(r"[a-z-]+", line)}

    assert listed == {page.stem for page in DOCS.glob("*.md")} - {"index"}
