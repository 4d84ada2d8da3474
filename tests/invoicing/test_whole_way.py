"""From what a host's rows use, through metering and the money rules, to what is on the invoice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from flask import Flask

from flask_billing import BillingInfo, PaymentMethod, invoicing
from flask_billing.invoicing import CloseReport
from tests.host import Machine, Project, billing, create_app, db
from tests.invoicing.books import SETTINGS, at, invoices, lines, new_project, now, record, row_of


def paying_project() -> Project:
    info = BillingInfo(stripe_id="cus_1")
    method = PaymentMethod(stripe_id="pm_1", billing_info=info, position=0)
    project = Project(name="one", billing_info=info)
    db.session.add_all([info, method, project])
    db.session.commit()
    return project


def test_machine_is_billed_from_its_creation_to_its_end(anywhere: Flask) -> None:
    with now(at(6)):
        project = paying_project()
        key = str(project.id)
        machine = Machine(project_id=project.id, disk=100)
        db.session.add(machine)
        db.session.commit()
    with now(at(6, 16)):
        machine.size = "large"
        db.session.commit()
    with now(at(6, 21)):
        assert billing.record_usage(project, "api.call", 70_000, "1").state == "recorded"
        db.session.delete(machine)
        db.session.commit()
    with now(at(7, 3)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1)
    [invoice] = invoices(key)
    assert [(line.slot, line.minutes, line.quantity) for line in lines(invoice)] == [
        (None, None, Decimal(70_000)),
        ("disk", 20 * 1440, Decimal(100)),
        ("compute", 5 * 1440, Decimal(1)),
        ("compute", 15 * 1440, Decimal(1)),
    ]
    exact = (
        Decimal(70_000) * Decimal("0.0001")
        + 100 * 20 * 1440 * Decimal("0.0000023149")
        + 5 * 1440 * Decimal("0.0015375004")
        + 15 * 1440 * Decimal("0.0003843751")
    )
    assert invoice.subtotal == round(exact * 100)


def test_deleted_project_is_billed_to_its_last_moment(anywhere: Flask) -> None:
    with now(at(6)):
        project = paying_project()
        key = str(project.id)
        db.session.add(Machine(project_id=project.id))
        db.session.commit()
    with now(at(6, 6)):
        db.session.delete(db.session.query(Machine).one())
        db.session.delete(project)
        db.session.commit()
    with now(at(6, 6, 1)):
        report = invoicing.close()

    assert report == CloseReport(closed=1, invoiced=1)
    [invoice] = invoices(key)
    assert (invoice.period_end, lines(invoice)[0].minutes) == (at(6, 6), 5 * 1440)
    assert row_of(key).closed_until == at(6, 6)


@pytest.mark.parametrize(
    ("year", "month", "minutes"),
    [(2027, 2, 40_320), (2028, 2, 40_320), (2027, 3, 40_320), (2027, 4, 40_320)],
)
def test_every_month_of_any_year_costs_the_same(
    app: Flask, year: int, month: int, minutes: int
) -> None:
    start = datetime(year, month, 1, tzinfo=UTC)
    key = new_project(start)
    record(key, start, quantity=2)

    with now(datetime(year, month + 1, 1, 1, tzinfo=UTC)):
        invoicing.close()

    [invoice] = invoices(key)
    assert lines(invoice)[0].minutes == minutes
    assert invoice.period_end == datetime(year, month + 1, 1, tzinfo=UTC)


@pytest.fixture
def elsewhere(postgresql_url: str) -> Iterator[Flask]:
    """A host whose database server is in a zone of its own."""
    options = {"connect_args": {"options": "-c timezone=Pacific/Auckland"}}
    app = create_app(postgresql_url, **SETTINGS, SQLALCHEMY_ENGINE_OPTIONS=options)
    with app.app_context():
        db.create_all()
        yield app


@pytest.mark.database
def test_server_s_zone_changes_nothing(elsewhere: Flask) -> None:
    key = new_project(at(3))
    record(key, at(3, 1), at(4, 30, 23, 59), quantity=2)

    with now(at(5, 1, 1)):
        invoicing.close()

    assert [(i.period_start, i.period_end, i.subtotal) for i in invoices(key)] == [
        (at(3), at(4), 3100),
        (at(4), at(5), 3100),
    ]
