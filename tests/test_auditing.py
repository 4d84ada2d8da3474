"""The audit log: written before the deed, ended with what came of it, and once for each asking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import AuditEntry, CollectingRefused, auditing, clock
from flask_billing.auditing import NotedAlready
from flask_billing.errors import GatewayError, GatewayUnavailable
from flask_billing.ids import uuid7
from tests.host import create_app, db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    app = create_app(database_url, STRIPE_SECRET_KEY="sk_test_1")
    with app.app_context(), clock.moved(lambda: NOW):
        db.create_all()
        yield app


def outcomes() -> list[tuple[str, str]]:
    """Object and outcome of what is noted, as another connection sees it."""
    with db.engine.connect() as connection:
        table = AuditEntry.__table__
        query = db.select(table.c.object_id, table.c.outcome).order_by(table.c.object_id)
        return [tuple(row) for row in connection.execute(query)]


def test_entry_is_there_before_the_deed_and_says_how_it_ended(app: Flask) -> None:
    with auditing.noted("retry", "invoice", 1, way="cli", made_by="42"):
        assert outcomes() == [("1", "begun")]
    with pytest.raises(CollectingRefused), auditing.noted("void", "invoice", 2, way="web"):
        raise CollectingRefused("It is paid.")

    assert outcomes() == [("1", "done"), ("2", "refused")]


def test_deed_that_nobody_expected_to_fail_stays_begun(app: Flask) -> None:
    class KilledError(BaseException):
        pass

    for number, error in enumerate((KilledError, RuntimeError)):
        with pytest.raises(error), auditing.noted("void", "invoice", number, way="web"):
            raise error

    assert outcomes() == [("0", "begun"), ("1", "begun")]


def test_what_is_asked_for_twice_is_done_once(app: Flask) -> None:
    asked, done = uuid7(), []

    with auditing.noted("refund", "invoice", 1, way="web", entry_id=asked):
        done.append("first")
    with (
        pytest.raises(NotedAlready),
        auditing.noted("refund", "invoice", 1, way="web", entry_id=asked),
    ):
        done.append("second")
    with auditing.noted("refund", "invoice", 1, way="web", entry_id=uuid7()):
        done.append("third")

    assert done == ["first", "third"]
    assert outcomes() == [("1", "done"), ("1", "done")]


def test_refusal_undoes_what_was_begun_in_the_session(app: Flask) -> None:
    def begin_something_else() -> None:
        db.session.add(AuditEntry(way="web", action="x", object_type="x", object_id="9"))
        db.session.flush()
        raise LookupError

    with pytest.raises(LookupError), auditing.noted("void", "invoice", 1, way="web"):
        begin_something_else()

    assert outcomes() == [("1", "refused")]


def test_what_the_processor_did_not_answer_is_not_called_refused(app: Flask) -> None:
    for number, error in enumerate((GatewayUnavailable("No answer."), GatewayError("No."))):
        with pytest.raises(GatewayError), auditing.noted("void", "invoice", number, way="web"):
            raise error

    assert sorted(outcomes()) == [("0", "unknown"), ("1", "refused")]


@pytest.mark.parametrize(
    "signed", [{"made_by": "ada@example.com"}, {"reason": "for Ada"}, {"made_by": "Ada Lovelace"}]
)
def test_nothing_personal_is_noted(app: Flask, signed: dict[str, str]) -> None:
    done = []

    with (
        pytest.raises(ValueError, match="at most"),
        auditing.noted("void", "invoice", 1, way="cli", **signed),
    ):
        done.append("void")

    assert done == []
    assert outcomes() == []


def test_entries_are_given_the_latest_first_of_one_thing_and_before_a_moment(app: Flask) -> None:
    for number, object_id in enumerate(("1", "2", "1")):
        with (
            clock.moved(lambda: NOW + timedelta(hours=number)),  # noqa: B023 - called at once
            auditing.noted(f"deed_{number}", "invoice", object_id, way="cli"),
        ):
            pass

    def found(**wanted: object) -> list[str]:
        return [entry.action for entry in auditing.entries(**wanted)]

    assert found() == ["deed_2", "deed_1", "deed_0"]
    assert found(object_type="invoice", object_id=1) == ["deed_2", "deed_0"]
    assert found(object_type="event", object_id=1) == []
    assert found(before=NOW + timedelta(hours=2)) == ["deed_1", "deed_0"]
    assert found(limit=1) == ["deed_2"]
