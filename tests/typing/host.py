"""A host as a type checker sees it; `make lint` checks this file, and nothing runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_type
from uuid import UUID

from flask import Blueprint, Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.exceptions import Forbidden

from flask_billing import (
    BillableResource,
    BilledProject,
    Billing,
    BillingInfo,
    PaymentMethod,
    PaymentMethodRequired,
    payment_method_added,
)


class Base(DeclarativeBase):
    """The host's own base."""


db = SQLAlchemy(model_class=Base)
billing = Billing(db)


class Project(BilledProject, Base):
    """The tenant."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    servers: Mapped[list[Server]] = relationship(back_populates="project")


class Server(BillableResource, Base):
    """What costs money."""

    __tablename__ = "server"

    billing_name = "web server"
    billing_free = False
    billing_free_quantity = 1

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship(back_populates="servers")


class Receipt(Base):
    """A model of the host that refers to ours."""

    __tablename__ = "receipt"

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_method_id: Mapped[UUID] = mapped_column(ForeignKey("payment_method.id"))
    payment_method: Mapped[PaymentMethod] = relationship()


@billing.project_loader
def load_project(project_id: str) -> Project | None:
    """Find a project for whoever asks."""
    if project_id == "secret":
        raise Forbidden
    return db.session.get(Project, int(project_id))


@billing.can_manage
def can_manage(project: Project) -> bool:
    """Say who may change billing."""
    return project.name != ""


@billing.staff_required
def is_staff() -> bool:
    """Say who is staff."""
    return False


@billing.actor
def who_asks() -> int | None:
    """Say who it is."""
    return 42


@billing.guard_rule
def allow_small_projects(project: Project, model: type | None, count: int) -> bool | None:
    """Let small projects try a few servers."""
    return True if model is Server and count < 3 and not project.servers else None


shop = Blueprint("shop", __name__)
billing.payment_method_required(shop)


@shop.get("/projects/<int:project_id>/servers/new")
@billing.payment_method_required
def new_server(project_id: int) -> str:
    """Show a form."""
    return f"a form for project {project_id}"


@shop.get("/projects/<int:project_id>/databases/new")
@billing.payment_method_required(model=Server)
def new_database(project_id: int) -> str:
    """Show another form."""
    return f"another form for project {project_id}"


def create_app() -> Flask:
    """Make the host."""
    app = Flask(__name__)
    db.init_app(app)
    billing.init_app(app)
    app.register_blueprint(shop)
    return app


@payment_method_added.connect
def welcome(sender: Flask, billing_info: BillingInfo, payment_method: PaymentMethod) -> None:
    """Do something once a payment method was saved."""
    assert_type(payment_method.billing_info, BillingInfo)


def predicates(project: Project, other: Project) -> None:
    """Use what a project has got from us."""
    assert_type(project.billing_info_id, UUID | None)
    assert_type(project.billing_info, BillingInfo | None)
    assert_type(project.can_create_resources, bool)
    assert_type(project.has_payment_method, bool)
    assert_type(project.payment_methods, list[PaymentMethod])
    assert_type(project.billable, bool)
    assert_type(project.share_billing_info_with(other), None)
    project.billable = False


def queries() -> None:
    """Use the query twins of the predicates, and our models beside the host's."""
    payable = select(Project).where(Project.has_payment_method)
    usable = select(PaymentMethod).where(PaymentMethod.is_usable).join(PaymentMethod.billing_info)
    free = select(Project.name).where(Project.billing_info_id.is_(None))
    assert_type(db.session.scalars(payable).all(), Sequence[Project])
    assert_type(db.session.scalars(usable).first(), PaymentMethod | None)
    assert_type(db.session.scalars(free).first(), str | None)


def rows() -> list[Base]:
    """Build rows by hand, as a host's tests do."""
    info = BillingInfo(stripe_id="cus_1")
    method = PaymentMethod(stripe_id="pm_1", billing_info=info)
    assert_type(info.payment_methods, list[PaymentMethod])
    assert_type(method.position, int | None)
    return [Project(name="p", billing_info=info), Receipt(payment_method=method)]


def refusal(error: PaymentMethodRequired) -> tuple[str | None, str | None, int]:
    """Answer the guard in the host's own way."""
    return error.project_key, error.resource, error.status


def views_stay_what_they_are() -> None:
    """Decorators give back what they were given."""
    assert_type(load_project("1"), Project | None)
    assert_type(new_server(1), str)
    assert_type(new_database(1), str)
