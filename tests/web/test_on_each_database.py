"""Pages of amounts read the same rows on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask

from flask_billing import clock, collecting, credits, invoicing
from flask_billing.sandbox import Sandbox
from tests.host import Project, create_app, db
from tests.web.conftest import Person, method_ids
from tests.web.owing import use_and_close
from tests.web.spending import add_record, add_uses, at, begin
from tests.web.test_index import text_of


@pytest.mark.database
def test_pages_say_the_same_on_each_database(database_url: str) -> None:
    app = create_app(database_url, STRIPE_SECRET_KEY="sk_test_1", BILLING_RATES="rates.toml")
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=1, name="own"), Project(id=2, name="other")])
        db.session.commit()
    begin(app, at(6, 1))
    add_record(app, "1", at(6, 6), at(8, 10), quantity=2)
    add_uses(app, date(2026, 8, 30), 20_000)
    add_uses(app, date(2026, 9, 1), 30_000)
    with app.app_context(), clock.moved(lambda: at(6, 7)):
        invoicing.adjust("1", -250, reason="outage")
        credits.grant("1", 1000, reason="goodwill")
    with clock.moved(lambda: at(9, 2)):
        look(app)
    app.extensions["billing"].threads.shutdown()


def look(app: Flask) -> None:
    with app.app_context():
        invoicing.close()
        june = invoicing.invoices_of("1")[-1].id
    client = app.test_client()

    pages = {
        path: client.get(f"/projects/1/billing{path}")
        for path in ("", "/usage", "/usage.csv", f"/invoices/{june}", f"/invoices/{june}.csv")
    }

    assert {page.status_code for page in pages.values()} == {200}
    assert "Used so far 3.00 USD" in text_of(pages[""])
    assert "Due before tax 15.18 USD" in text_of(pages[f"/invoices/{june}"])
    assert "So far 3.00 USD" in text_of(pages["/usage"])
    assert "machine.small" in pages[f"/invoices/{june}.csv"].text
    assert "api.call" in pages["/usage.csv"].text


@pytest.mark.database
def test_invoice_is_paid_on_its_page_on_each_database(
    database_url: str, stripe_sandbox: Sandbox
) -> None:
    app = create_app(
        database_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        BILLING_RATES="rates.toml",
    )
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=1, name="own"), Project(id=2, name="other")])
        db.session.commit()
    with clock.moved(lambda: at(9, 2)):
        begin(app, at(8, 1))
        pay(app, Person(app.test_client(), stripe_sandbox))
    app.extensions["billing"].threads.shutdown()


def pay(app: Flask, person: Person) -> None:
    person.save_card("4000000000000341")
    [august] = use_and_close(app)
    with app.app_context():
        collecting.collect()
    person.save_card()
    unpaid = text_of(person.page())

    chosen = {"payment_method": str(method_ids(app)[1]), "amount": "1613"}
    person.send(f"/invoices/{august}/pay", chosen)

    assert "The invoice for August 2026 could not be charged" in unpaid
    paid = text_of(person.page(f"/invoices/{august}"))
    assert "Visa ending in 4242 What came of it paid" in paid
    assert "Visa ending in 0341 What came of it your bank declined it" in paid
    assert "Everything is set" in text_of(person.page())
