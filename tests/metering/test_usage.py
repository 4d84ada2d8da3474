"""A usage event counts once, whatever is told again, late or wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import delete, insert, inspect, select, update

from flask_billing import BilledProjectRow, BillingRate, UsageResult, UsageRow
from flask_billing.models import Usage, UsageTotal, table_of
from tests.host import Project, Server, Zone, billing, create_app, db
from tests.metering.conftest import NOON, Ids, Time, make_app, make_projects
from tests.metering.spans import Statements

JUNE, JULY, AUGUST = date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1)


@pytest.fixture(autouse=True)
def _inside(request: pytest.FixtureRequest) -> Iterator[None]:
    if "app" not in request.fixturenames:
        yield
        return
    with request.getfixturevalue("app").app_context():
        yield
        db.session.rollback()


def record(project: Any, *event: Any, **more: Any) -> UsageResult:
    """Record one event, of one API call where nothing else is said, and commit."""
    rate, quantity, event_id = (*event, *("api.call", 1, "event-1")[len(event) :])
    result = billing.record_usage(project, rate, quantity, event_id, **more)
    db.session.commit()
    return result


def row(**values: Any) -> dict[str, Any]:
    return {"rate": "api.call", "quantity": 1, "event_id": "event-1"} | values


def outcomes(*rows: Any) -> list[str]:
    """Record a batch, commit, and say what became of each row."""
    results = billing.record_usage_batch(rows)
    db.session.commit()
    return [result.reason or result.state for result in results]


def events() -> list[Any]:
    """What is in the table of usage, in the order of project and event."""
    table = table_of(Usage)
    with db.engine.connect() as connection:
        return list(connection.execute(select(table).order_by("project_key", "event_id")))


def totals() -> dict[tuple[Any, ...], tuple[Decimal, int]]:
    """The quantity and count of each total, by project, month, day, rate and resource."""
    total, rate = table_of(UsageTotal).c, table_of(BillingRate).c
    query = select(
        total.project_key,
        total.counted_in,
        total.day,
        rate.name,
        total.resource_type,
        total.resource_id,
        total.quantity,
        total.event_count,
    ).join(table_of(BillingRate), rate.id == total.rate_id)
    with db.engine.connect() as connection:
        return {tuple(found[:6]): (found[6], found[7]) for found in connection.execute(query)}


def set_project(key: int, **values: Any) -> None:
    table = table_of(BilledProjectRow)
    db.session.connection().execute(
        update(table).where(table.c.project_key == str(key)).values(values)
    )
    db.session.commit()


# What is recorded


def test_event_is_recorded_with_its_total(ids: Ids) -> None:
    at = NOON - timedelta(hours=1)

    result = record(ids.one, "tokens", Decimal("2.5"), "event-1", at=at)

    [event] = events()
    assert result == UsageResult("event-1", "recorded")
    assert result.is_accepted
    assert (event.project_key, event.event_id, event.quantity) == (str(ids.one), "event-1", 2.5)
    assert (event.used_at, event.recorded_at, event.counted_in) == (at, NOON, JUNE)
    assert (event.resource_type, event.resource_id) == (None, None)
    place = (str(ids.one), JUNE, date(2026, 6, 15), "tokens", "", "")
    assert totals() == {place: (Decimal("2.5"), 1)}


def test_event_happened_now_where_nothing_is_said(ids: Ids) -> None:
    record(ids.one)

    assert [event.used_at for event in events()] == [NOON]


def test_totals_are_by_project_day_rate_and_resource(ids: Ids, time: Time) -> None:
    time.pass_by(days=1)
    yesterday = NOON

    billing.record_usage_batch(
        [
            UsageRow(ids.one, "api.call", 1, "a"),
            UsageRow(ids.one, "api.call", 2, "b"),
            UsageRow(ids.one, "api.call", 4, "c", yesterday),
            UsageRow(ids.one, "tokens", 8, "d"),
            UsageRow(ids.one, "api.call", 16, "e", None, ("function", "f1")),
            UsageRow(ids.one, "api.call", 32, "f", None, ("function", "f2")),
            UsageRow(ids.other, "api.call", 64, "a"),
        ]
    )
    db.session.commit()
    record(ids.one, "api.call", 128, "g")

    one, other, today = str(ids.one), str(ids.other), date(2026, 6, 16)
    assert totals() == {
        (one, JUNE, today, "api.call", "", ""): (131, 3),
        (one, JUNE, date(2026, 6, 15), "api.call", "", ""): (4, 1),
        (one, JUNE, today, "tokens", "", ""): (8, 1),
        (one, JUNE, today, "api.call", "function", "f1"): (16, 1),
        (one, JUNE, today, "api.call", "function", "f2"): (32, 1),
        (other, JUNE, today, "api.call", "", ""): (64, 1),
    }


def test_day_is_that_of_utc_in_every_zone(ids: Ids, time: Time) -> None:
    time.now = datetime(2026, 7, 1, 3, tzinfo=UTC)
    evening = datetime(2026, 6, 30, 20, 30, tzinfo=timezone(timedelta(hours=-5)))

    record(ids.one, "tokens", 1, "a", at=evening)
    record(ids.one, "tokens", 1, "b", at=evening - timedelta(hours=2))

    assert [(day, month) for _, month, day, *_ in sorted(totals())] == [
        (date(2026, 6, 30), JUNE),
        (date(2026, 7, 1), JULY),
    ]


def test_project_is_given_by_row_key_or_text(ids: Ids) -> None:
    project = db.session.get_one(Project, ids.one)

    assert outcomes(
        row(project=project, event_id="a"),
        row(project=ids.one, event_id="b"),
        row(project=str(ids.one), event_id="c"),
        row(project=project, event_id="c"),
    ) == ["recorded", "recorded", "recorded", "duplicate"]
    assert {event.project_key for event in events()} == {str(ids.one)}


def test_new_project_and_resource_are_saved_first(app: Flask, time: Time) -> None:
    project = Project(name="new")
    zone = Zone(project=project)
    db.session.add_all([project, zone])

    result = record(project, resource=zone)

    [event] = events()
    assert result.state == "recorded"
    assert event.project_key == str(project.id)
    assert (event.resource_type, event.resource_id) == ("zone", str(zone.id))


def test_project_that_is_not_to_be_saved_is_unknown(ids: Ids) -> None:
    assert record(Project(name="never added")).reason == "unknown_project"


def test_project_that_is_older_than_billing_is_known(ids: Ids) -> None:
    rows = [{"id": 70 + number, "name": "old", "billing_info_id": None} for number in range(3)]
    db.session.connection().execute(insert(Project.__table__), rows)
    db.session.commit()

    assert outcomes(
        *(row(project=old["id"]) for old in rows), row(project=99), row(project=ids.one)
    ) == ["recorded", "recorded", "recorded", "unknown_project", "recorded"]
    assert db.session.get(BilledProjectRow, "99") is None


def test_quantities_are_kept_exactly(ids: Ids) -> None:
    quantities = [Decimal("0.000001"), Decimal("999999999999.999999"), Decimal("3E+2"), 10**12 - 1]

    with localcontext(prec=3):
        for number, quantity in enumerate(quantities):
            record(ids.one, "tokens", quantity, f"event-{number}")

    assert [event.quantity for event in events()] == quantities
    assert list(totals().values()) == [(sum(quantities), 4)]


def test_batch_is_added_exactly_in_a_narrow_context(ids: Ids) -> None:
    rows = [row(project=ids.one, event_id=f"{n}", quantity=Decimal("1.000001")) for n in range(4)]

    with localcontext(prec=3):
        outcomes(*rows)

    assert list(totals().values()) == [(Decimal("4.000004"), 4)]


def test_rate_is_the_one_that_held_when_it_was_used(
    database_url: str, time: Time, tmp_path: Path
) -> None:
    versions = [("2026-01-01", "0.01"), ("2026-06-10", "0.02")]
    path = tmp_path / "rates.toml"
    path.write_text("".join(map(_version, versions)))
    app = make_app(database_url, BILLING_RATES=str(path))

    with app.app_context():
        ids = make_projects()
        record(ids.one, "call", 1, "after")
        record(
            ids.one,
            "call",
            1,
            "before",
            at=datetime(2026, 6, 10, tzinfo=UTC) - timedelta.resolution,
        )
        prices = [db.session.get_one(BillingRate, event.rate_id).unit_price for event in events()]
        db.session.remove()
        db.drop_all()

    assert prices == [Decimal("0.02"), Decimal("0.01")]


def _version(version: tuple[str, str]) -> str:
    active_from, price = version
    return (
        f'[[rate]]\nname = "call"\nunit = "count"\nunit_price = "{price}"\n'
        f'currency = "usd"\nactive_from = {active_from}\n'
    )


def test_rate_is_the_one_in_the_projects_currency(ids: Ids) -> None:
    set_project(ids.other, currency="eur")

    found = outcomes(
        row(project=ids.one),
        row(project=ids.other),
        row(project=ids.other, event_id="event-2", rate="tokens"),
    )

    rates = [db.session.get_one(BillingRate, event.rate_id) for event in events()]
    assert found == ["recorded", "recorded", "currency"]
    assert [(rate.name, rate.currency) for rate in rates] == [
        ("api.call", "usd"),
        ("api.call", "eur"),
    ]


# What was told before


def test_repeated_event_is_a_duplicate_and_counts_once(ids: Ids, time: Time) -> None:
    first = record(ids.one, "tokens", 7, "event-1")
    before = events(), totals()
    time.pass_by(minutes=3)

    again = [
        record(ids.one, "tokens", 7, "event-1"),
        record(ids.one, "tokens", Decimal(7), "event-1"),
    ]

    assert first.state == "recorded"
    assert [result.state for result in again] == ["duplicate", "duplicate"]
    assert all(result.is_accepted for result in again)
    assert (events(), totals()) == before


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 8},
        {"rate": "api.call"},
        {"at": NOON - timedelta.resolution},
        {"resource": ("function", "f2")},
        {"resource": ("server", "f1")},
        {"resource": None},
    ],
    ids=str,
)
def test_same_id_with_other_content_is_a_conflict(ids: Ids, change: Mapping[str, Any]) -> None:
    told = row(project=ids.one, rate="tokens", quantity=7, at=NOON, resource=("function", "f1"))
    assert outcomes(told) == ["recorded"]
    before = events(), totals()

    assert outcomes(told | change, told) == ["conflict", "duplicate"]
    assert (events(), totals()) == before


def test_id_is_unique_for_its_project_only(ids: Ids) -> None:
    assert outcomes(row(project=ids.one), row(project=ids.other, quantity=5)) == ["recorded"] * 2
    assert [event.quantity for event in events()] == [1, 5]


def test_ids_that_differ_in_case_are_different(ids: Ids) -> None:
    assert outcomes(
        row(project=ids.one, event_id="Event"), row(project=ids.one, event_id="event")
    ) == ["recorded", "recorded"]


def test_id_that_is_twice_in_a_batch_counts_once(ids: Ids) -> None:
    told = row(project=ids.one)

    assert outcomes(told, told, told | {"quantity": 2}) == ["recorded", "duplicate", "conflict"]
    assert outcomes(told | {"quantity": 2}, told) == ["conflict", "duplicate"]
    assert list(totals().values()) == [(1, 1)]


def test_what_is_new_in_a_repeated_batch_lands(ids: Ids) -> None:
    rows = [row(project=ids.one, event_id=f"event-{number}") for number in range(5)]
    outcomes(*rows[1:4])

    assert outcomes(*rows) == ["recorded", "duplicate", "duplicate", "duplicate", "recorded"]
    assert list(totals().values()) == [(5, 5)]


def test_event_that_would_be_refused_by_now_is_a_duplicate(ids: Ids, time: Time) -> None:
    told = row(project=ids.one, at=NOON)
    outcomes(told)
    time.pass_by(days=1)
    set_project(ids.one, ended_at=time.now, closed_until=time.now)

    assert outcomes(told, told | {"quantity": 2}, told | {"event_id": "event-2"}) == [
        "duplicate",
        "conflict",
        "project_ended",
    ]


# What is refused


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"project": 999}, "unknown_project"),
        ({"project": 10**30}, "unknown_project"),
        ({"project": 2**31}, "unknown_project"),
        ({"project": "01"}, "unknown_project"),
        ({"project": "1 "}, "unknown_project"),
        ({"project": "\x00"}, "unknown_project"),
        ({"project": "\ud800"}, "unknown_project"),
        ({"project": None}, "unknown_project"),
        ({"project": True}, "unknown_project"),
        ({"project": 1.0}, "unknown_project"),
        ({"project": ["1"]}, "unknown_project"),
        ({"project": uuid4()}, "unknown_project"),
        ({"rate": "nothing"}, "unknown_rate"),
        ({"rate": ""}, "unknown_rate"),
        ({"rate": "x" * 5000}, "unknown_rate"),
        ({"rate": "machine.small"}, "wrong_unit"),
        ({"at": datetime(2025, 12, 31, 23, 59, tzinfo=UTC)}, "rate_not_active"),
        ({"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, "rate_not_active"),
        ({"at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))}, "in_future"),
        ({"quantity": 0}, "bad_quantity"),
        ({"quantity": -1}, "bad_quantity"),
        ({"quantity": 10**12}, "bad_quantity"),
        ({"quantity": 10**400}, "bad_quantity"),
        ({"quantity": Decimal("0.0000001")}, "bad_quantity"),
        ({"quantity": Decimal("1.0000001")}, "bad_quantity"),
        ({"quantity": Decimal("1E-1000000")}, "bad_quantity"),
        ({"quantity": Decimal("1E+1000000")}, "bad_quantity"),
        ({"quantity": Decimal("NaN")}, "bad_quantity"),
        ({"quantity": Decimal("sNaN")}, "bad_quantity"),
        ({"quantity": Decimal("Infinity")}, "bad_quantity"),
        ({"quantity": Decimal("-0")}, "bad_quantity"),
        ({"event_id": ""}, "bad_event_id"),
        ({"event_id": " "}, "bad_event_id"),
        ({"event_id": "event-1\n"}, "bad_event_id"),
        ({"event_id": "event 1"}, "bad_event_id"),
        ({"event_id": "somebody@example.com"}, "bad_event_id"),
        ({"event_id": "\x00"}, "bad_event_id"),
        ({"event_id": "\ud800"}, "bad_event_id"),
        ({"event_id": "é"}, "bad_event_id"),
        ({"event_id": "x" * 256}, "bad_event_id"),
        ({"resource": ("", "1")}, "bad_resource"),
        ({"resource": ("server", "")}, "bad_resource"),
        ({"resource": ("server", "1 ")}, "bad_resource"),
        ({"resource": ("mailbox", "somebody@example.com")}, "bad_resource"),
        ({"resource": ("server", "\x00")}, "bad_resource"),
        ({"resource": ("x" * 101, "1")}, "bad_resource"),
        ({"resource": ("server", "x" * 256)}, "bad_resource"),
        ({"resource": Server(name="never added")}, "bad_resource"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_row_that_cannot_be_is_refused_and_the_rest_lands(
    sqlite_url: str, time: Time, change: Mapping[str, Any], reason: str
) -> None:
    app = make_app(sqlite_url)
    with app.app_context():
        key = make_projects().one

        found = outcomes(
            row(project=key, event_id="before"),
            row(project=key) | change,
            row(project=key, event_id="after"),
        )

        assert found == ["recorded", reason, "recorded"]
        assert [event.event_id for event in events()] == ["after", "before"]
        db.session.remove()


def test_hostile_rows_leave_every_database_in_order(ids: Ids) -> None:
    texts = ["'; DROP TABLE billing_usage; --", '"', "\\", "{}", "null", "%s", ":given", "a" * 255]
    odd = [*texts, "💾", "\x00", "\ud800", "\x7f", "a ", "", "e@x"]
    rows = [row(project=ids.one, event_id=text) for text in odd]
    rows += [row(project=ids.one, event_id=f"r{n}", resource=("r", t)) for n, t in enumerate(odd)]
    rows += [row(project=text, event_id="p") for text in odd] + [row(project=2**63, event_id="p")]

    found = outcomes(*rows)

    stored = events()
    accepted = {text for text in texts if " " not in text}
    assert {event.event_id for event in stored if event.resource_id is None} == accepted
    assert {event.resource_id for event in stored} - {None} == {*texts, "💾", "\x7f"}
    assert found.count("recorded") == len(stored)
    assert set(found[-16:]) == {"unknown_project"}
    assert outcomes(*rows).count("duplicate") == len(stored)


def test_event_may_be_five_minutes_ahead(ids: Ids) -> None:
    edge = NOON + timedelta(minutes=5)

    assert outcomes(
        row(project=ids.one, event_id="a", at=edge),
        row(project=ids.one, event_id="b", at=edge + timedelta.resolution),
    ) == ["recorded", "in_future"]


def test_internal_project_is_not_billed(ids: Ids) -> None:
    db.session.get_one(Project, ids.one).billable = False
    db.session.commit()

    assert outcomes(row(project=ids.one), row(project=ids.other)) == ["not_billable", "recorded"]


def test_ended_project_uses_nothing_from_its_end_on(ids: Ids, time: Time) -> None:
    set_project(ids.one, closed_until=datetime(2026, 6, 1, tzinfo=UTC), ended_at=NOON)
    time.pass_by(days=20)

    assert outcomes(
        row(project=ids.one, event_id="a", at=NOON - timedelta.resolution),
        row(project=ids.one, event_id="b", at=NOON),
        row(project=ids.one, event_id="c"),
    ) == ["recorded", "project_ended", "project_ended"]
    assert [event.counted_in for event in events()] == [JUNE]


def test_ended_project_takes_nothing_after_its_last_invoice(ids: Ids) -> None:
    set_project(ids.one, closed_until=NOON, ended_at=NOON)

    assert record(ids.one, at=NOON - timedelta(hours=1)).reason == "project_ended"


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 1.0},
        {"quantity": "1"},
        {"quantity": True},
        {"quantity": None},
        {"rate": None},
        {"event_id": 7},
        {"event_id": None},
        {"at": "2026-06-15T12:00:00Z"},
        {"at": date(2026, 6, 15)},
        {"resource": "server"},
        {"resource": ("server",)},
        {"resource": ("server", 1)},
        {"resource": object()},
        {"resource": SimpleNamespace(id=1)},
        {"amount": 1},
    ],
)
def test_wrong_types_are_raised_and_nothing_is_written(
    sqlite_url: str, time: Time, change: Mapping[str, Any]
) -> None:
    app = make_app(sqlite_url)
    with app.app_context():
        key = make_projects().one

        with Statements() as sent, pytest.raises(TypeError):
            billing.record_usage_batch([row(project=key), row(project=key) | change])

        assert sent == []
        db.session.remove()


def test_moment_without_a_zone_is_raised(sqlite_url: str, time: Time) -> None:
    app = make_app(sqlite_url)
    with app.app_context():
        with pytest.raises(ValueError, match="zone") as raised:
            billing.record_usage_batch([row(project=1), row(project=1, at=datetime(2026, 6, 15))])  # noqa: DTZ001
        db.session.remove()

    assert "row 1" in raised.value.__notes__[0]


def test_batch_that_is_too_large_is_raised(sqlite_url: str, time: Time) -> None:
    app = make_app(sqlite_url)
    rows = (row(project=1, event_id=f"{number}") for number in range(10_001))

    with app.app_context(), pytest.raises(ValueError, match="10,000"):
        billing.record_usage_batch(rows)


# The month that has it


@pytest.mark.parametrize(
    ("used_at", "closed_until", "counted_in"),
    [
        (datetime(2026, 6, 30, 23, 59, 59, 999_999, UTC), JUNE, JUNE),
        (datetime(2026, 7, 1, tzinfo=UTC), JUNE, JULY),
        (datetime(2026, 6, 30, 23, 59, 59, 999_999, UTC), JULY, JULY),
        (datetime(2026, 7, 1, tzinfo=UTC), JULY, JULY),
        (datetime(2026, 6, 2, tzinfo=UTC), AUGUST, AUGUST),
        (datetime(2026, 8, 2, tzinfo=UTC), JUNE, AUGUST),
    ],
)
def test_event_counts_in_its_month_or_in_the_first_open_one(
    ids: Ids, time: Time, used_at: datetime, closed_until: date, counted_in: date
) -> None:
    time.now = datetime(2026, 8, 3, tzinfo=UTC)
    until = datetime(closed_until.year, closed_until.month, 1, tzinfo=UTC)
    set_project(ids.one, closed_until=until)
    set_project(ids.other, closed_until=datetime(2026, 6, 1, tzinfo=UTC))

    outcomes(row(project=ids.one, at=used_at), row(project=ids.other, at=used_at))

    own_month = used_at.date().replace(day=1)
    assert [event.counted_in for event in events()] == [counted_in, own_month]
    assert [(month, day) for _, month, day, *_ in sorted(totals())] == [
        (counted_in, used_at.date()),
        (own_month, used_at.date()),
    ]


def test_event_before_the_projects_first_moment_counts_in_its_first_month(ids: Ids) -> None:
    record(ids.one, at=NOON - timedelta(days=3))
    record(ids.other, at=NOON - timedelta(days=30))

    assert [event.counted_in for event in events()] == [JUNE, JUNE]


# The host's transaction


def test_rollback_leaves_no_trace(ids: Ids) -> None:
    record(ids.other)
    before = events(), totals()

    billing.record_usage_batch([row(project=ids.one), row(project=ids.other, event_id="event-2")])
    db.session.rollback()

    assert (events(), totals()) == before
    assert record(ids.one).state == "recorded"


def test_savepoint_takes_back_what_is_in_it_alone(ids: Ids) -> None:
    billing.record_usage(ids.one, "api.call", 1, "kept")
    with suppress(LookupError), db.session.begin_nested():
        billing.record_usage(ids.one, "tokens", 1, "undone")
        raise LookupError

    db.session.commit()

    assert [event.event_id for event in events()] == ["kept"]
    assert list(totals().values()) == [(1, 1)]


def test_event_is_seen_by_the_same_transaction(ids: Ids) -> None:
    billing.record_usage(ids.one, "api.call", 1, "event-1")

    assert billing.record_usage(ids.one, "api.call", 1, "event-1").state == "duplicate"
    assert [event.event_id for event in db.session.scalars(select(Usage))] == ["event-1"]


def test_batch_costs_as_many_statements_as_one_event(ids: Ids) -> None:
    # The first meeting of a rate and of a project costs more.
    record(ids.one, "tokens", 1, "first")
    record(ids.other, "tokens", 1, "first")
    record(ids.other, "tokens", 1, "second")
    counts = []

    for size in (1, 60):
        keys = (ids.one, ids.other)
        rows = [
            row(project=keys[n % 2], rate="tokens", event_id=f"{size}-{n}") for n in range(size)
        ]
        for _ in range(2):
            with Statements() as sent:
                outcomes(*rows)
            # SQLite has a savepoint around both.
            counts.append(len([text for text in sent if "SAVEPOINT" not in text]))

    new, again, many_new, many_again = counts
    assert new == many_new <= 3
    assert again == many_again <= 4


def test_empty_batch_sends_nothing(ids: Ids) -> None:
    with Statements() as sent:
        assert outcomes() == []

    assert sent == []


def test_statement_by_statement_commits_are_refused(postgresql_url: str, time: Time) -> None:
    options = {"isolation_level": "AUTOCOMMIT"}
    app = create_app(
        postgresql_url,
        STRIPE_SECRET_KEY="sk_test_metering",
        BILLING_RATES="rates.toml",
        SQLALCHEMY_ENGINE_OPTIONS=options,
    )

    with app.app_context():
        db.create_all()
        with pytest.raises(RuntimeError, match="AUTOCOMMIT"):
            billing.record_usage(1, "api.call", 1, "event-1")
        db.session.remove()


def test_nothing_is_recorded_while_billing_is_off(sqlite_url: str, time: Time) -> None:
    app = make_app(sqlite_url, STRIPE_SECRET_KEY=None)

    with app.app_context():
        key = make_projects().one
        found = outcomes(row(project=key), row(project="unknown"))
        with pytest.raises(TypeError):
            billing.record_usage(key, "api.call", 0.5, "event-1")  # type: ignore[arg-type]
        kept = events()
        db.session.remove()

    assert (found, kept) == (["off", "off"], [])


def test_day_that_sqlite_cannot_hold_is_no_float(sqlite_url: str, time: Time) -> None:
    app = make_app(sqlite_url)
    most = 10**12 - 1
    with app.app_context():
        key = make_projects().one
        for number in range(9):
            record(key, "tokens", most, f"event-{number}")

        with pytest.raises(OverflowError, match="SQLite"):
            record(key, "tokens", most, "one-too-many")
        db.session.rollback()

        assert list(totals().values()) == [(9 * most, 9)]
        assert record(key, "tokens", 5, "small").state == "recorded"
        db.session.remove()


def test_overflow_of_sqlite_leaves_no_event_without_its_total(sqlite_url: str, time: Time) -> None:
    app = make_app(sqlite_url)
    most = 10**12 - 1
    with app.app_context():
        key = make_projects().one
        for number in range(9):
            record(key, "tokens", most, f"event-{number}")
        with suppress(OverflowError):
            billing.record_usage_batch(
                row(project=key, rate="tokens", quantity=most, event_id=f"more-{number}")
                for number in range(2)
            )
        db.session.commit()

        assert len(events()) == 9
        assert list(totals().values()) == [(9 * most, 9)]
        assert record(key, "tokens", 5, "more-0").state == "recorded"
        db.session.remove()


def test_event_ahead_of_our_clock_counts_in_the_month_that_it_is(ids: Ids, time: Time) -> None:
    """A project that is deleted a minute later has no invoice for the next one."""
    time.now = datetime(2026, 6, 30, 23, 58, tzinfo=UTC)

    record(ids.one, at=time.now + timedelta(minutes=3))
    record(ids.other, at=time.now + timedelta(minutes=1))

    assert [event.counted_in for event in events()] == [JUNE, JUNE]
    assert {key[2] for key in totals()} == {JULY, time.now.date()}


def test_project_row_that_is_gone_is_made_again(ids: Ids) -> None:
    record(ids.one)
    table = table_of(BilledProjectRow)
    db.session.connection().execute(delete(table).where(table.c.project_key == str(ids.other)))
    db.session.commit()

    assert record(ids.other).state == "recorded"
    assert inspect(db.session.get_one(BilledProjectRow, str(ids.other))).persistent
