"""The host app of the tests: one process can bill one SQLAlchemy object, so they share this one."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.exceptions import Forbidden

from flask_billing import BillableResource, BilledProject, Billing


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
billing = Billing(db)


class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    servers: Mapped[list[Server]] = relationship(back_populates="project")


class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), default="web-1")
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship(back_populates="servers")


class Database(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


class Zone(BillableResource, db.Model):
    """A free kind."""

    billing_free = True

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


class Seat(BillableResource, db.Model):
    """The first two of each project are free."""

    billing_free_quantity = 2

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


class Machine(BillableResource, db.Model):
    """A metered kind: it uses a slot for itself, and one for its disk where it has any."""

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    size: Mapped[str] = mapped_column(String(20), default="small")
    disk: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(20), default="on")
    project: Mapped[Project] = relationship()

    def billing_rates(self) -> dict[str, tuple[str, int]]:
        """What it uses; nothing while it is off."""
        if self.state == "off":
            return {}
        slots = {"compute": (f"machine.{self.size}", 1)}
        return slots | ({"disk": ("disk.gb", self.disk)} if self.disk else {})


@billing.project_loader
def load_project(project_id: str) -> Project | None:
    """Every project by its id; the one called "forbidden" is nobody's to see."""
    if project_id == "forbidden":
        raise Forbidden
    return db.session.get(Project, int(project_id)) if project_id.isdecimal() else None


@billing.can_manage
def can_manage(project: Project) -> bool:
    """As the app's setting HOST_CAN_MANAGE says."""
    return bool(current_app.config["HOST_CAN_MANAGE"])


def create_app(url: str, **config: Any) -> Flask:
    """A host on the database at ``url``, without tables and without CSRF; settings can be given."""
    app = Flask(__name__)
    app.config.update(
        HOST_CAN_MANAGE=True,
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI=url,
        TESTING=True,
        WTF_CSRF_ENABLED=False,
    )
    app.config.update(config)
    db.init_app(app)
    billing.init_app(app)
    return app
