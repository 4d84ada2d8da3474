"""The staff pages: who sees them, what they list, how events are found and repeated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, select

from flask_billing import auditing, clock
from flask_billing.events import Notice
from flask_billing.ids import uuid7
from flask_billing.models import BillingEvent, BillingEventHandling
from flask_billing.web.staff import listing
from tests.host import billing, create_app, db
from tests.web.test_access import token_on
from tests.web.test_index import text_of
from tests.web.test_layout import give_templates

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIST = "/billing/staff/events"
ADDRESSES = [
    ("GET", "/billing/staff"),
    ("GET", LIST),
    ("GET", f"{LIST}?state=failed"),
    ("GET", f"{LIST}/evt_1"),
    ("POST", f"{LIST}/evt_1"),
    ("GET", f"{LIST}/evt_unknown"),
    ("POST", f"{LIST}/evt_unknown"),
]


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.moved(lambda: NOW):
        yield


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_staff() -> bool:
        return request.headers.get("X-Person") == "staff"

    monkeypatch.setattr(billing._hooks, "staff_required", is_staff)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the host beside the usual; a class can override them."""
    return {}


def make_app(url: str, **settings: Any) -> Flask:
    app = create_app(url, **{"STRIPE_SECRET_KEY": "sk_test_1", **settings})
    with app.app_context():
        db.create_all()
    return app


@pytest.fixture
def app(sqlite_url: str, settings: dict[str, Any]) -> Flask:
    return make_app(sqlite_url, **settings)


def client_of(app: Flask, person: str = "staff") -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_X_PERSON"] = person
    return client


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    """The browser of somebody who is staff."""
    return client_of(app)


def an_event(number: int, **values: Any) -> BillingEvent:
    """An event that arrived so many minutes ago; processed, unless `values` say otherwise."""
    received_at = NOW - timedelta(minutes=number)
    usual = {
        "stripe_id": f"evt_{number}",
        "type": "payment_method.attached",
        "object_id": f"pm_{number}",
        "object_type": "payment_method",
        "customer_id": "cus_1",
        "livemode": False,
        "created_at": received_at - timedelta(seconds=2),
        "received_at": received_at,
        "state": "processed",
        "attempts": 1,
        "ended_at": received_at + timedelta(seconds=1),
    }
    return BillingEvent(**(usual | values))


def pending(number: int, next_try_at: datetime, **values: Any) -> BillingEvent:
    return an_event(
        number,
        **{"state": "pending", "ended_at": None, "next_try_at": next_try_at, "attempts": 0}
        | values,
    )


def failed(number: int, **values: Any) -> BillingEvent:
    return an_event(
        number, **{"state": "failed", "attempts": 12, "error_class": "ValueError"} | values
    )


def store(app: Flask, *rows: BillingEvent | BillingEventHandling) -> None:
    with app.app_context():
        db.session.add_all(rows)
        db.session.commit()


def stored(app: Flask, stripe_id: str = "evt_1") -> BillingEvent:
    with app.app_context():
        return db.session.query(BillingEvent).filter_by(stripe_id=stripe_id).one()


def listed(page: Any) -> list[str]:
    """The ids of the events in a list, in their order."""
    return re.findall(rf'href="{LIST}/(evt_\w+)"', page.text)


def link(page: Any, words: str) -> str:
    """The address of a link by how its words begin."""
    found = re.search(rf'href="([^"]+)"[^>]*>{words}', page.text)
    assert found is not None, f"there is no link {words!r}"
    return unescape(found[1])


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


# Who sees them


@pytest.mark.parametrize("person", ["", "owner"])
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_nobody_but_staff_learns_that_the_pages_exist(
    app: Flask, person: str, method: str, path: str
) -> None:
    store(app, failed(1))

    with counted_statements() as statements:
        response = client_of(app, person).open(path, method=method)

    assert response.status_code == 404
    assert statements == []
    assert stored(app).state == "failed"


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_without_the_hook_nobody_is_staff(
    app: Flask, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    default = type(billing._hooks)().staff_required
    monkeypatch.setattr(billing._hooks, "staff_required", default)
    store(app, failed(1))

    response = client_of(app).open(path, method=method)

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [(*ADDRESSES[n], status) for n, status in enumerate([302, 200, 200, 200, 303, 404, 404])],
)
def test_staff_see_them(app: Flask, method: str, path: str, status: int) -> None:
    store(app, failed(1))

    response = client_of(app).open(path, method=method)

    assert response.status_code == status


@pytest.mark.parametrize("person", ["owner", "staff"])
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_while_billing_is_off_they_answer_501(
    sqlite_url: str, person: str, method: str, path: str
) -> None:
    app = make_app(sqlite_url, STRIPE_SECRET_KEY=None)

    response = client_of(app, person).open(path, method=method)

    assert response.status_code == 501
    assert "Billing is switched off on this site" in response.text


def test_address_of_the_staff_pages_leads_to_the_money(staff: FlaskClient) -> None:
    assert staff.get("/billing/staff").location == "/billing/staff/invoices"


@pytest.mark.parametrize("path", [LIST, f"{LIST}/evt_1"])
def test_pages_are_private_and_need_neither_script_nor_inline_style(
    app: Flask, staff: FlaskClient, path: str
) -> None:
    store(app, failed(1), an_event(2))

    page = staff.get(path)

    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script|<style| style=| on[a-z]+=", page.text)


class TestUnderAnotherPrefix:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_STAFF_PREFIX": "/back-office"}

    def test_pages_answer_there_alone(self, app: Flask, staff: FlaskClient) -> None:
        store(app, an_event(1))

        assert "/back-office/events/evt_1" in staff.get("/back-office/events").text
        assert staff.get("/back-office/events/evt_1").status_code == 200
        assert staff.get(LIST).status_code == 404


# What is listed


def test_newest_come_first_with_object_time_state_and_tries(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(61, stripe_id="evt_old"), failed(3, stripe_id="evt_new"))

    page = staff.get(LIST)

    assert listed(page) == ["evt_new", "evt_old"]
    text = text_of(page)
    assert "pm_61 Arrived Nov 22, 10:59:00 UTC State processed Tries 1" in text
    assert "pm_3 Arrived Nov 22, 11:57:00 UTC State failed" in text


def test_events_of_the_other_mode_are_nowhere(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1), failed(2, livemode=True))

    page = staff.get(LIST)

    assert listed(page) == ["evt_1"]
    assert "Nothing is stuck." in page.text
    assert "Failed 0" in text_of(page)
    assert staff.get(f"{LIST}/evt_2").status_code == 404
    assert staff.post(f"{LIST}/evt_2").status_code == 404
    assert stored(app, "evt_2").state == "failed"


def test_event_without_an_object_is_shown(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1, object_id=None, object_type=None, customer_id=None))

    assert listed(staff.get(LIST)) == ["evt_1"]
    assert staff.get(f"{LIST}/evt_1").status_code == 200


def test_empty_list_says_what_will_be_there(staff: FlaskClient) -> None:
    assert "Nothing has arrived yet: create an endpoint for webhooks." in staff.get(LIST).text


def test_state_of_a_newer_release_is_shown_as_it_is_called(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1, state="parked"), an_event(2))

    page = staff.get(LIST)
    event_page = staff.get(f"{LIST}/evt_1")

    assert listed(page) == ["evt_1", "evt_2"]
    assert "parked" in text_of(page)
    assert event_page.status_code == 200
    assert "parked" in text_of(event_page)


def test_year_is_told_where_it_is_another(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1, received_at=datetime(2025, 3, 1, 9, 5, 7, tzinfo=UTC)))

    assert "Mar 1, 2025, 09:05:07 UTC" in staff.get(LIST).text


# What is stuck


def test_what_is_stuck_is_at_the_top_with_since_when_and_what_to_do(
    app: Flask, staff: FlaskClient
) -> None:
    store(
        app,
        failed(600),
        failed(120),
        pending(90, NOW - HOUR),
        pending(30, NOW + HOUR, attempts=3, error_class="GatewayUnavailable"),
        an_event(1),
    )

    page = staff.get(LIST)

    text = text_of(page)
    assert "2 events have failed Since Nov 22, 02:00:01 UTC (10 hours ago). Nothing more" in text
    assert "1 event is overdue Since Nov 22, 11:00:00 UTC (1 hour ago). Nobody seems" in text
    assert "1 event was tried in vain Since Nov 22, 11:30:00 UTC (30 minutes ago)." in text
    assert "flask billing events replay --state failed" in text
    assert text.index("have failed") < text.index("is overdue") < text.index("was tried in vain")
    assert text.index("was tried in vain") < text.index("Find events")
    assert listed(staff.get(link(page, "2 events"))) == ["evt_120", "evt_600"]
    assert listed(staff.get(link(page, "1 event is overdue"))) == ["evt_90"]
    assert listed(staff.get(link(page, "1 event was tried"))) == ["evt_30"]


WAITING = {
    "just arrived": (0, NOW, None, "waiting"),
    "due for four minutes": (0, NOW - timedelta(minutes=4), None, "waiting"),
    "due for six minutes": (0, NOW - timedelta(minutes=6), None, "overdue"),
    "at work for the first time": (1, NOW + timedelta(minutes=10), uuid7(), "is being processed"),
    "at work for the third time": (3, NOW + timedelta(minutes=10), uuid7(), "is being processed"),
    "at work for the fourth time": (4, NOW + timedelta(minutes=10), uuid7(), "tried in vain"),
    "put off after one try": (1, NOW + timedelta(minutes=1), None, "is tried again"),
    "put off after two tries": (2, NOW + timedelta(minutes=1), None, "is tried again"),
    "put off after three tries": (3, NOW + timedelta(minutes=1), None, "tried in vain"),
    "claim ran out a minute ago": (1, NOW - timedelta(minutes=1), uuid7(), "is being processed"),
    "claim ran out an hour ago": (1, NOW - HOUR, uuid7(), "overdue"),
}


@pytest.mark.parametrize("case", WAITING)
def test_list_page_and_counts_agree_on_what_is_stuck(
    app: Flask, staff: FlaskClient, case: str
) -> None:
    attempts, next_try_at, claimed_by, word = WAITING[case]
    store(app, pending(20, next_try_at, attempts=attempts, claimed_by=claimed_by))

    page = staff.get(LIST)

    text = text_of(page)
    assert f"State {word}" in text
    assert ("Nothing is stuck." in text) == (word not in {"overdue", "tried in vain"})
    assert f"Overdue {int(word == 'overdue')} " in text
    assert f"Tried in vain {int(word == 'tried in vain')} " in text
    assert "Waiting 1 " in text
    assert word in text_of(staff.get(f"{LIST}/evt_20"))


def test_where_nothing_is_stuck_the_page_says_so(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1), an_event(2, state="ignored", reason="not_ours"), pending(0, NOW))

    text = text_of(staff.get(LIST))

    assert "Nothing is stuck." in text
    assert "Some events are stuck." not in text


# Counts


def test_counts_are_links(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1), an_event(2), an_event(3, state="ignored"), failed(4), pending(5, NOW))
    page = staff.get(LIST)

    assert "Failed 1 " in text_of(page)
    assert listed(staff.get(link(page, "Processed <"))) == ["evt_1", "evt_2"]
    assert listed(staff.get(link(page, "Ignored <"))) == ["evt_3"]
    assert listed(staff.get(link(page, "Failed <"))) == ["evt_4"]
    assert listed(staff.get(link(page, "Waiting <"))) == ["evt_5"]
    assert listed(staff.get(link(page, "All<"))) == [f"evt_{n}" for n in (1, 2, 3, 4, 5)]


def test_counting_ends_somewhere(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 3)
    monkeypatch.setattr("flask_billing.web.staff.presenting.COUNTED", 3)
    store(app, *(failed(n) for n in range(1, 6)), *(an_event(n) for n in range(10, 13)))

    text = text_of(staff.get(LIST))
    with app.app_context():
        counted = listing.counts()

    assert counted["failed"].number == 4
    assert "3+ events have failed At the latest since Nov 22" in text
    assert "Failed 3+ " in text
    assert "Processed 3 " in text


# Filters


FINDS = {
    "state=failed": ["evt_4"],
    "state=ignored&type=&id=&age=": ["evt_2"],
    "type=customer.updated": ["evt_3"],
    "type=customer.*": ["evt_3", "evt_90"],
    "type=payment_method.*&state=processed": ["evt_1"],
    "type= customer.updated ": ["evt_3"],
    "id=evt_2": ["evt_2"],
    "id=pm_2": ["evt_2"],
    "id=cus_other": ["evt_3", "evt_90"],
    "age=1h": ["evt_1", "evt_2", "evt_3", "evt_4"],
    "age=1d&type=customer.*": ["evt_3", "evt_90"],
    "type=payment.*": [],
    "id=evt_": [],
}


def store_variety(app: Flask) -> None:
    store(
        app,
        an_event(1),
        an_event(2, state="ignored", reason="not_ours"),
        an_event(3, type="customer.updated", customer_id="cus_other"),
        failed(4),
        an_event(90, type="customer.tax_id.created", customer_id="cus_other"),
    )


@pytest.mark.parametrize("query", FINDS)
def test_filters_find_what_fits(app: Flask, staff: FlaskClient, query: str) -> None:
    store_variety(app)

    page = staff.get(f"{LIST}?{query}")

    assert listed(page) == FINDS[query]
    assert ("No event fits" in page.text) == (not FINDS[query])


def test_wildcards_of_the_database_are_letters_like_others(app: Flask, staff: FlaskClient) -> None:
    store(app, an_event(1, type="payment_method.attached"), an_event(2, type="paymentxmethod.a"))

    assert listed(staff.get(f"{LIST}?type=payment_method.*")) == ["evt_1"]


HOSTILE = [
    "state=nonsense",
    "state=failed&state=ignored",
    "age=-1",
    "age=999999999999d",
    "type=%25",
    "type=' OR 1=1 --",
    "type=%00",
    "type=%FF%FE",
    "type=" + "x" * 5000,
    "type=.*.*",
    "id=%00",
    "id=%ED%A0%80",
    "id=\U0001f4b3",
    "id=" + "9" * 5000,
    "older=nonsense",
    "older=-1",
    "older=9999999999999999-" + "f" * 32,
    "older=99999999999999999999-" + "f" * 32,
    "older=0-" + "0" * 32,
    "newer=0-" + "0" * 32,
    "newer=9999999999999999-" + "f" * 32,
    "newer=٣-" + "f" * 32,
    "newer=%00&older=%00&state=%00&type=%00&id=%00&age=%00",
    "unknown=1",
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_queries_never_break_the_list(app: Flask, staff: FlaskClient, number: int) -> None:
    store_variety(app)

    page = staff.get(f"{LIST}?{HOSTILE[number]}")

    assert page.status_code == 200
    assert "<h1" in page.text


@pytest.mark.parametrize(
    "event_id", ["evt_2", "%00", "evt_1%00", "evt_1'", "evt_1%20", "x" * 5000, "%F0%9F%92%B3"]
)
def test_event_that_is_not_there_is_404(app: Flask, staff: FlaskClient, event_id: str) -> None:
    store(app, an_event(1))

    assert staff.get(f"{LIST}/{event_id}").status_code == 404
    assert staff.post(f"{LIST}/{event_id}").status_code == 404


def test_what_was_typed_is_kept_and_is_only_text(app: Flask, staff: FlaskClient) -> None:
    store_variety(app)

    page = staff.get(f'{LIST}?type="><b>customer&age=7d&state=failed')

    assert 'value="&#34;&gt;&lt;b&gt;customer"' in page.text
    assert '<option value="7d" selected>' in page.text
    assert '<option value="failed" selected>' in page.text


# Pages


def test_pages_lead_from_one_to_the_next_and_back(app: Flask, staff: FlaskClient) -> None:
    store(app, *(an_event(n) for n in range(120)))
    all_ids = [f"evt_{n}" for n in range(120)]

    first = staff.get(LIST)
    second = staff.get(link(first, "Older events"))
    third = staff.get(link(second, "Older events"))
    second_again = staff.get(link(third, "Newer events"))
    first_again = staff.get(link(second_again, "Newer events"))

    assert listed(first) + listed(second) + listed(third) == all_ids
    assert listed(second_again) == listed(second)
    assert listed(first_again) == listed(first)
    assert "Newer events" not in first.text
    assert "Older events" not in third.text
    assert "Newer events" not in first_again.text


def test_pages_keep_the_filters(app: Flask, staff: FlaskClient) -> None:
    kinds = ["customer.updated", "payment_method.attached"]
    store(app, *(an_event(n, type=kinds[n % 2]) for n in range(130)))

    first = staff.get(f"{LIST}?type=customer.*&state=processed&age=1d")
    second = staff.get(link(first, "Older events"))
    back = staff.get(link(second, "Newer events"))

    assert listed(first) + listed(second) == [f"evt_{n}" for n in range(0, 130, 2)]
    assert listed(back) == listed(first)


def test_what_arrives_meanwhile_does_not_move_the_pages(app: Flask, staff: FlaskClient) -> None:
    store(app, *(an_event(n) for n in range(10, 80)))
    first = staff.get(LIST)
    store(app, *(an_event(n) for n in range(5)))

    second = staff.get(link(first, "Older events"))
    newest = staff.get(link(second, "Newer events"))

    assert listed(second) == [f"evt_{n}" for n in range(60, 80)]
    assert listed(newest) == listed(first)
    assert listed(staff.get(link(newest, "Newer events")))[0] == "evt_0"


def test_page_that_is_full_has_no_empty_one_behind(app: Flask, staff: FlaskClient) -> None:
    store(app, *(an_event(n) for n in range(listing.PAGE_SIZE)))

    page = staff.get(LIST)

    assert len(listed(page)) == listing.PAGE_SIZE
    assert "Older events" not in page.text


def test_paging_filters_and_counts_are_right_on_every_database(database_url: str) -> None:
    app = make_app(database_url)
    staff = client_of(app)
    # All in the same microsecond: the id decides.
    same = [an_event(n, received_at=NOW - HOUR) for n in range(160)]
    store(app, *same, failed(200), pending(201, NOW - HOUR), pending(202, NOW, attempts=3))

    pages = [staff.get(f"{LIST}?type=payment_method.*")]
    while "Older events" in pages[-1].text:
        pages.append(staff.get(link(pages[-1], "Older events")))
    back = [pages[-1]]
    while "Newer events" in back[-1].text:
        back.append(staff.get(link(back[-1], "Newer events")))

    ids = [event_id for page in pages for event_id in listed(page)]
    assert sorted(ids) == sorted(f"evt_{n}" for n in (*range(160), 200, 201, 202))
    assert [listed(page) for page in reversed(back)] == [listed(page) for page in pages]
    text = text_of(pages[0])
    assert "1 event has failed Since Nov 22, 08:40:01 UTC" in text
    assert "Failed 1 Overdue 1 Tried in vain 1 Waiting 2 Processed 160 Ignored 0" in text
    assert listed(staff.get(f"{LIST}?state=retrying&age=1d&id=cus_1")) == ["evt_202"]
    assert staff.get(f"{LIST}?id=%00&type=%00").status_code == 200
    assert staff.post(f"{LIST}/evt_200").status_code == 303
    assert stored(app, "evt_200").state == "pending"


def test_list_costs_the_same_statements_for_few_and_many(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(1), an_event(2))
    with counted_statements() as few:
        staff.get(LIST)
    store(app, *(failed(n) for n in range(3, 200)))

    with counted_statements() as many:
        staff.get(LIST)

    assert len(many) == len(few) == 2


# One event


def test_event_tells_its_story_in_the_order_of_time(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(60, error_class="GatewayRefusal", error_code="resource_missing"))
    event_id = stored(app, "evt_60").id
    done = [("shop.count", 50), ("shop.tell_owner", 55)]
    rows = [
        BillingEventHandling(event_id=event_id, handler=name, done_at=NOW - timedelta(minutes=ago))
        for name, ago in done
    ]
    store(app, *rows)

    text = text_of(staff.get(f"{LIST}/evt_60"))

    story = [
        "It happened at Stripe. Nov 22, 10:59:58 UTC (1 hour ago)",
        "It arrived here. Nov 22, 11:00:00 UTC (1 hour ago)",
        "The handler shop.tell_owner has dealt with it. Nov 22, 11:05:00 UTC",
        "The handler shop.count has dealt with it. Nov 22, 11:10:00 UTC",
        "It was tried 12 times, of at most 12.",
        "It was given up. Nov 22, 11:00:01 UTC",
    ]
    places = [text.index(step) for step in story]
    assert places == sorted(places)
    assert "failed : Stripe refused what was asked for GatewayRefusal resource_missing" in text
    assert "Mend what is wrong, then repeat it." in text


def test_event_shows_its_ids_and_the_twins_on_the_command_line(
    app: Flask, staff: FlaskClient
) -> None:
    values = {
        "account_id": "acct_9",
        "api_version": "2026-10-28.endive",
        "idempotency_key": "setup-0197f000-0000-7000-8000-000000000001",
    }
    store(app, an_event(7, **values))

    page = staff.get(f"{LIST}/evt_7")

    text = text_of(page)
    for value in ("evt_7", "pm_7", "cus_1", *values.values()):
        assert value in text
    assert "flask billing events replay evt_7" in text
    assert "flask billing events show evt_7" in text
    assert listed(staff.get(link(page, "pm_7"))) == ["evt_7"]
    assert listed(staff.get(link(page, "cus_1"))) == ["evt_7"]


WHYS = [
    ({"state": "ignored", "reason": "unknown_type"}, "nothing here deals with this type"),
    ({"state": "ignored", "reason": "connected_account"}, "it happened on a connected account"),
    ({"state": "ignored", "reason": "not_ours"}, "its object is none of ours"),
    ({"state": "ignored", "reason": "made_later"}, "made_later"),
    ({"state": "failed", "error_class": "Abandoned"}, "whoever was at work on it never came back"),
    ({"state": "failed", "error_class": "NotYet"}, "something that it builds on is not known"),
    ({"state": "failed", "error_class": "KeyError"}, "the code that deals with it failed"),
]


@pytest.mark.parametrize("number", range(len(WHYS)))
def test_reason_is_told_in_words(app: Flask, staff: FlaskClient, number: int) -> None:
    values, words = WHYS[number]
    store(app, an_event(1, **values))

    assert words in staff.get(LIST).text
    assert words in staff.get(f"{LIST}/evt_1").text


def test_handlers_of_the_host_are_shown_with_what_they_have_done(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing._hooks, "event_handlers", [])
    for name in ("shop.done", "shop.not_yet"):
        billing.on("payment_method.*", name=name)(lambda notice: None)
    billing.on("customer.updated", name="shop.other")(lambda notice: None)
    store(app, failed(1))
    store(app, BillingEventHandling(event_id=stored(app).id, handler="shop.done"))

    text = text_of(staff.get(f"{LIST}/evt_1"))

    assert "shop.done done" in text
    assert "shop.not_yet not done" in text
    assert "shop.other" not in text


def test_event_of_two_handlers_with_one_name_can_be_looked_at(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing._hooks, "event_handlers", [])
    for pattern in ("payment_method.*", "payment_method.attached"):
        billing.on(pattern)(make_listener())
    store(app, failed(1), failed(2, type="payment_method.updated"))

    statuses = [staff.get(f"{LIST}/evt_{number}").status_code for number in (1, 2)]

    assert statuses == [200, 200]


def make_listener() -> Callable[[Notice], None]:
    def listen(notice: Notice) -> None:
        """Do nothing."""

    return listen


def test_event_page_costs_two_statements(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(1))

    with counted_statements() as statements:
        staff.get(f"{LIST}/evt_1")

    assert len(statements) == 2


# Repeating


def test_failed_event_is_repeated(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(1), failed(2))

    response = staff.post(f"{LIST}/evt_1", follow_redirects=True)

    assert response.request.path == f"{LIST}/evt_1"
    assert "The event is processed once more in a moment." in response.text
    repeated = stored(app, "evt_1")
    assert (repeated.state, repeated.attempts, repeated.next_try_at) == ("pending", 0, NOW)
    assert repeated.error_class is None
    assert stored(app, "evt_2").state == "failed"


def test_repeating_is_noted_with_what_came_of_it(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing._hooks, "actor", lambda: 42)
    in_work = pending(2, NOW + HOUR, claimed_by=uuid7(), attempts=1)
    store(app, failed(1), in_work)

    for stripe_id in ("evt_1", "evt_2"):
        staff.post(f"{LIST}/{stripe_id}")

    with app.app_context():
        entries = {entry.object_id: entry for entry in auditing.entries(object_type="event")}
        assert {e.action for e in entries.values()} == {"repeat_event"}
        assert {key: e.outcome for key, e in entries.items()} == {
            "evt_1": "done",
            "evt_2": "refused",
        }
        assert {e.made_by for e in entries.values()} == {"42"}


def test_repeating_twice_is_as_good_as_once(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(1), an_event(2))

    responses = [staff.post(f"{LIST}/evt_1") for _ in range(2)]

    assert [response.status_code for response in responses] == [303, 303]
    assert stored(app).state == "pending"
    assert stored(app, "evt_2").state == "processed"


def test_event_that_a_worker_is_at_is_left_to_it(app: Flask, staff: FlaskClient) -> None:
    claim = uuid7()
    store(app, pending(1, NOW + HOUR, attempts=1, claimed_by=claim))

    page = staff.get(f"{LIST}/evt_1")
    response = staff.post(f"{LIST}/evt_1", follow_redirects=True)

    assert "Repeat this event" not in page.text
    assert "A worker is at work on this event right now." in response.text
    assert stored(app).claimed_by == claim


def test_event_whose_worker_never_came_back_can_be_repeated(app: Flask, staff: FlaskClient) -> None:
    store(app, pending(1, NOW - timedelta(seconds=1), attempts=1, claimed_by=uuid7()))

    page = staff.get(f"{LIST}/evt_1")
    staff.post(f"{LIST}/evt_1")

    assert "Repeat this event" in page.text
    assert stored(app).claimed_by is None


def test_event_that_stays_locked_is_left_to_its_worker(mariadb_url: str) -> None:
    impatient = {"connect_args": {"init_command": "SET innodb_lock_wait_timeout = 1"}}
    app = make_app(mariadb_url, SQLALCHEMY_ENGINE_OPTIONS=impatient)
    late = NOW - timedelta(seconds=1)
    store(app, *(pending(n, late, attempts=1, claimed_by=uuid7()) for n in (1, 2)))
    staff = client_of(app)

    with app.app_context(), db.engine.connect() as worker:
        # As a handler that hangs keeps the event by the note that it runs.
        one = select(BillingEvent.id).where(BillingEvent.stripe_id == "evt_1")
        worker.execute(one.with_for_update())
        locked = staff.post(f"{LIST}/evt_1", follow_redirects=True)
        free = staff.post(f"{LIST}/evt_2", follow_redirects=True)

    assert "A worker is at work on this event right now." in locked.text
    assert "The event is processed once more in a moment." in free.text
    assert stored(app, "evt_1").claimed_by is not None
    assert stored(app, "evt_2").claimed_by is None


def test_repeating_wakes_the_workers(app: Flask, staff: FlaskClient) -> None:
    woken: list[str] = []
    app.extensions["billing"].wake_workers = lambda: woken.append("once")
    store(app, failed(1))

    staff.post(f"{LIST}/evt_1")

    assert woken == ["once"]


class TestWithoutWorkers:
    """Where web workers process events after a response, they do so for a repeated one too."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_EVENT_PROCESSING": "after_response"}

    def test_repeated_event_is_processed(self, app: Flask, staff: FlaskClient) -> None:
        store(app, failed(1, type="plan.created"))

        staff.post(f"{LIST}/evt_1").close()

        assert stored(app).state == "ignored"


class TestWithCsrf:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"WTF_CSRF_ENABLED": True}

    def test_repeating_needs_the_token_of_the_page(self, app: Flask, staff: FlaskClient) -> None:
        store(app, failed(1))

        refused = staff.post(f"{LIST}/evt_1")
        state = stored(app).state
        token = token_on(staff.get(f"{LIST}/evt_1"))
        passed = staff.post(f"{LIST}/evt_1", data={"csrf_token": token})

        assert (refused.status_code, state, passed.status_code) == (400, "failed", 303)
        assert stored(app).state == "pending"


# In the host's clothes and the reader's language


def test_pages_speak_german(app: Flask, staff: FlaskClient) -> None:
    store(app, failed(600), failed(120), an_event(1, state="ignored", reason="not_ours"))
    german = {"Accept-Language": "de"}

    text = text_of(staff.get(LIST, headers=german))
    story = text_of(staff.get(f"{LIST}/evt_600", headers=german))

    assert "2 Ereignisse sind fehlgeschlagen Seit 22. Nov., 02:00:01 UTC (vor 10 Stunden)" in text
    assert "sein Objekt gehört nicht zu uns" in text
    assert "Es ist hier eingetroffen. 22. Nov., 02:00:00 UTC (vor 10 Stunden)" in story


def test_single_block_can_be_replaced(app: Flask, staff: FlaskClient) -> None:
    give_templates(
        app,
        billing__staff__events='{% extends "billing/staff/_events.html" %}'
        "{% block billing_counts %}<p>ours</p>{% endblock %}",
    )

    page = staff.get(LIST).text

    assert "<p>ours</p>" in page
    assert "Processed <" not in page
    assert "Nothing is stuck." in page


class TestInTheLayoutOfTheHost:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_LAYOUT": "base.html"}

    def test_pages_fill_the_blocks_of_the_host(self, app: Flask, staff: FlaskClient) -> None:
        base = (
            "<title>{% block title %}Harbour{% endblock %}</title>{% block head %}own{% endblock %}"
            "<main>{% block content %}{% endblock %}</main>"
        )
        give_templates(app, base=base)

        page = staff.get(LIST).text

        assert "<title>Events · Harbour</title>" in page
        assert "billing.css" in page
        assert "staff.css" in page
        assert "own" in page
