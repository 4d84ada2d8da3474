"""A project's key may come from anywhere: what is judged is what is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, StatementError

from flask_billing import BilledProjectRow, BillingInfo, PaymentMethod, PaymentMethodRequired
from tests.host import Project, Server, create_app, db

PAYING, POOR = 1, 2

Way = Callable[[Any], object]


def add(key: Any) -> None:
    db.session.add(Server(project_id=key))
    db.session.flush()


WAYS: dict[str, Way] = {
    "orm": add,
    "core": lambda key: db.session.execute(insert(Server.__table__).values(project_id=key)),
    "core parameters": lambda key: db.session.execute(
        insert(Server.__table__), {"project_id": key, "name": "a"}
    ),
    "many": lambda key: db.session.execute(
        insert(Server),
        [{"project_id": PAYING, "name": "a"}, {"project_id": key, "name": "b"}],
    ),
    "bulk": lambda key: db.session.bulk_insert_mappings(
        Server.__mapper__, [{"project_id": key, "name": "a"}]
    ),
}

#: Nothing of this is the project that can pay, although some of it begins or ends like it.
NOT_PAYING = [
    "1 OR 1=1",
    "1; DROP TABLE server",
    "1--",
    "1,2",
    "1\x00",
    "0x1",
    "02",
    " 2 ",
    "2.0",
    2.0,
    1.9,
    "1.9",
    Decimal("1.9"),
    -1,
    0,
    "",
    " ",
    "null",
    None,
    b"1",
    "1_0",
    "9" * 5_000,
    10**30,
    float("nan"),
    float("inf"),
    [1],
    {"id": 1},
]

#: The guard's refusal, or the database's own where it comes first.
REFUSALS = (PaymentMethodRequired, DBAPIError, StatementError, OverflowError)


@pytest.fixture
def filled(app: Flask) -> Flask:
    info = BillingInfo(stripe_id="cus_1")
    db.session.add_all(
        [
            PaymentMethod(stripe_id="pm_1", billing_info=info),
            Project(id=PAYING, name="paying", billing_info=info),
            Project(id=POOR, name="poor"),
        ]
    )
    db.session.commit()
    return app


def servers() -> list[int]:
    return list(db.session.scalars(select(Server.project_id)))


def written_by(way: Way, key: Any) -> list[int]:
    """What is there after a try; whatever stopped it, it has to be an error of a known kind."""
    try:
        way(key)
        db.session.commit()
    except REFUSALS:
        db.session.rollback()
    return servers()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nothing_is_written_for_a_key_that_is_not_the_paying_project(
    filled: Flask, way: Way
) -> None:
    written = {repr(key)[:24]: written_by(way, key) for key in NOT_PAYING}

    assert {key: rows for key, rows in written.items() if rows} == {}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_key_in_another_form_means_the_same_project_or_nothing(filled: Flask, way: Way) -> None:
    for key in ("1", "01", " 1", 1.0, Decimal(1), True):
        assert set(written_by(way, key)) <= {PAYING}

    keys = db.session.scalars(select(BilledProjectRow.project_key)).all()
    assert sorted(keys) == ["1", "2"]


@pytest.fixture
def on_a_strict_database(postgresql_url: str) -> Iterator[None]:
    """The same two projects where a number is rounded rather than kept as it is."""
    app = create_app(postgresql_url, STRIPE_SECRET_KEY="sk_test_models")
    with app.app_context():
        db.create_all()
        info = BillingInfo(stripe_id="cus_1")
        paying, poor = Project(name="paying", billing_info=info), Project(name="poor")
        db.session.add_all([PaymentMethod(stripe_id="pm_1", billing_info=info), paying])
        db.session.flush()
        db.session.add(poor)
        db.session.commit()
        assert (paying.id, poor.id) == (PAYING, POOR)
        yield
        db.session.remove()


@pytest.mark.database
@pytest.mark.parametrize("key", [1.9, Decimal("1.9")], ids=repr)
@pytest.mark.usefixtures("on_a_strict_database")
def test_number_that_the_database_rounds_is_no_way_into_the_next_project(key: Any) -> None:
    assert written_by(WAYS["core"], key) == []


def test_name_of_a_project_in_a_refusal_is_only_its_key(filled: Flask) -> None:
    db.session.add(Server(project_id=POOR))

    with pytest.raises(PaymentMethodRequired) as refused:
        db.session.flush()

    assert refused.value.project_key == "2"
    assert "poor" not in f"{refused.value} {vars(refused.value)}"
