"""What staff do with invoices: asked first, done once, refused in words, and noted with who."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from flask_billing import (
    AuditEntry,
    Dispute,
    Invoice,
    InvoiceCollection,
    InvoiceRefund,
    PaymentMethod,
    clock,
    collecting,
    projects,
)
from flask_billing.invoicing.reissuing import unissued
from flask_billing.periods import month_of
from tests.host import billing, db
from tests.web.conftest import OTHER, Person, method_ids
from tests.web.owing import add_attempt, close, set_back, use_and_close
from tests.web.spending import add_record, at, begin
from tests.web.test_index import text_of as words_of

NOW = at(9, 2)
VISA, MASTERCARD, FAILING = "4242424242424242", "5555555555554444", "4000000000000341"
LIST = "/billing/staff/invoices"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _september(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(8, 1))
        yield


@pytest.fixture(autouse=True)
def _staff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is staff, and is called staff-7."""
    monkeypatch.setattr(billing._hooks, "staff_required", lambda: True)
    monkeypatch.setattr(billing._hooks, "actor", lambda: "staff-7")


def text_of(page: Any) -> str:
    return words_of(page).replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")


def owe(app: Flask, person: Person, card: str = FAILING) -> UUID:
    """Have a project owe what its card pays or does not pay."""
    person.save_card(card)
    [august] = use_and_close(app, person.project_id)
    with app.app_context():
        collecting.collect()
    return august


def ask(person: Person, address: str) -> TestResponse:
    return person.client.get(address)


def do(person: Person, address: str, **data: str) -> TestResponse:
    """Open the page that asks, fill it in and send it."""
    asked = ask(person, address)
    assert asked.status_code == 200, asked.text
    return person.client.post(address, data={"entry_id": entry_id_on(asked), **data})


def entry_id_on(page: Any) -> str:
    found = re.search(r'name="entry_id" value="([0-9a-f-]{36})"', page.text)
    assert found is not None
    return found[1]


def told(person: Person, response: TestResponse) -> str:
    """What the page says that the answer leads to."""
    assert response.status_code == 303, text_of(response)
    return text_of(person.client.get(response.location))


def noted(app: Flask) -> list[tuple[str, str, str | None, str]]:
    """What is in the audit log: what, with what outcome, why, and who."""
    with app.app_context():
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.made_at))
        assert all(entry.way == "web" for entry in entries)
        entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.made_at))
        return [(e.action, e.outcome, e.reason, e.made_by or "") for e in entries]


def state_of(app: Flask, invoice_id: UUID) -> tuple[str, str]:
    with app.app_context():
        invoice = db.session.get_one(Invoice, invoice_id)
        row = db.session.get_one(InvoiceCollection, invoice_id)
        return invoice.state, row.state


def refunds(app: Flask, invoice_id: UUID) -> list[tuple[str, int, str | None]]:
    with app.app_context():
        rows = db.session.scalars(select(InvoiceRefund).filter_by(invoice_id=invoice_id))
        return [(row.state, row.amount, row.made_by) for row in rows]


# One deed after the other


def test_retry_tries_every_method_again(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)

    response = do(person, f"{LIST}/{august}/retry")

    assert "It was tried, and it is paid." in told(person, response)
    assert state_of(app, august) == ("paid", "done")
    assert noted(app) == [("retry", "done", None, "staff-7")]
    text = text_of(person.client.get(f"{LIST}/{august}"))
    assert "Try by staff over 16.13 USD: it was paid. By the person with the id staff-7." in text
    assert "Staff: Try again: done. By the person with the id staff-7." in text


def test_retry_in_vain_says_where_the_invoice_stands(app: Flask, person: Person) -> None:
    august = owe(app, person)

    response = do(person, f"{LIST}/{august}/retry")

    assert "It was tried: declined. The invoice is now: waiting." in told(person, response)


def test_retry_that_stripe_does_not_answer_says_so(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.sandbox.begin_outage()

    response = do(person, f"{LIST}/{august}/retry")

    person.sandbox.end_outage()
    assert "Stripe did not answer, and nobody knows yet" in told(person, response)


def test_write_off_gives_the_invoice_up(app: Flask, person: Person) -> None:
    august = owe(app, person)

    response = do(person, f"{LIST}/{august}/write-off", reason="insolvent")

    assert "It is written off, and not charged any more." in told(person, response)
    assert state_of(app, august) == ("uncollectible", "done")
    assert noted(app) == [("write_off", "done", "insolvent", "staff-7")]


@pytest.mark.parametrize(
    ("month", "said", "is_free"),
    [
        ("again", "flask billing close --period 2026-08 --project 1.", True),
        ("for_good", "It is void for good.", False),
    ],
)
def test_void_frees_the_month_or_lets_later_ones_go_on(
    app: Flask, person: Person, month: str, said: str, *, is_free: bool
) -> None:
    august = owe(app, person)

    response = do(person, f"{LIST}/{august}/void", reason="wrong_usage", month=month)

    assert said in told(person, response)
    with app.app_context():
        assert db.session.get_one(Invoice, august).voided_by == "staff-7"
        stripe_id = db.session.get_one(InvoiceCollection, august).stripe_id
        awaited = unissued(projects.connection())
    [remote] = [one for one in person.sandbox.objects("invoice") if one["id"] == stripe_id]
    assert remote["status"] == "void"
    assert noted(app) == [("void", "done", "wrong_usage", "staff-7")]
    assert awaited == ([("1", month_of(at(8, 1)))] if is_free else [])


def test_parked_invoice_is_set_going(app: Flask, person: Person) -> None:
    august = owe(app, person)
    set_back(app, august, state="parked", reason="amount_differs", next_try_at=None)

    response = do(person, f"{LIST}/{august}/unpark")

    assert "It is set going. A worker looks at it next." in told(person, response)
    assert state_of(app, august) == ("open", "waiting")
    assert noted(app) == [("unpark", "done", None, "staff-7")]


@pytest.mark.parametrize(
    ("amount", "went_back"), [("", 1613), ("16.13", 1613), ("2.5", 250), (" 2 ", 200)]
)
def test_refund_gives_back_all_or_a_part(
    app: Flask, person: Person, amount: str, went_back: int
) -> None:
    august = owe(app, person, VISA)

    response = do(person, f"{LIST}/{august}/refund", amount=amount, reason="outage")

    assert f"{went_back / 100:.2f} USD went back." in told(person, response)
    assert refunds(app, august) == [("succeeded", went_back, "staff-7")]
    assert [one["amount"] for one in person.sandbox.objects("refund")] == [went_back]
    assert noted(app) == [("refund", "done", "outage", "staff-7")]


def test_credit_on_an_open_invoice_lowers_what_is_to_be_paid(app: Flask, person: Person) -> None:
    august = owe(app, person)

    response = do(person, f"{LIST}/{august}/lower", amount="6.13", reason="outage")

    assert "6.13 USD less are to be paid now." in told(person, response)
    assert "Left to pay 10.00 USD" in text_of(person.client.get(f"{LIST}/{august}"))


def test_disputed_method_is_charged_again(app: Flask, person: Person) -> None:
    august = owe(app, person)
    [method_id] = method_ids(app)
    with app.app_context():
        db.session.get_one(PaymentMethod, method_id).refusal = "disputed"
        about = {"invoice_id": august, "payment_method_id": method_id}
        db.session.add(Dispute(stripe_id="du_1", kind="dispute", state="lost", **about))
        db.session.commit()
    address = f"/billing/staff/payment-methods/{method_id}/accept"
    assert f'href="{address}"' in person.client.get(f"{LIST}/{august}").text
    assert "du_1 lost" in text_of(ask(person, address))

    response = do(person, address)

    assert "The payment method is charged again from now on." in told(person, response)
    with app.app_context():
        assert db.session.get_one(PaymentMethod, method_id).refusal is None
    assert noted(app) == [("accept_method", "done", None, "staff-7")]
    assert "This can't be done now." in text_of(do(person, address))
    assert ask(person, address.replace(str(method_id), str(august))).status_code == 404


# Asked first


def test_page_that_asks_says_what_will_happen_and_does_nothing(app: Flask, person: Person) -> None:
    august = owe(app, person)

    page = ask(person, f"{LIST}/{august}/void")

    text = text_of(page)
    assert "Make this invoice void?" in text
    assert "It is made void at Stripe too, so nobody can pay it any more." in text
    assert f"flask billing invoices void {august} --reason WORD" in text
    assert state_of(app, august) == ("open", "waiting")
    assert noted(app) == []


def test_what_makes_no_sense_is_not_asked(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)

    response = ask(person, f"{LIST}/{august}/retry")

    assert "This can't be done with the invoice as it is now." in told(person, response)


@pytest.mark.parametrize(
    ("deed", "data", "said"),
    [
        ("write-off", {}, "Enter a reason."),
        ("write-off", {"reason": "for Ada Lovelace"}, "Write one word of small letters"),
        ("lower", {"reason": "outage", "amount": "1,50"}, "with a point."),
        ("lower", {"reason": "outage", "amount": "0.00"}, "Enter an amount above 0"),
        ("lower", {"reason": "outage", "amount": "1.005"}, "more decimals than the currency"),
        ("lower", {"reason": "outage", "amount": "1e3"}, "Enter an amount above 0"),
        ("void", {"reason": "outage", "month": "never"}, "Not a valid choice"),
    ],
)
def test_what_can_not_be_meant_is_told_at_its_field(
    app: Flask, person: Person, deed: str, data: dict[str, str], said: str
) -> None:
    august = owe(app, person)

    response = do(person, f"{LIST}/{august}/{deed}", **data)

    assert response.status_code == 422
    assert said in text_of(response)
    assert all(f'value="{text}"' in response.text for text in data.values() if text != "never")
    assert state_of(app, august) == ("open", "waiting")
    assert noted(app) == []


# Refused in words


def test_refusal_is_told_on_the_page_and_noted(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)

    response = do(person, f"{LIST}/{august}/refund", amount="16.14", reason="outage")

    assert response.status_code == 409
    assert f"At most 16.13 USD of the invoice {august} can be given back now." in text_of(response)
    assert 'value="16.14"' in response.text
    assert noted(app) == [("refund", "refused", "outage", "staff-7")]


def test_try_that_is_under_way_keeps_staff_out(app: Flask, person: Person) -> None:
    august = owe(app, person)
    add_attempt(app, august, method_ids(app)[0])

    response = do(person, f"{LIST}/{august}/write-off", reason="insolvent")

    assert response.status_code == 409
    assert f"A try to pay the invoice {august} is under way" in text_of(response)
    assert state_of(app, august) == ("open", "waiting")


def test_stripe_that_does_not_answer_is_told_as_such(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.sandbox.begin_outage()

    response = do(person, f"{LIST}/{august}/write-off", reason="insolvent")

    assert response.status_code == 503
    assert "Stripe did not answer, and nobody knows yet whether it acted." in text_of(response)
    assert noted(app) == [("write_off", "unknown", "insolvent", "staff-7")]
    person.sandbox.end_outage()
    again = do(person, f"{LIST}/{august}/write-off", reason="insolvent")
    assert "It is written off" in told(person, again)


# Once


@pytest.mark.parametrize("amount", ["", "2.50"])
def test_refund_that_is_sent_twice_is_made_once(app: Flask, person: Person, amount: str) -> None:
    august = owe(app, person, VISA)
    address = f"{LIST}/{august}/refund"
    data = {"entry_id": entry_id_on(ask(person, address)), "amount": amount, "reason": "outage"}

    answers = [person.client.post(address, data=data) for _ in range(2)]

    assert "USD went back." in told(person, answers[0])
    assert len(refunds(app, august)) == len(person.sandbox.objects("refund")) == 1
    assert noted(app) == [("refund", "done", "outage", "staff-7")]
    twice = person.client.post(address, data=data)
    assert "This was sent before, and is not done twice." in told(person, twice)


def test_two_parts_from_two_pages_both_go_back(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)

    for amount in ("2.50", "2.50"):
        do(person, f"{LIST}/{august}/refund", amount=amount, reason="outage")

    assert [amount for _, amount, _ in refunds(app, august)] == [250, 250]


@pytest.mark.parametrize("entry_id", ["", "1", "x" * 36])
def test_what_no_page_gave_out_is_refused(app: Flask, person: Person, entry_id: str) -> None:
    august = owe(app, person)
    data = {"entry_id": entry_id, "reason": "insolvent"}

    response = person.client.post(f"{LIST}/{august}/write-off", data=data)

    assert response.status_code == 400
    assert state_of(app, august) == ("open", "waiting")


def test_deed_touches_no_other_invoice(app: Flask, person: Person, stranger: Person) -> None:
    person.save_card(FAILING)
    stranger.save_card(FAILING)
    add_record(app, "2", at(7, 1), at(9, 1), project_id=OTHER)
    [own], [other] = use_and_close(app), close(app, OTHER)
    with app.app_context():
        collecting.collect()

    do(person, f"{LIST}/{other}/write-off", reason="insolvent")

    assert state_of(app, own) == ("open", "waiting")
    assert state_of(app, other) == ("uncollectible", "done")


# Who did it


@pytest.mark.parametrize(("actor", "made_by"), [(None, ""), (42, "42")])
def test_host_says_who_it_was(
    app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch, actor: object, made_by: str
) -> None:
    monkeypatch.setattr(billing._hooks, "actor", lambda: actor)
    august = owe(app, person)

    do(person, f"{LIST}/{august}/write-off", reason="insolvent")

    assert noted(app) == [("write_off", "done", "insolvent", made_by)]


def test_address_of_a_person_is_no_id(
    app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing._hooks, "actor", lambda: "ada@example.com")
    august = owe(app, person)

    with pytest.raises(ValueError, match="an id of yours") as raised:
        do(person, f"{LIST}/{august}/write-off", reason="insolvent")

    assert "ada" not in str(raised.value)
    assert state_of(app, august) == ("open", "waiting")
    assert noted(app) == []


class TestWithCsrf:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "WTF_CSRF_ENABLED": True}

    def test_deed_needs_the_token_of_the_page(self, app: Flask, person: Person) -> None:
        [august] = use_and_close(app)
        address = f"{LIST}/{august}/void"
        asked = ask(person, address)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', asked.text)
        assert token is not None
        data = {"entry_id": entry_id_on(asked), "reason": "wrong_usage"}

        without = person.client.post(address, data=data)

        assert without.status_code == 422
        assert "The page was open for too long." in text_of(without)
        assert noted(app) == []
        with_token = person.client.post(address, data={**data, "csrf_token": token[1]})
        assert with_token.status_code == 303
        assert [action for action, *_ in noted(app)] == ["void"]
