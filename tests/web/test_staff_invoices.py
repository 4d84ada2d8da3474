"""What staff see of the money: where invoices stand, what is stuck, and the story of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import null

from flask_billing import (
    AuditEntry,
    Dispute,
    Invoice,
    InvoiceCollection,
    InvoicePayment,
    InvoiceRefund,
    Notification,
    PaymentMethod,
    auditing,
    clock,
    projects,
)
from flask_billing.cli.timeline import standing
from flask_billing.cli.unclosed import of_closing
from flask_billing.ids import uuid7
from flask_billing.invoicing import PARKED_BECAUSE
from flask_billing.models import BilledProjectRow, BillingEvent, BillingInfo, BillingWorker
from flask_billing.web.staff import keyset
from flask_billing.web.staff.standings import STANDINGS, standing_of
from flask_billing.web.staff.words import of_project_parking
from tests.host import Project, billing, create_app, db
from tests.web.owing import add_attempt
from tests.web.spending import at
from tests.web.test_index import text_of as words_of
from tests.web.test_staff import client_of, counted_statements, link

NOW = at(9, 20, 12)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIST = "/billing/staff/invoices"
AUDIT = "/billing/staff/audit"
HEALTH = "/billing/staff/health"
UNKNOWN = UUID(int=99)
ADDRESSES = [
    ("GET", LIST),
    ("GET", f"{LIST}/{UNKNOWN}"),
    ("GET", AUDIT),
    ("GET", HEALTH),
    ("GET", f"/billing/staff/payment-methods/{UNKNOWN}/accept"),
    ("POST", f"/billing/staff/payment-methods/{UNKNOWN}/accept"),
    *(
        (method, f"{LIST}/{UNKNOWN}/{deed}")
        for method in ("GET", "POST")
        for deed in ("retry", "unpark", "refund", "lower", "write-off", "void")
    ),
]


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with clock.moved(lambda: NOW):
        yield


@pytest.fixture(autouse=True)
def _hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_staff() -> bool:
        return request.headers.get("X-Person") == "staff"

    monkeypatch.setattr(billing._hooks, "staff_required", is_staff)


def make_app(url: str, **settings: Any) -> Flask:
    app = create_app(url, **{"STRIPE_SECRET_KEY": "sk_test_1", **settings})
    with app.app_context():
        db.create_all()
        rows = [BilledProjectRow(project_key=key) for key in ("one", "two")]
        db.session.add_all([Project(id=1, name="own"), *rows])
        db.session.commit()
    return app


@pytest.fixture
def app(sqlite_url: str) -> Flask:
    return make_app(sqlite_url)


@pytest.fixture
def staff(app: Flask) -> FlaskClient:
    """The browser of somebody who is staff."""
    return client_of(app)


def text_of(page: Any) -> str:
    return words_of(page).replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")


def an_invoice(
    month: int = 8, *, key: str = "one", collection: dict[str, Any] | None = None, **values: Any
) -> Invoice:
    """An invoice over 12.00 USD; what is said of its collection makes it have one."""
    usual = {
        "id": uuid7(),
        "project_key": key,
        "period_start": at(month, 1),
        "period_end": at(month + 1, 1),
        "state": "open",
        "currency": "usd",
        "gross": 1200,
        "subtotal": 1200,
        "due": 1200,
        "line_count": 1,
        "closed_at": at(month + 1, 1, 1),
    }
    invoice = Invoice(**usual | values)
    if collection is not None:
        row = {"livemode": False, "state_since": NOW - DAY, "next_try_at": NOW + HOUR}
        invoice.collection = InvoiceCollection(invoice_id=invoice.id, **row | collection)
    return invoice


def store(app: Flask, *rows: Any) -> None:
    with app.app_context():
        db.session.add_all(rows)
        db.session.commit()


def work(app: Flask, seen_at: datetime = NOW, **values: Any) -> None:
    """Have a worker that was seen at a moment."""
    usual = {"kind": "run", "started_at": seen_at - HOUR, "seen_at": seen_at}
    store(app, BillingWorker(**usual | values))


def listed(page: Any) -> list[str]:
    """The ids of the invoices of the table, in their order."""
    found: list[str] = re.findall(rf'class="billing-event" href="{LIST}/([0-9a-f-]+)"', page.text)
    return found


def each_standing() -> dict[str, Invoice]:
    """Invoices in everything that `STANDINGS` knows, by its name."""
    bare = {"due": 0, "subtotal": 0, "gross": 0}
    return {
        "parked": an_invoice(1, collection={"state": "parked", "reason": "amount_differs"}),
        "past_due": an_invoice(2, collection={"state": "past_due", "needs": "payment_method"}),
        "owner": an_invoice(3, collection={"state": "waiting", "needs": "confirmation"}),
        "waiting": an_invoice(4, collection={"state": "waiting"}),
        "processing": an_invoice(5, collection={"state": "processing"}),
        "transfer": an_invoice(6, collection={"state": "transfer"}),
        "paid": an_invoice(7, state="paid", collection={"state": "done", "total": 1428}),
        "written_off": an_invoice(8, state="uncollectible", collection={"state": "done"}),
        "nothing": an_invoice(9, state="closed", **bare),
        "void": an_invoice(10, state="void", live_marker=None, collection={"state": "done"}),
    }


# Who sees them


@pytest.mark.parametrize("person", ["", "owner"])
def test_nobody_but_staff_learns_that_the_pages_exist(app: Flask, person: str) -> None:
    client = client_of(app, person)

    with counted_statements() as statements:
        found = {address: client.open(address[1], method=address[0]) for address in ADDRESSES}

    assert {response.status_code for response in found.values()} == {404}
    assert statements == []


def test_invoice_of_the_other_mode_is_nowhere(app: Flask, staff: FlaskClient) -> None:
    live, test = an_invoice(7, collection={"livemode": True}), an_invoice(8, collection={})
    live_id, test_id = live.id, test.id
    store(app, live, test)

    assert listed(staff.get(LIST)) == [str(test_id)]
    assert staff.get(f"{LIST}/{live_id}").status_code == 404
    assert staff.get(f"{LIST}/{live_id}/void").status_code == 404
    assert "Waiting 1" in text_of(staff.get(LIST))


# Where invoices stand


def test_every_invoice_is_counted_once_where_it_stands(app: Flask, staff: FlaskClient) -> None:
    invoices = each_standing()
    ids = {name: str(invoice.id) for name, invoice in invoices.items()}
    assert set(invoices) == set(STANDINGS)
    assert {name: standing_of(invoice) for name, invoice in invoices.items()} == {
        name: name for name in STANDINGS
    }
    store(app, *invoices.values())

    page = staff.get(LIST)

    assert (
        "All Parked 1 Past due 1 Need their owner 1 Waiting 1 At a bank 1 By transfer 1 Paid 1 "
        "Written off 1 Nothing to pay 1 Void 1"
    ) in text_of(page)
    for name, invoice_id in ids.items():
        assert listed(staff.get(f"{LIST}?state={name}")) == [invoice_id], name


def test_invoice_without_a_collection_waits(app: Flask, staff: FlaskClient) -> None:
    invoice = an_invoice(state="closed")
    assert standing_of(invoice) == "waiting"
    store(app, invoice)

    page = staff.get(f"{LIST}?state=waiting")

    assert "12.00 USD" in text_of(page)
    assert len(listed(page)) == 1


def test_list_says_why_and_how_much(app: Flask, staff: FlaskClient) -> None:
    store(app, *each_standing().values())

    text = text_of(staff.get(LIST))

    assert "State parked At Stripe it comes to another amount than here. Amount" in text
    assert "State needs its owner A bank wants its owner to confirm the payment." in text
    assert "State paid Amount 14.28 USD" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1, 0]),
        ("project=one", [2, 0]),
        ("project=nobody", []),
        ("period=2026-08", [3, 2]),
        ("period=2026-13", [3, 2, 1, 0]),
        ("currency=EUR", [3]),
        ("currency=%00", [3, 2, 1, 0]),
        ("project=two&period=2026-07", [1]),
        ("id=in_2", [2]),
        ("state=nonsense", [3, 2, 1, 0]),
    ],
)
def test_invoices_are_found_by_what_the_address_says(
    app: Flask, staff: FlaskClient, query: str, found: list[int]
) -> None:
    places = [(7, "one", "usd"), (7, "two", "usd"), (8, "one", "usd"), (8, "two", "eur")]
    ids = [UUID(int=number + 1) for number in range(4)]
    store(
        app,
        *(
            an_invoice(
                month,
                id=ids[number],
                key=key,
                currency=currency,
                collection={"stripe_id": f"in_{number}"},
            )
            for number, (month, key, currency) in enumerate(places)
        ),
    )

    page = staff.get(f"{LIST}?{query}")

    assert listed(page) == [str(ids[number]) for number in found]
    assert listed(staff.get(f"{LIST}?id={ids[1]}")) == [str(ids[1])]


def test_pages_follow_each_other_and_keep_the_filter(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "PAGE_SIZE", 2)
    ids = [UUID(int=number + 1) for number in range(5)]
    store(app, *(an_invoice(number + 1, id=ids[number]) for number in range(5)))
    other = an_invoice(1, key="two")
    store(app, other)

    first = staff.get(f"{LIST}?project=one")
    second = staff.get(link(first, "Older invoices"))
    third = staff.get(link(second, "Older invoices"))
    back = staff.get(link(third, "Newer invoices"))

    shown = [listed(page) for page in (first, second, third)]
    assert shown == [[str(ids[n]) for n in part] for part in ([4, 3], [2, 1], [0])]
    assert listed(back) == listed(second)
    assert "Older invoices" not in third.text
    assert "Newer invoices" not in first.text


def test_list_costs_the_same_statements_for_few_and_many(app: Flask, staff: FlaskClient) -> None:
    work(app)
    store(app, *(an_invoice(n, collection={"state": "parked"}) for n in (1, 2)))
    with counted_statements() as few:
        staff.get(LIST)
    store(app, *(an_invoice(n, collection={"state": "parked"}) for n in range(3, 11)))

    with counted_statements() as many:
        staff.get(LIST)

    assert len(many) == len(few)


# What is stuck


def test_nothing_is_stuck_while_a_worker_is_at_work(app: Flask, staff: FlaskClient) -> None:
    work(app, NOW - timedelta(minutes=4))
    store(app, an_invoice(collection={}))

    assert "Nothing is stuck." in text_of(staff.get(LIST))


def test_silent_worker_comes_first_with_what_to_type(app: Flask, staff: FlaskClient) -> None:
    work(app, NOW - HOUR)
    store(app, an_invoice(collection={"state": "past_due"}))

    text = text_of(staff.get(LIST))

    assert "Somebody has to look at this. No worker is at work Since Sep 20, 11:00:00 UTC" in text
    assert text.index("flask billing run") < text.index("Past due invoices: 1")


def test_what_is_stuck_is_named_with_since_when_and_what_to_do(
    app: Flask, staff: FlaskClient
) -> None:
    work(app)
    parked = [an_invoice(n, collection={"state": "parked", "reason": "refused"}) for n in (1, 2)]
    late = an_invoice(3, collection={"next_try_at": NOW - 2 * HOUR})
    lost = an_invoice(4, state="paid", collection={"state": "done"})
    ids = [str(invoice.id) for invoice in (*parked, late, lost)]
    store(app, *parked, late, lost)
    store(
        app,
        InvoiceRefund(
            invoice_id=UUID(ids[3]),
            state="failed",
            in_flight_marker=None,
            amount=500,
            currency="usd",
            reason="goodwill",
            ended_at=NOW - HOUR,
        ),
        Notification(
            kind="receipt",
            topic="receipt:1",
            role="members",
            livemode=False,
            state="unknown",
            created_at=NOW - 3 * HOUR,
            ended_at=NOW - 2 * HOUR,
        ),
    )

    page = staff.get(LIST)

    text = text_of(page)
    assert "Parked invoices: 2 Since Sep 19, 12:00:00 UTC (1 day ago)." in text
    assert "Invoices that nobody looked at: 1" in text
    assert "Refunds that failed or take long: 1" in text
    assert "Notifications that nobody knows of whether they arrived: 1" in text
    stuck = page.text[page.text.index("billing-groups") : page.text.index("billing-tallies")]
    assert set(re.findall(rf'href="{LIST}/([0-9a-f-]+)"', stuck)) == set(ids)
    assert set(listed(staff.get(link(page, "Parked invoices")))) == set(ids[:2])


def test_of_very_many_that_are_stuck_some_are_named_and_all_are_counted(
    app: Flask, staff: FlaskClient
) -> None:
    work(app)
    many = [
        an_invoice(
            month, key="one", collection={"state": "past_due", "state_since": NOW - month * DAY}
        )
        for month in range(1, 9)
    ]
    oldest_first = [str(invoice.id) for invoice in many[::-1]]
    store(app, *many)

    page = staff.get(LIST)

    assert "Past due invoices: 8 Since Sep 12, 12:00:00 UTC" in text_of(page)
    assert "and 3 more" in text_of(page)
    stuck = page.text[page.text.index("billing-groups") : page.text.index("billing-tallies")]
    assert re.findall(rf'href="{LIST}/([0-9a-f-]+)"', stuck) == oldest_first[:5]
    assert staff.get(HEALTH).get_json()["attention"]["invoices_past_due"] == 8


def test_try_without_an_outcome_leads_to_its_invoice(app: Flask, staff: FlaskClient) -> None:
    work(app)
    invoice_id, method_id = charged(app)
    add_attempt(app, invoice_id, method_id, created_at=NOW - 2 * DAY)

    page = staff.get(LIST)

    text = text_of(page)
    assert "Tries that nobody knows the outcome of: 1" in text
    assert f'href="{LIST}/{invoice_id}"' in page.text[: page.text.index("billing-tallies")]


def charged(app: Flask, **collection: Any) -> tuple[UUID, UUID]:
    """An open invoice, and a payment method of who pays it."""
    info = BillingInfo(stripe_id="cus_1")
    method = PaymentMethod(stripe_id="pm_1", billing_info=info, position=0)
    store(app, info, method)
    invoice = an_invoice(collection={"stripe_id": "in_1", **collection})
    invoice_id = invoice.id
    store(app, invoice)
    with app.app_context():
        return invoice_id, db.session.query(PaymentMethod.id).scalar()


def test_parked_projects_and_void_months_are_named_as_check_names_them(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "billing_label", "Engineering", raising=False)
    work(app)
    with app.app_context():
        row = db.session.query(BilledProjectRow).filter_by(project_key="1").one()
        row.parked_reason, row.parked_at, row.closed_until = "awaits_reissue", NOW - DAY, at(9, 1)
        late = db.session.query(BilledProjectRow).filter_by(project_key="two").one()
        late.closed_until = at(7, 1)
        db.session.commit()
    gone = {"state": "void", "live_marker": null(), "voided_at": NOW - HOUR}
    store(app, an_invoice(8, key="1", **gone, collection={"state": "done"}))

    text = text_of(staff.get(LIST))

    assert "Nothing is stuck." not in text
    assert "Months that are not closed: 2 They ended over a day ago." in text
    assert "Parked projects: 1 Since Sep 19, 12:00:00 UTC (1 day ago)." in text
    assert "Engineering 1 : The month of a void invoice is to be issued anew first." in text
    assert "Engineering 1 : August 2026 flask billing close --period 2026-08 --project 1" in text
    answer = staff.get(HEALTH).get_json()
    assert answer["failing"]["months_late"] == 2
    assert answer["attention"]["projects_parked"] == answer["attention"]["months_void"] == 1
    with app.app_context():
        found = [each.text for each in of_closing(projects.connection())]
    assert [text.split(" ")[:2] for text in found] == [
        ["Project", "1"],
        ["Periods", "that"],
        ["2026-08", "of"],
    ]


def test_every_reason_for_parking_a_project_has_words(app: Flask) -> None:
    with app.test_request_context():
        assert all(of_project_parking(reason) != reason for reason in PARKED_BECAUSE)


def test_what_was_never_brought_to_its_end_is_counted(app: Flask, staff: FlaskClient) -> None:
    work(app)
    info = BillingInfo(stripe_id="cus_1")
    store(app, PaymentMethod(stripe_id="pm_1", billing_info=info, leaving_at=NOW - 2 * HOUR))

    assert "being added or removed for over an hour: 1" in text_of(staff.get(LIST))
    assert staff.get(HEALTH).get_json()["attention"]["methods_waiting"] == 1


def test_what_is_to_be_typed_has_the_id_and_why_has_words(app: Flask, staff: FlaskClient) -> None:
    work(app)
    parked = an_invoice(1, collection={"state": "parked", "reason": "refused"})
    past_due = an_invoice(2, collection={"state": "past_due"})
    ids = [parked.id, past_due.id]
    store(app, parked, past_due)

    text = text_of(staff.get(LIST))

    assert f"Stripe refuses it. (1 day ago) flask billing unpark {ids[0]}" in text
    assert f"{ids[1]} of project one (1 day ago) flask billing retry {ids[1]}" in text
    assert "past_due" not in text[: text.index("All Parked")]


# The story of one


def test_invoice_tells_its_story_from_closed_to_paid(app: Flask, staff: FlaskClient) -> None:
    issued, tried, paid = at(9, 2, 1), at(9, 2, 2), at(9, 3, 4)
    invoice_id, method_id = charged(
        app, state="done", total=1428, tax=228, paid=1428, issued_at=issued, paid_at=paid
    )
    with app.app_context():
        db.session.get_one(Invoice, invoice_id).state = "paid"
        db.session.commit()
    declined = {"state": "declined", "code": "card_declined", "decline_code": "lost_card"}
    add_attempt(app, invoice_id, method_id, **declined, never_again=True, created_at=tried)
    by_staff = {"origin": "staff", "made_by": "42", "state": "succeeded"}
    in_that_second = paid + timedelta(milliseconds=400)
    add_attempt(app, invoice_id, method_id, **by_staff, created_at=in_that_second)
    store(
        app,
        InvoicePayment(
            invoice_id=invoice_id,
            stripe_id="inpay_1",
            charge_id="ch_1",
            state="paid",
            amount=1428,
            currency="usd",
            paid_at=paid,
        ),
        InvoiceRefund(
            invoice_id=invoice_id,
            state="succeeded",
            in_flight_marker=None,
            amount=300,
            currency="usd",
            reason="outage",
            credit_note_id="cn_1",
            made_by="43",
            created_at=at(9, 4),
        ),
        Dispute(
            stripe_id="du_1",
            kind="dispute",
            invoice_id=invoice_id,
            payment_method_id=method_id,
            state="needs_response",
            created_at=at(9, 5),
        ),
        Notification(
            kind="receipt",
            topic="receipt:1",
            role="members",
            invoice_id=invoice_id,
            livemode=False,
            state="sent",
            created_at=paid,
            ended_at=at(9, 3, 5),
        ),
        deed("refund", invoice_id, made_by="43", made_at=at(9, 4), reason="outage"),
    )

    page = staff.get(f"{LIST}/{invoice_id}")

    text = text_of(page)
    story = [
        "It was closed; 12.00 USD is due before tax. Sep 1, 01:00:00 UTC",
        "It was issued at Stripe over 14.28 USD. in_1 Sep 2, 01:00:00 UTC",
        f"Planned try over 10.00 USD: declined. payment method {method_id}",
        "card_declined lost_card never again, says the bank Sep 2, 02:00:00 UTC",
        "Try by staff over 10.00 USD: it was paid. By the person with the id 42. payment method",
        "14.28 USD reached Stripe. inpay_1 ch_1 Sep 3, 04:00:00 UTC",
        "It is paid. Sep 3, 04:00:00 UTC",
        "Notification of the payment, to its members: sent. Sep 3, 05:00:00 UTC",
        "Staff: Give money back: done. By the person with the id 43. outage on these pages Sep 4",
        "Refund, with a credit note, of 3.00 USD: done. By the person with the id 43. outage cn_1",
        "A bank asks for the money back. du_1 needs_response Sep 5",
    ]
    places = [text.find(part) for part in story]
    assert -1 not in places, [part for part in story if part not in text]
    assert places == sorted(places)
    assert "Total with tax 14.28 USD Tax 2.28 USD Paid 14.28 USD Left to pay 0.00 USD" in text
    assert "/accept" not in page.text


def deed(action: str, object_id: object, **values: Any) -> AuditEntry:
    """Something that staff did to an invoice."""
    usual = {"object_type": "invoice", "way": "web", "outcome": "done", "project_key": "one"}
    return AuditEntry(action=action, object_id=str(object_id), **usual | values)


def test_story_of_one_invoice_says_nothing_of_another(app: Flask, staff: FlaskClient) -> None:
    invoice_id, method_id = charged(app)
    other = an_invoice(7, key="two", collection={})
    other_id = other.id
    store(app, other)
    add_attempt(app, invoice_id, method_id)
    store(app, deed("retry", invoice_id, made_at=NOW))

    text = text_of(staff.get(f"{LIST}/{other_id}"))

    assert "Planned try" not in text
    assert "Staff:" not in text
    assert "Planned try" in text_of(staff.get(f"{LIST}/{invoice_id}"))


@pytest.mark.parametrize(
    ("state", "is_told"), [("open", False), ("canceled", False), ("processing", True)]
)
def test_payment_is_under_way_only_while_a_bank_has_it(
    app: Flask, staff: FlaskClient, state: str, is_told: bool
) -> None:
    invoice_id, method_id = charged(app)
    add_attempt(app, invoice_id, method_id, state="declined", code="card_declined")
    # What Stripe keeps of an invoice that it was asked to charge.
    payment = {"stripe_id": "inpay_1", "intent_id": "pi_1", "amount": 1428, "currency": "usd"}
    store(app, InvoicePayment(invoice_id=invoice_id, state=state, **payment))

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    said = "A payment of 14.28 USD is under way at a bank. inpay_1 pi_1"
    assert (said in text) is is_told
    assert ("inpay_1" in text) is is_told
    assert "declined" in text


def test_payment_that_all_waits_for_stands_where_it_began(app: Flask, staff: FlaskClient) -> None:
    invoice_id, _ = charged(app, state="processing")
    payment = {"stripe_id": "inpay_1", "state": "processing", "amount": 1428, "currency": "usd"}
    store(app, InvoicePayment(invoice_id=invoice_id, **payment))

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    assert "is under way at a bank. inpay_1 Sep 19, 12:00:00 UTC (1 day ago)" in text


def test_story_keeps_that_it_was_past_due_once_it_is_paid(app: Flask, staff: FlaskClient) -> None:
    invoice_id, _ = charged(app, state="done", paid_at=NOW - HOUR)
    stopped = {"kind": "past_due", "topic": "past_due:1", "invoice_id": invoice_id}
    store(
        app,
        *(
            Notification(
                role=role,
                livemode=False,
                state="skipped",
                created_at=NOW - DAY,
                ended_at=NOW,
                **stopped,
            )
            for role in ("members", "billing")
        ),
    )

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    assert text.count("It became past due.") == 1
    assert text.index("It became past due. Sep 19, 12:00:00 UTC") < text.index("It is paid.")
    assert "to its members: nobody to tell, or nothing to tell any more." in text
    assert "to its billing e-mail: no address, told as a member already, or nothing" in text


def test_story_has_the_failed_tries_on_stripes_own_page(app: Flask, staff: FlaskClient) -> None:
    """Those of ours are told as such: by our key, or by the time that they took."""
    invoice_id, method_id = charged(app, issued_at=NOW - DAY)
    ours = {"state": "declined", "intent_id": "pi_1", "ended_at": NOW - 2 * HOUR}
    add_attempt(app, invoice_id, method_id, **ours, created_at=NOW - 3 * HOUR)

    def failed(number: int, ago: timedelta, **values: Any) -> BillingEvent:
        usual = {"type": "payment_intent.payment_failed", "object_id": "pi_1", "livemode": False}
        return BillingEvent(
            stripe_id=f"evt_{number}", created_at=NOW - ago, received_at=NOW, **usual | values
        )

    store(
        app,
        failed(1, HOUR),
        failed(2, HOUR, object_id="pi_2"),
        failed(3, HOUR, idempotency_key="pay-1"),
        failed(4, 2.5 * HOUR),
        failed(5, HOUR, type="payment_intent.created"),
    )

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    assert text.count("A try to pay on Stripe's own page failed.") == 1
    assert "page failed. evt_1 Sep 20, 11:00:00 UTC" in text


def test_invoice_says_what_it_waits_for(app: Flask, staff: FlaskClient) -> None:
    again = NOW + 2 * DAY
    invoice_id, _ = charged(
        app, state="waiting", needs="payment_method", next_try_at=again, retry_at=again
    )

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    assert "It needs a payment method of its owner. It is tried again." in text
    assert "It is tried again. Sep 22, 12:00:00 UTC (in 2 days)" in text


@pytest.mark.parametrize(
    ("standing", "deeds"),
    [
        ("parked", ["unpark", "write-off", "void"]),
        ("past_due", ["retry", "write-off", "void"]),
        ("owner", ["retry", "write-off", "void"]),
        ("processing", ["write-off", "void"]),
        ("transfer", ["retry", "write-off", "void"]),
        ("paid", []),
        ("written_off", ["void"]),
        ("nothing", ["void"]),
        ("void", []),
    ],
)
def test_only_what_makes_sense_is_offered(
    app: Flask, staff: FlaskClient, standing: str, deeds: list[str]
) -> None:
    invoice = each_standing()[standing]
    invoice_id = invoice.id
    store(app, invoice)

    page = staff.get(f"{LIST}/{invoice_id}")

    assert re.findall(rf'href="{LIST}/{invoice_id}/([a-z-]+)"', page.text) == deeds
    for name in deeds:
        asked = staff.get(f"{LIST}/{invoice_id}/{name}")
        assert asked.status_code == 200
        assert f"flask billing {'invoices ' if name == 'void' else ''}{name} {invoice_id}" in (
            asked.text
        )
    assert ("Nothing: its story is over." in text_of(page)) == (not deeds)


def test_money_is_given_back_only_where_some_was_paid(app: Flask, staff: FlaskClient) -> None:
    """What is open is lowered instead, and of what was never issued there is nothing to lower."""
    issued, _ = charged(app)
    invoices = {
        "unissued": an_invoice(7, key="two", collection={}),
        "paid": an_invoice(6, state="paid", collection={"stripe_id": "in_2", "paid": 1428}),
        "free": an_invoice(5, state="paid", collection={"stripe_id": "in_3", "paid": 0}),
    }
    ids = {"issued": issued, **{name: invoice.id for name, invoice in invoices.items()}}
    store(app, *invoices.values())

    offered = {
        name: re.findall(
            rf'href="{LIST}/{invoice_id}/(refund|lower)"', staff.get(f"{LIST}/{invoice_id}").text
        )
        for name, invoice_id in ids.items()
    }

    assert offered == {"issued": ["lower"], "unissued": [], "paid": ["refund"], "free": []}


def test_nothing_is_left_to_pay_on_a_void_invoice(app: Flask, staff: FlaskClient) -> None:
    sums = {"state": "done", "stripe_id": "in_2", "total": 1550, "remaining": 1550}
    void = an_invoice(7, state="void", live_marker=null(), voided_at=NOW, collection=sums)
    invoice_id = void.id
    store(app, void)

    text = text_of(staff.get(f"{LIST}/{invoice_id}"))

    assert "Total with tax 15.50 USD" in text
    assert "Left to pay" not in text
    with app.app_context():
        told = list(standing(db.session.get_one(Invoice, invoice_id)))
    assert "with tax: 15.50 USD" in told
    assert not any("left to be paid" in line for line in told)


# The audit log


def test_audit_log_is_paged_and_found_by_invoice_and_project(
    app: Flask, staff: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "PAGE_SIZE", 2)
    invoice, other = an_invoice(7), an_invoice(8, key="two")
    ids = [invoice.id, other.id]
    store(app, invoice, other)
    same = NOW - HOUR
    store(
        app,
        deed("retry", ids[0], made_at=same, made_by="42"),
        deed("void", ids[0], made_at=same, outcome="refused"),
        deed("refund", ids[1], made_at=NOW, project_key="two", amount=300, currency="usd"),
        deed("repeat_event", "evt_1", made_at=NOW - DAY, object_type="event", project_key=None),
    )

    first = staff.get(AUDIT)
    second = staff.get(link(first, "Older entries"))

    actions = [re.findall(r"<strong>(.*?)</strong>", page.text) for page in (first, second)]
    assert actions[0][0] == "Give money back"
    assert sorted([actions[0][1], actions[1][0]]) == ["Make void", "Try again"]
    assert actions[1][1] == "Repeat an event"
    assert "3.00 USD" in text_of(first)
    assert link(second, '<span class="billing-id">event evt_1').endswith("/events/evt_1")
    of_one = staff.get(f"{AUDIT}?invoice={str(ids[0]).upper()}")
    assert sorted(re.findall(r"<strong>(.*?)</strong>", of_one.text)) == ["Make void", "Try again"]
    of_two = staff.get(f"{AUDIT}?project=two")
    assert re.findall(r"<strong>(.*?)</strong>", of_two.text) == ["Give money back"]
    assert "No entry fits" in text_of(staff.get(f"{AUDIT}?project=%00nobody"))


def test_empty_audit_log_says_what_will_be_here(staff: FlaskClient) -> None:
    assert "Nothing was done yet." in text_of(staff.get(AUDIT))


# For machines


def test_health_is_ok_while_the_work_goes_on(app: Flask, staff: FlaskClient) -> None:
    work(app)
    store(app, an_invoice(collection={}))

    response = staff.get(HEALTH)

    assert response.status_code == 200
    assert response.json["status"] == "ok"
    assert set(response.json["failing"].values()) == set(response.json["attention"].values()) == {0}


def test_health_counts_what_waits_for_a_person(app: Flask, staff: FlaskClient) -> None:
    work(app)
    store(app, *(an_invoice(n, collection={"state": "parked"}) for n in (1, 2)))

    response = staff.get(HEALTH)

    assert response.status_code == 200
    assert response.json["status"] == "attention"
    assert response.json["attention"]["invoices_parked"] == 2


def test_timer_may_leave_an_hour_between_its_calls(app: Flask, staff: FlaskClient) -> None:
    ended = NOW - timedelta(minutes=50)
    work(app, ended, kind="once", stopped_at=ended)

    assert staff.get(HEALTH).json["status"] == "ok"


@pytest.mark.parametrize("seen_at", [None, NOW - timedelta(minutes=6)])
def test_health_fails_where_nobody_works(
    app: Flask, staff: FlaskClient, seen_at: datetime | None
) -> None:
    if seen_at is not None:
        work(app, seen_at)

    response = staff.get(HEALTH)

    assert response.status_code == 503
    assert response.json["status"] == "failing"
    assert response.json["failing"]["workers_silent"] == 1


def test_health_fails_where_invoices_are_left_alone(app: Flask, staff: FlaskClient) -> None:
    work(app)
    store(app, an_invoice(collection={"next_try_at": NOW - 2 * HOUR}))

    response = staff.get(HEALTH)

    assert response.status_code == 503
    assert response.json["failing"]["invoices_late"] == 1


# On each database, and in each language


def test_pages_say_the_same_on_every_database(database_url: str) -> None:
    app = make_app(database_url)
    staff = client_of(app)
    invoices = each_standing()
    ids = {name: str(invoice.id) for name, invoice in invoices.items()}
    store(app, *invoices.values())
    store(app, deed("retry", ids["past_due"], made_at=NOW, reason=None))
    with app.app_context(), auditing.noted("void", "invoice", ids["waiting"], way="cli"):
        pass

    page = staff.get(LIST)

    assert "Parked 1 Past due 1 Need their owner 1 Waiting 1" in text_of(page)
    assert sorted(listed(page)) == sorted(ids.values())
    for name, invoice_id in ids.items():
        assert listed(staff.get(f"{LIST}?state={name}&project=one")) == [invoice_id]
        assert staff.get(f"{LIST}/{invoice_id}").status_code == 200
    assert "Staff: Try again: done." in text_of(staff.get(f"{LIST}/{ids['past_due']}"))
    assert "Staff: Make void: done." in text_of(staff.get(f"{LIST}/{ids['waiting']}"))
    assert len(re.findall("<strong>", staff.get(f"{AUDIT}?invoice={ids['waiting']}").text)) == 1
    assert staff.get(HEALTH).json["attention"]["invoices_parked"] == 1


@pytest.mark.parametrize("path", [LIST, AUDIT])
def test_pages_are_private_and_need_neither_script_nor_inline_style(
    app: Flask, staff: FlaskClient, path: str
) -> None:
    store(app, *each_standing().values(), deed("retry", UNKNOWN))

    page = staff.get(path)

    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script|<style| style=| on[a-z]+=", page.text)
