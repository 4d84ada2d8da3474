"""Models that inherit, and keys that a record can not name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

HOST = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import ForeignKey, delete, insert, select, update
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
    from flask_billing import (
        BillableResource, BilledProject, Billing, BillingInfo, BillingRecord, PaymentMethod,
        metering,
    )

    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)
    billing = Billing(db)

    class Project(BilledProject, db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)

    with open("rates.toml", "w") as file:
        for name in ("small", "big"):
            file.write(f'''
                [[rate]]
                name = "{name}"
                unit = "minute"
                unit_price = "0.01"
                currency = "usd"
                active_from = 2020-01-01
            ''')

    def started():
        app = Flask(__name__)
        app.config.update(
            SQLALCHEMY_DATABASE_URI="sqlite:///test.sqlite", STRIPE_SECRET_KEY="sk_test_x",
            BILLING_RATES="rates.toml", SECRET_KEY="x",
        )
        db.init_app(app)
        billing.init_app(app)
        app.app_context().push()
        db.create_all()
        info = BillingInfo(stripe_id="cus_1")
        db.session.add_all([
            Project(id=1, billing_info=info), PaymentMethod(stripe_id="pm_1", billing_info=info),
        ])
        db.session.commit()

    def running():
        found = db.session.execute(
            select(BillingRecord.resource_type, BillingRecord.resource_id, BillingRecord.slot)
            .where(BillingRecord.open_marker == 1)
        )
        return sorted(map(tuple, found))

    def refused(act):
        try:
            act()
        except RuntimeError as error:
            assert "metered" in str(error), error
            return True
        finally:
            db.session.rollback()
        return False
"""

Run = Callable[[str], str]


def test_joined_tables_are_metered_under_the_name_of_the_first(run_python: Run) -> None:
    run_python(
        HOST
        + """
    class Thing(BillableResource, db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(default="thing")
        project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}

    class Vm(Thing):
        id: Mapped[int] = mapped_column(ForeignKey("thing.id"), primary_key=True)
        size: Mapped[str] = mapped_column(default="small")
        __mapper_args__ = {"polymorphic_identity": "vm"}

        def billing_rates(self):
            return {"vm": (self.size, 1)}

    class BigVm(Vm):
        id: Mapped[int] = mapped_column(ForeignKey("vm.id"), primary_key=True)
        disk: Mapped[int] = mapped_column(default=0)
        __mapper_args__ = {"polymorphic_identity": "big"}

        def billing_rates(self):
            return {"big": ("big", 1), "disk": ("small", self.disk)}

    started()
    thing, vm, big = Thing(project_id=1), Vm(project_id=1), BigVm(project_id=1, disk=2)
    db.session.add_all([thing, vm, big])
    db.session.commit()
    both = [("thing", str(vm.id), "vm"), ("thing", str(big.id), "big"),
            ("thing", str(big.id), "disk")]
    assert running() == sorted(both)

    big.disk = 0
    db.session.delete(vm)
    db.session.commit()
    assert running() == [("thing", str(big.id), "big")]
    assert metering.reconcile(mend=True).mended == 0

    big.stop_billing()
    db.session.commit()
    assert running() == []
    big.start_billing()
    db.session.commit()
    assert running() == [("thing", str(big.id), "big")]

    for model in (Thing, Vm, BigVm):
        assert refused(lambda: db.session.execute(update(model).values(project_id=1)))
        assert refused(lambda: db.session.query(model).delete(synchronize_session=False))
    assert refused(lambda: db.session.bulk_save_objects([Vm(project_id=1)]))
    """
    )


def test_models_of_one_table_are_told_apart(run_python: Run) -> None:
    run_python(
        HOST
        + """
    class Vm(BillableResource, db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(default="vm")
        project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vm"}

    class Big(Vm):
        __mapper_args__ = {"polymorphic_identity": "big"}

        def billing_rates(self):
            return {"big": ("big", 1)}

    class Small(Vm):
        __mapper_args__ = {"polymorphic_identity": "small"}

        def billing_rates(self):
            return {"small": ("small", 1)}

    started()
    rows = [Vm(project_id=1), Big(project_id=1), Small(project_id=1)]
    db.session.add_all(rows)
    db.session.commit()

    assert running() == [("vm", str(rows[1].id), "big"), ("vm", str(rows[2].id), "small")]
    assert metering.reconcile(mend=True).mended == 0
    """
    )


def test_orphans_of_a_collection_are_closed(run_python: Run) -> None:
    run_python(
        HOST
        + """
    class Group(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        vms: Mapped[list["Vm"]] = relationship(cascade="all, delete-orphan")

    class Vm(BillableResource, db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        group_id: Mapped[int] = mapped_column(ForeignKey("group.id"))
        project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))

        def billing_rates(self):
            return {"vm": ("small", 1)}

    started()
    group = Group(vms=[Vm(project_id=1), Vm(project_id=1), Vm(project_id=1)])
    db.session.add(group)
    db.session.commit()
    assert len(running()) == 3

    group.vms.pop()
    db.session.commit()
    assert len(running()) == 2
    db.session.delete(group)
    db.session.commit()
    assert running() == []
    """
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            """
            class Vm(BillableResource, db.Model):
                id: Mapped[int] = mapped_column(primary_key=True)
                number: Mapped[int] = mapped_column(primary_key=True)
                project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
                billing_rates = dict
            """,
            "primary key of one column",
        ),
        (
            """
            class Vm(BillableResource, db.Model):
                __tablename__ = "t" * 101
                id: Mapped[int] = mapped_column(primary_key=True)
                project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
                billing_rates = dict
            """,
            "more than 100 characters",
        ),
    ],
)
def test_model_that_no_record_can_name_is_refused(run_python: Run, model: str, said: str) -> None:
    indented = model.replace("\n        ", "\n    ")

    printed = run_python(
        HOST
        + "\n    try:\n"
        + indented
        + "\n    except RuntimeError as error:\n        print(error)\n"
    )

    assert said in printed


def test_change_outside_of_an_app_is_refused(run_python: Run) -> None:
    run_python(
        HOST
        + """
    from sqlalchemy.orm import Session

    class Vm(BillableResource, db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[str] = mapped_column(default="small")
        project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))

        def billing_rates(self):
            return {"vm": (self.size, 1)}

    started()
    db.session.add(Vm(project_id=1))
    db.session.commit()
    engine = db.engine
    db.session.remove()

    import contextvars

    def change():
        with Session(engine) as session:
            session.scalars(select(Vm)).one().size = "big"
            try:
                session.commit()
            except RuntimeError as error:
                assert "app context" in str(error)
            else:
                raise AssertionError

    contextvars.Context().run(change)
    assert running()[0][2] == "vm"
    """
    )
