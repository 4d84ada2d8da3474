"""Models that inherit from one another share tables, and each is judged as what it is."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

#: Models that only some hosts have; a registry cannot forget them, so each test gets a process.
HOST = """
from contextlib import contextmanager

from sqlalchemy import ForeignKey, String, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from flask_billing import BillableResource, BillingInfo, PaymentMethod, PaymentMethodRequired
from flask_billing import payment_methods
from tests.host import Project, Server, create_app, db


class Thing(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}


class Gpu(BillableResource, Thing):
    __mapper_args__ = {"polymorphic_identity": "gpu"}


class Note(Thing):
    __mapper_args__ = {"polymorphic_identity": "note"}


class Vehicle(BillableResource, db.Model):
    billing_free_quantity = 1
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}


class BigVehicle(Vehicle):
    billing_free_quantity = 0
    __mapper_args__ = {"polymorphic_identity": "big"}


class FreeVehicle(Vehicle):
    billing_free = True
    __mapper_args__ = {"polymorphic_identity": "free"}


app = create_app("sqlite://", STRIPE_SECRET_KEY="sk_test_inheritance")
app.app_context().push()
db.create_all()
info = BillingInfo(stripe_id="cus_1")
method = PaymentMethod(stripe_id="pm_1", billing_info=info)
paying, poor = Project(name="paying", billing_info=info), Project(name="poor")
db.session.add_all([info, method, paying, poor])
db.session.commit()
S, PAYING, POOR = db.session, paying.id, poor.id


def create(*rows):
    S.add_all(rows)
    S.commit()


@contextmanager
def refused():
    try:
        yield
    except PaymentMethodRequired:
        S.rollback()
    else:
        raise AssertionError("was not refused")


def count(model):
    return len(S.scalars(select(model)).all())
"""


@pytest.fixture
def on_the_host(run_python: Callable[[str], str]) -> Callable[[str], str]:
    """Runs a test's script after the host's."""
    return lambda script: run_python(HOST + dedent(script) + '\nprint("done")')


def test_unmarked_models_of_a_hierarchy_are_left_alone(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        create(Note(project_id=POOR), Thing(project_id=POOR))
        S.execute(insert(Note), [{"project_id": POOR}])
        S.commit()
        assert count(Thing) == 3
        """
    )

    assert done == "done\n"


def test_marked_model_of_a_hierarchy_is_guarded(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        with refused():
            create(Gpu(project_id=POOR))
        with refused():
            create(Note(project_id=POOR), Gpu(project_id=POOR))
        with refused():
            S.execute(insert(Gpu), [{"project_id": POOR}])
        with refused():
            S.execute(insert(Thing.__table__).values(kind="gpu", project_id=POOR))
        create(Gpu(project_id=PAYING), Note(project_id=POOR))
        assert (count(Gpu), count(Note)) == (1, 1)
        """
    )

    assert done == "done\n"


def test_free_kind_stays_free_beside_one_that_is_not(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        create(FreeVehicle(project_id=POOR), FreeVehicle(project_id=POOR))
        S.execute(insert(FreeVehicle), [{"project_id": POOR}, {"project_id": POOR}])
        S.commit()
        assert count(FreeVehicle) == 4
        """
    )

    assert done == "done\n"


def test_each_model_has_its_own_free_quantity(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        with refused():
            create(BigVehicle(project_id=POOR))
        with refused():
            S.execute(insert(BigVehicle), [{"project_id": POOR}])
        create(Vehicle(project_id=POOR))
        with refused():
            create(Vehicle(project_id=POOR))
        assert count(Vehicle) == 1
        """
    )

    assert done == "done\n"


def test_free_kind_uses_up_nothing_of_a_free_quantity(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        create(FreeVehicle(project_id=POOR))
        create(Vehicle(project_id=POOR))
        assert count(Vehicle) == 2
        """
    )

    assert done == "done\n"


def test_free_kinds_keep_no_payment_method(on_the_host: Callable[[str], str]) -> None:
    done = on_the_host(
        """
        create(*[FreeVehicle(project_id=PAYING) for _ in range(3)], Vehicle(project_id=PAYING))
        assert payment_methods.why_kept(paying, method) is None
        create(BigVehicle(project_id=PAYING))
        assert payment_methods.why_kept(paying, method) == "last_usable"
        """
    )

    assert done == "done\n"


#: Hosts whose project is unlike others; each makes a paying project, and one in the same flush.
PROJECTS = {
    "cannot be hashed": """
        class Project(BilledProject, db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(20))

            def __eq__(self, other):
                return isinstance(other, Project) and self.name == other.name
    """,
    "has a joined table": """
        class Tenant(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str] = mapped_column(String(20))
            name: Mapped[str] = mapped_column(String(20))
            __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "tenant"}

        class Project(BilledProject, Tenant):
            id: Mapped[int] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
            __mapper_args__ = {"polymorphic_identity": "project"}
    """,
}
IMPORTS = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_billing import BillableResource, BilledProject, Billing, BillingInfo, PaymentMethod
from flask_billing import PaymentMethodRequired


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
billing = Billing(db)
"""
JOURNEY = """
class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


app = Flask(__name__)
app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", STRIPE_SECRET_KEY="sk_test_x")
db.init_app(app)
billing.init_app(app)
with app.app_context():
    db.create_all()
    info = BillingInfo(stripe_id="cus_1")
    project = Project(name="a", billing_info=info)
    db.session.add_all([PaymentMethod(stripe_id="pm_1", billing_info=info), project])
    db.session.commit()
    db.session.add(Server(project=project))
    db.session.commit()
    db.session.add(Server(project=Project(name="b", billing_info=info)))
    db.session.commit()
    db.session.add(Server(project=Project(name="c")))
    try:
        db.session.commit()
    except PaymentMethodRequired:
        db.session.rollback()
        print(db.session.query(Server).count())
"""


@pytest.mark.parametrize("project", PROJECTS.values(), ids=PROJECTS)
def test_unusual_project_model_is_judged_like_any(
    run_python: Callable[[str], str], project: str
) -> None:
    assert run_python(IMPORTS + dedent(project) + JOURNEY) == "2\n"
