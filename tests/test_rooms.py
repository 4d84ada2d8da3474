"""Imports between the rooms of the house point one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import flask_billing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "flask_billing"

PURE = {
    "clock",
    "errors",
    "ids",
    "letters",
    "money",
    "periods",
    "pricing",
    "rates",
    "signals",
    "signing",
}
FOUNDATION = PURE | {"settings"}
LOCAL = FOUNDATION | {"models", "state"}
LOW = LOCAL | {"gateways", "projects"}
DOMAIN = LOW | {"customers", "guard", "payment_methods", "sync"}

# Which rooms each room may import. A new room has to find its place here first.
ARROWS: dict[str, set[str]] = {
    **{pure: set() for pure in PURE},
    "rates": {"periods"},
    "pricing": {"money", "periods"},
    "settings": PURE,
    "models": FOUNDATION,
    "gateways": FOUNDATION,
    "state": FOUNDATION | {"gateways"},
    # The guard answers from the database alone, and so does what it knows of projects.
    "projects": LOCAL,
    "keys": LOCAL | {"projects"},
    "guard": LOCAL | {"projects"},
    "ordering": FOUNDATION | {"models"},
    "transactions": LOCAL | {"keys", "projects"},
    "sync": LOW | {"ordering", "transactions", "waking"},
    "customers": LOW | {"sync", "transactions", "waking"},
    "payment_methods": LOW | {"guard", "notifying", "ordering", "sync", "transactions", "waking"},
    "events": DOMAIN | {"collecting", "refunding", "transactions"},
    "metering": LOCAL | {"guard", "keys", "projects", "transactions"},
    "credits": LOCAL | {"projects", "transactions"},
    "invoicing": LOCAL | {"credits", "keys", "metering", "projects", "transactions"},
    "notifying": LOW | {"transactions"},
    "auditing": LOCAL | {"projects"},
    "heartbeats": LOCAL | {"projects"},
    "waking": LOCAL,
    "collecting": LOW
    | {"credits", "invoicing", "keys", "metering", "notifying", "ordering", "sync", "transactions"}
    | {"waking"},
    "refunding": LOW | {"collecting", "sync", "transactions", "waking"},
    "alerts": LOCAL | {"invoicing", "notifying", "projects", "transactions"},
    "mixins": DOMAIN | {"metering"},
    "web": DOMAIN
    | {"alerts", "auditing", "collecting", "credits", "events", "heartbeats", "invoicing"}
    | {"keys", "metering", "notifying", "refunding"},
    "reconciling": DOMAIN | {"events", "ordering", "transactions"},
    "cli": DOMAIN
    | {
        "alerts",
        "auditing",
        "collecting",
        "credits",
        "events",
        "heartbeats",
        "invoicing",
        "keys",
        "metering",
        "notifying",
        "reconciling",
        "refunding",
    }
    | {"sandbox"},
    "tasks": DOMAIN
    | {"alerts", "collecting", "events", "heartbeats", "invoicing", "notifying", "refunding"},
    "metrics": LOCAL | {"heartbeats", "projects"},
    "sandbox": set(),
}
# These two put the rooms together, and may import all but the local Stripe.
ARROWS["extension"] = set(ARROWS) - {"sandbox"}
ARROWS["__init__"] = ARROWS["extension"] | {"extension"}

FOREIGN: dict[str, set[str]] = {
    "clock": {"flask", "sqlalchemy"},
    "errors": {"flask", "sqlalchemy"},
    "ids": {"flask", "sqlalchemy"},
    "money": {"flask", "sqlalchemy"},
    "periods": {"flask", "sqlalchemy"},
    "models": {"flask", "werkzeug"},
}


def test_every_import_points_the_right_way() -> None:
    wrong = [
        fault for module, path in modules(PACKAGE) for fault in faults(module, path.read_text())
    ]

    assert wrong == []


def test_example_app_uses_the_public_face_alone() -> None:
    public = {f"{PACKAGE}.{name}" for name in flask_billing.__all__}
    # What the reference describes, and the rooms that it names.
    described = set(re.findall(r":: (flask_billing[\w.]+)", (ROOT / "docs/api.md").read_text()))
    public |= described | {name.rpartition(".")[0] for name in described}

    inner = [
        f"{module} imports {name}"
        for module, path in modules("example_app")
        for name in imports(module, path.read_text())
        if room(name) not in {None, "sandbox"} and name not in public
    ]

    assert inner == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("models.ids", "from flask_billing.web import views", "models may not import web"),
        ("models.ids", "from ..web.views import index", "models may not import web"),
        ("models.ids", "from .. import sync", "models may not import sync"),
        ("models.ids", "from flask_billing import sync", "models may not import sync"),
        ("models.ids", "import flask_billing.guard", "models may not import guard"),
        ("models.ids", "from flask import current_app", "models may not import flask"),
        ("sync", "def run():\n    from .extension import Billing", "sync may not import extension"),
        ("sync", "from flask_billing import Billing", "sync may not import __init__"),
        ("sync", "import stripe", "sync may not import stripe"),
        ("gateways.fake", "from stripe import StripeClient", "gateways may not import stripe"),
        ("guard.rows", "from flask_billing import gateways", "guard may not import gateways"),
        ("extension", "from .sandbox import Sandbox", "extension may not import sandbox"),
        ("web.views", "from ..sandbox import Sandbox", "web may not import sandbox"),
        ("sandbox.app", "from flask_billing.ids import uuid7", "sandbox may not import ids"),
        ("sandbox.app", "import stripe", "sandbox may not import stripe"),
        ("attic", "import os", "attic is no known room"),
    ],
)
def test_import_against_the_arrows_is_found(module: str, source: str, fault: str) -> None:
    found = list(faults(f"{PACKAGE}.{module}", source))

    assert found == [f"{PACKAGE}.{module}: {fault}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateways.stripe", "import stripe"),
        ("gateways.stripe.errors", "from stripe import StripeError"),
        ("web.views", "from . import forms\nfrom ..sync import sync_customer"),
        ("cli.sandbox", "from flask_billing.sandbox import Sandbox"),
        ("models.rows", "from ..ids import uuid7\nfrom sqlalchemy import String"),
    ],
)
def test_import_along_the_arrows_passes(module: str, source: str) -> None:
    assert list(faults(f"{PACKAGE}.{module}", source)) == []


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of a package in the tree: its dotted name, with ``__init__``, and its file."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


def faults(module: str, source: str) -> Iterator[str]:
    """What a module imports although its room may not."""
    own = module.split(".")[1]
    if own not in ARROWS:
        yield f"{module}: {own} is no known room"
        return
    for name in imports(module, source):
        other = room(name)
        if other is not None:
            allowed = other in ARROWS[own] | {own}
        else:
            other = name.split(".")[0]
            allowed = other not in FOREIGN.get(own, set()) and (
                other != "stripe" or module.startswith(f"{PACKAGE}.gateways.stripe")
            )
        if not allowed:
            yield f"{module}: {own} may not import {other}"


def room(name: str) -> str | None:
    """The room that an imported name lives in; what the package gives itself is ``__init__``'s."""
    package, _, inside = name.partition(".")
    if package != PACKAGE:
        return None
    first = inside.split(".")[0]
    return first if first in ARROWS else "__init__"


def imports(module: str, source: str) -> Iterator[str]:
    """The full dotted name of everything that is imported anywhere in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(module, node)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """The dotted name of the module that an import is from."""
    parents = module.split(".")[: -node.level] if node.level else []
    return ".".join([*parents, *([node.module] if node.module else [])])
