"""The host app of the benchmarks: each guarded kind has a twin of its shape without a guard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

from flask_billing import BillableResource, BilledProject, Billing, BillingInfo, PaymentMethod
from tests.databases import PostgreSQL

__all__ = [
    "GUARDED",
    "PLAIN",
    "PlainServer",
    "Project",
    "Server",
    "add_paying_project",
    "db",
    "on_postgresql",
]


class _Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=_Base)
billing = Billing(db)

if TYPE_CHECKING:
    # The class that db.Model is at run time is made dynamically, which type checkers can't follow.
    Model = _Base
else:
    Model = db.Model


class Project(BilledProject, Model):
    """The tenant."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class _Shape:
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))

    @declared_attr
    def project_id(cls) -> Mapped[int]:  # noqa: N805 - SQLAlchemy passes the class
        return mapped_column(ForeignKey("project.id"))

    @declared_attr
    def project(cls) -> Mapped[Project]:  # noqa: N805
        return relationship(Project)


class Server(_Shape, BillableResource, Model):
    """A guarded kind."""


class Database(_Shape, BillableResource, Model):
    """A guarded kind."""


class Volume(_Shape, BillableResource, Model):
    """A guarded kind."""


class PlainServer(_Shape, Model):
    """The twin of `Server`."""


class PlainDatabase(_Shape, Model):
    """The twin of `Database`."""


class PlainVolume(_Shape, Model):
    """The twin of `Volume`."""


GUARDED: tuple[type[Any], ...] = (Server, Database, Volume)
PLAIN: tuple[type[Any], ...] = (PlainServer, PlainDatabase, PlainVolume)


@billing.project_loader
def _load_project(project_id: str) -> Project | None:
    return db.session.get(Project, int(project_id))


@billing.can_manage
def _can_manage(project: Project) -> bool:
    return True


@contextmanager
def on_postgresql(**config: Any) -> Iterator[Flask]:
    """Give the host on a PostgreSQL database of its own, within an app context."""
    server = PostgreSQL()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=token_hex(),
        STRIPE_SECRET_KEY=f"sk_test_{token_hex()}",
        SQLALCHEMY_DATABASE_URI=server.fresh_database(),
        WTF_CSRF_ENABLED=False,
    )
    app.config.update(config)
    db.init_app(app)
    billing.init_app(app)
    try:
        with app.app_context():
            db.create_all()
            yield app
            db.session.remove()
            db.engine.dispose()
    finally:
        server.drop()


def add_paying_project(name: str) -> int:
    """Make a project with one payment method and return its key."""
    info = BillingInfo(stripe_id=f"cus_{name}")
    method = PaymentMethod(stripe_id=f"pm_{name}", billing_info=info, position=0)
    project = Project(name=name, billing_info=info)
    db.session.add_all([info, method, project])
    db.session.commit()
    return project.id
