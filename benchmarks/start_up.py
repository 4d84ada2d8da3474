"""How much longer a host takes to start with billing: imports, and making the app.

A process starts once, and what is done for the first time is slower than what is done again. So
each start is one of a fresh process, which times itself.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.harness import Topic

__all__ = ["topic"]

IMPORT = "start-up: import flask_billing / import what it needs of Flask"
APP = "start-up: app, models and init_app with / without billing"
WHOLE = "start-up: both together with / without billing"

# An app with one tenant and one resource, which is what a host has in any case.
_START = """
from time import perf_counter

began = perf_counter()
import flask, flask_migrate, flask_sqlalchemy, flask_wtf
{imports}
imported = perf_counter()
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column

class Base(DeclarativeBase):
    pass

db = flask_sqlalchemy.SQLAlchemy(model_class=Base)
{extension}

class Project({project} db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

class Server({server} db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))

app = flask.Flask("host")
app.config.update(
    SECRET_KEY="a secret of the benchmarks",
    STRIPE_SECRET_KEY="sk_test_benchmarks",
    SQLALCHEMY_DATABASE_URI="sqlite://",
)
db.init_app(app)
flask_migrate.Migrate(app, db)
{init_app}
configure_mappers()
print(imported - began, perf_counter() - imported)
"""

WITHOUT = _START.format(imports="", extension="", project="", server="", init_app="")
WITH = _START.format(
    imports="import flask_billing",
    extension="billing = flask_billing.Billing(db)",
    project="flask_billing.BilledProject,",
    server="flask_billing.BillableResource,",
    init_app="billing.init_app(app)",
)


ROUNDS = 15


def _measure() -> dict[str, float]:
    starts: dict[str, list[tuple[float, float]]] = {WITH: [], WITHOUT: []}
    for _ in range(ROUNDS):
        for script, seconds in starts.items():
            seconds.append(_start(script))
    importing = _ratio([with_[0] for with_ in starts[WITH]], [out[0] for out in starts[WITHOUT]])
    making = _ratio([with_[1] for with_ in starts[WITH]], [out[1] for out in starts[WITHOUT]])
    whole = _ratio([sum(with_) for with_ in starts[WITH]], [sum(out) for out in starts[WITHOUT]])
    return {IMPORT: importing, APP: making, WHOLE: whole}


def _start(script: str) -> tuple[float, float]:
    """Run `script` in a process of its own; return the seconds of its imports and of the rest."""
    done = subprocess.run(  # noqa: S603 - a script of this very module
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    importing, making = done.stdout.split()
    return float(importing), float(making)


def _ratio(with_billing: list[float], without: list[float]) -> float:
    return median(with_billing) / median(without)


topic = Topic("start-up", {IMPORT: 1.3, APP: None, WHOLE: 1.5}, _measure)
