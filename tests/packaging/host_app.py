"""A host that has nothing but the installed wheel; run by ``tools/wheel_check.py``."""

from __future__ import annotations

import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_billing import BillableResource, BilledProject, Billing


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
billing = Billing(db)


class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)


class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


@billing.project_loader
def load_project(project_id: str) -> Project | None:
    return db.session.get(Project, int(project_id))


@billing.can_manage
def can_manage(project: Project) -> bool:
    return True


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="a secret of the check",
        SQLALCHEMY_DATABASE_URI="sqlite:///host.sqlite",
        STRIPE_SECRET_KEY="sk_test_wheel",
        STRIPE_API_BASE=os.environ.get("STRIPE_API_BASE", "http://127.0.0.1:9"),
    )
    db.init_app(app)
    Migrate(app, db)
    billing.init_app(app)
    return app
