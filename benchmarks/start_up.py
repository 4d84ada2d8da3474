"""How much longer a host takes to start with billing: imports, and making the app.

A process starts once, and what is done for the first time is slower than what is done again. So
each start is one of a fresh process, which times itself.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.harness import Topic, interleaved

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


@dataclass
class _Start:
    """A process that starts and says how long that took."""

    script: str
    making: float = 0.0

    def importing(self) -> float:
        """Run it and return the seconds of its imports; those of making the app are kept."""
        done = subprocess.run(  # noqa: S603 - a script of this very module
            [sys.executable, "-c", self.script], capture_output=True, text=True, check=True
        )
        importing, self.making = map(float, done.stdout.split())
        return importing


def _measure() -> dict[str, float]:
    starts = {"with": _Start(WITH), "without": _Start(WITHOUT)}
    contestants: dict[str, Callable[[], float]] = {}
    for name, start in starts.items():
        contestants[f"import {name}"] = start.importing
        contestants[f"app {name}"] = partial(getattr, start, "making")
    medians = interleaved(contestants, rounds=15, warm_up=1)
    importing = medians["import with"], medians["import without"]
    making = medians["app with"], medians["app without"]
    return {
        IMPORT: importing[0] / importing[1],
        APP: making[0] / making[1],
        WHOLE: (importing[0] + making[0]) / (importing[1] + making[1]),
    }


topic = Topic("start-up", {IMPORT: 1.3, APP: None, WHOLE: 1.5}, _measure)
