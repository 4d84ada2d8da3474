"""What is carried, paid by credit or corrected; what counts is what was so at the month's end."""

from __future__ import annotations

from flask import Flask

from flask_billing import Adjustment, invoicing
from tests.host import create_app, db
from tests.invoicing.books import (
    SETTINGS,
    at,
    credit,
    discount,
    everything,
    invoices,
    lines,
    new_project,
    now,
    record,
    remaining,
    row_of,
    usage,
)


def test_late_usage_is_on_the_next_invoice(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 30), 20_000)
    usage(key, at(6, 30), 50_000, rate="api.call", counted_in=at(7))
    usage(key, at(7, 3), 30_000)

    with now(at(8, 5)):
        invoicing.close()

    june, july = invoices(key)
    assert (june.subtotal, june.adjusted) == (200, 0)
    assert (july.subtotal, july.adjusted, july.due) == (300, 500, 800)
    assert [line.kind for line in lines(july)] == ["usage", "late"]


def test_small_amount_is_carried_until_it_is_worth_charging(app: Flask) -> None:
    key = new_project()
    for number, quantity in ((6, 3_000), (8, 2_500)):
        usage(key, at(number, 2), quantity)

    with now(at(9, 5)):
        invoicing.close()

    june, august = invoices(key)
    assert (june.subtotal, june.due, june.carried_out) == (30, 0, 30)
    assert (august.carried_in, august.subtotal, august.due, august.carried_out) == (30, 25, 55, 0)
    assert row_of(key).carried == 0


def test_small_amount_is_let_go_where_the_host_wants_it(sqlite_url: str) -> None:
    app = create_app(sqlite_url, **SETTINGS, BILLING_BELOW_MINIMUM="waive")
    with app.app_context():
        db.create_all()
        key = new_project()
        usage(key, at(6, 2), 3_000)

        with now(at(7, 5)):
            invoicing.close()

        [invoice] = invoices(key)
        assert (invoice.due, invoice.waived, row_of(key).carried) == (0, 30, 0)


def test_credit_pays_oldest_expiry_first_and_what_expired_is_gone(anywhere: Flask) -> None:
    key, other = new_project(), new_project()
    record(key, at(6), quantity=2)
    credit(key, 1000, at(6, 1), expires=at(6, 20))
    credit(key, 2000, at(6, 2))
    credit(key, 500, at(6, 3), expires=at(7, 20))
    credit(other, 900, at(6))

    with now(at(7, 5)):
        invoicing.close()

    [invoice] = invoices(key)
    assert (invoice.credit_used, invoice.due) == (2500, 600)
    assert remaining(key) == [0, 0, 0]
    assert remaining(other) == [900]
    kinds = [entry for entry in everything()["entries"] if f"'{key}'" in entry]
    assert sum("'used'" in entry for entry in kinds) == 2
    assert sum("'expired', -1000" in entry for entry in kinds) == 1


def test_negative_sum_becomes_credit_for_the_next_month(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    usage(key, at(7, 2), 250_000)
    with now(at(6, 10)):
        invoicing.adjust(key, -1500, reason="outage", made_by="42")

    with now(at(8, 5)):
        invoicing.close()

    june, july = invoices(key)
    assert (june.subtotal, june.adjusted, june.due, june.credit_granted) == (1000, -1500, 0, 500)
    assert (july.subtotal, july.credit_used, july.due) == (2500, 500, 2000)
    assert db.session.query(Adjustment).one().invoice_id == june.id


def test_adjustment_alone_makes_an_invoice(app: Flask) -> None:
    key, other = new_project(), new_project()
    with now(at(6, 10)):
        invoicing.adjust(key, 700, reason="setup_fee")

    with now(at(7, 5)):
        invoicing.close()

    [invoice] = invoices(key)
    assert (invoice.subtotal, invoice.adjusted, invoice.due) == (0, 700, 700)
    assert invoices(other) == []


def scenario() -> list[str]:
    """Two projects with everything that is judged as of a period's end."""
    key, other = new_project(at(5, 20)), new_project(at(5))
    for each in (key, other):
        record(each, at(5, 21), at(6, 20, 7, 3), quantity=2)
        record(each, at(6, 20, 7, 3), rate="machine.large")
        usage(each, at(5, 30), 40_000)
        usage(each, at(7, 30), 90_000)
        discount(each, 10, at(6, 15))
        discount(each, 50, at(5, 25), scope="rate", target="api.call", valid_until=at(7, 10))
        credit(each, 400, at(5, 30), expires=at(7, 1))
        credit(each, 9000, at(7, 20))
    return [key, other]


def test_closing_late_equals_closing_in_time(sqlite_url: str) -> None:
    found = []
    for place, moments in enumerate(([at(6, 1, 2), at(7, 1, 1), at(8, 3)], [at(8, 3)])):
        app = create_app(sqlite_url + str(place), **SETTINGS)
        with app.app_context():
            db.create_all()
            keys = scenario()

            for moment in moments:
                with now(moment):
                    invoicing.close()

            found.append(everything())
            assert [len(invoices(key)) for key in keys] == [3, 3]

    in_time, late = found
    assert in_time == late


def test_what_is_agreed_after_a_month_ended_does_not_change_it(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 1, 0, 30)):
        invoicing.discount(key, 50, reason="partner")
        invoicing.allow(key, 10_000, target="api.call", reason="free_tier")
        invoicing.adjust(key, -300, reason="outage")
    credit(key, 400, at(7))

    with now(at(7, 2)):
        invoicing.close()

    [invoice] = invoices(key)
    assert (invoice.due, invoice.subtotal, remaining(key)) == (1000, 1000, [400])
