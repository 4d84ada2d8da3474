"""Pages of amounts read the same rows on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask

from flask_billing import clock, credits, invoicing
from tests.host import Project, create_app, db
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
