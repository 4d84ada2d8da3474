"""Paying an invoice on its page: with a saved method, on the processor's page, and not twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import null
from werkzeug.test import TestResponse

from flask_billing import (
    BilledProjectRow,
    Invoice,
    InvoiceCollection,
    InvoiceRefund,
    PaymentAttempt,
    clock,
    collecting,
)
from tests.host import Project, db
from tests.web.conftest import OTHER, OWN, Person, flashes, method_ids
from tests.web.owing import add_attempt, set_back, use_and_close
from tests.web.spending import at, begin
from tests.web.test_index import primary_buttons
from tests.web.test_index import text_of as words_of

NOW = at(9, 2)
VISA, MASTERCARD = "4242424242424242", "5555555555554444"
FAILING, CONFIRMING = "4000000000000341", "4000002760003184"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_RATES": "rates.toml"}


@pytest.fixture(autouse=True)
def _september(app: Flask) -> Iterator[None]:
    with clock.moved(lambda: NOW):
        begin(app, at(8, 1))
        yield


def text_of(page: Any) -> str:
    return words_of(page).replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")


def collect(app: Flask) -> None:
    with app.app_context():
        collecting.collect()


def owe(app: Flask, person: Person, card: str = FAILING, currency: str = "usd") -> UUID:
    """Have a project owe for August what its card does not pay."""
    person.save_card(card)
    [august] = use_and_close(app, person.project_id, currency)
    collect(app)
    return august


def collection_of(app: Flask, invoice_id: UUID) -> InvoiceCollection:
    with app.app_context():
        return db.session.get_one(InvoiceCollection, invoice_id)


def states_of(app: Flask, invoice_id: UUID) -> list[str]:
    """The states of the tries to pay an invoice, in their order."""
    with app.app_context():
        query = db.select(PaymentAttempt.state).filter_by(invoice_id=invoice_id)
        return list(db.session.scalars(query.order_by(PaymentAttempt.id)))


def pay(
    person: Person,
    invoice_id: UUID,
    method_id: UUID,
    amount: int | str = 1613,
    way_back: str = "",
) -> TestResponse:
    data = {"payment_method": str(method_id), "amount": str(amount), "next": way_back}
    return person.send(f"/invoices/{invoice_id}/pay", data)


def paid_charges(person: Person) -> list[int]:
    """What was charged at the processor, in minor units."""
    charges = person.sandbox.objects("charge")
    return [charge["amount"] for charge in charges if charge["status"] == "succeeded"]


def choices_of(page: Any) -> list[tuple[str, bool]]:
    """The payment methods that are offered, and which of them is chosen."""
    found = re.findall(r'<label class="billing-choice">(.*?)</label>', page.text, re.DOTALL)
    return [(text_of(Fragment(one)), "checked" in one) for one in found]


class Fragment:
    def __init__(self, text: str) -> None:
        self.text = text


# With a saved method


def test_page_offers_the_saved_methods_in_their_order(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(MASTERCARD)
    person.save_card(VISA)

    page = person.page(f"/invoices/{august}")

    assert choices_of(page) == [
        ("Visa ending in 0341 valid until 12/2034 was declined for this invoice", False),
        ("Mastercard ending in 4444 valid until 12/2034", True),
        ("Visa ending in 4242 valid until 12/2034", False),
    ]
    assert "Pay 16.13 USD now" in text_of(page)
    assert primary_buttons(page) == 1


def test_chosen_method_pays_at_once(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    person.save_card(MASTERCARD)

    response = pay(person, august, method_ids(app)[2])

    assert (response.status_code, response.location) == (
        303,
        f"/projects/1/billing/invoices/{august}",
    )
    page = person.client.get(response.location)
    text = text_of(page)
    assert "The invoice is paid." in text
    assert "State paid" in text
    assert "Mastercard ending in 4444 What came of it paid" in text
    assert "Visa ending in 0341 What came of it your bank declined it" in text
    assert "Due before tax 16.13 USD Paid 16.13 Left to pay 0.00 USD" in text
    assert "<form" not in page.text
    assert paid_charges(person) == [1613]


def test_who_came_from_elsewhere_is_taken_back_once_it_is_paid(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    failing, visa = method_ids(app)
    offered = person.page(f"/invoices/{august}?next=/servers/new")

    declined = pay(person, august, failing, way_back="/servers/new")
    paid = pay(person, august, visa, way_back="/servers/new")

    assert offered.text.count('name="next" value="/servers/new"') == 2
    assert declined.location == f"/projects/1/billing/invoices/{august}?next=/servers/new"
    assert paid.location == "/servers/new"


@pytest.mark.parametrize("way_back", ["https://evil.example/", "//evil.example/", "javascript:x"])
def test_way_back_to_another_site_is_not_taken(app: Flask, person: Person, way_back: str) -> None:
    august = owe(app, person)
    person.save_card(VISA)

    response = pay(person, august, method_ids(app)[1], way_back=way_back)

    assert response.location == f"/projects/1/billing/invoices/{august}"
    assert way_back not in person.page(f"/invoices/{august}?next={way_back}").text


def test_decline_is_told_calmly_with_what_is_left_to_do(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)

    pay(person, august, method_ids(app)[0])

    page = person.page(f"/invoices/{august}")
    assert "Your bank declined the payment, so nothing was charged." in text_of(page)
    assert [is_chosen for _, is_chosen in choices_of(page)] == [False, True]
    assert "Pay on Stripe's page" in text_of(page)
    assert paid_charges(person) == []


def test_pressing_twice_pays_once(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)

    for _ in range(2):
        assert pay(person, august, method_ids(app)[1]).status_code == 303

    assert flashes(person)[-2:] == [
        "The invoice is paid.",
        "This invoice is paid already. Nothing more was charged.",
    ]
    assert paid_charges(person) == [1613]


def test_try_that_is_under_way_keeps_others_out(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    add_attempt(app, august, method_ids(app)[0])

    pay(person, august, method_ids(app)[1])

    assert flashes(person)[-1].startswith("A payment of this invoice is under way.")
    assert paid_charges(person) == []
    page = person.page(f"/invoices/{august}")
    assert "We are checking with Stripe" in text_of(page)
    assert choices_of(page) == []


def test_invoice_that_somebody_else_paid_is_not_charged_again(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    person.sandbox.pay_out_of_band(collection_of(app, august).stripe_id or "")

    pay(person, august, method_ids(app)[1])

    assert flashes(person)[-1] == "This invoice is paid already. Nothing more was charged."
    assert paid_charges(person) == []
    assert "State paid" in text_of(person.page(f"/invoices/{august}"))


def test_unknown_outcome_is_told_as_such_and_settled_later(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    person.sandbox.fail("POST /v1/invoices/*/pay", how="timeout_before", times=99)

    pay(person, august, method_ids(app)[1])
    person.sandbox.engine.faults.clear()

    assert flashes(person)[-1].startswith("Stripe has not said yet whether the payment went")
    assert states_of(app, august)[-1] == "sending"
    assert "We are checking with Stripe" in text_of(person.page(f"/invoices/{august}"))
    with clock.moved(lambda: NOW + timedelta(hours=1)):
        collect(app)
        assert "State paid" in text_of(person.page(f"/invoices/{august}"))
    assert paid_charges(person) == [1613]


def test_amount_that_changed_is_looked_at_first(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)

    for amount in (1612, "", "much"):
        pay(person, august, method_ids(app)[1], amount)
        assert flashes(person)[-1].startswith("The amount has changed meanwhile.")

    assert paid_charges(person) == []


def test_invoice_on_terms_tells_the_day_and_can_be_paid_at_once(app: Flask, person: Person) -> None:
    person.save_card(VISA)
    [august] = use_and_close(app)
    with app.app_context():
        db.session.execute(db.update(BilledProjectRow).values(terms_days=14))
        db.session.commit()
    collect(app)

    page = person.page(f"/invoices/{august}")
    pay(person, august, method_ids(app)[0])

    text = text_of(page)
    assert "State to be paid by transfer" in text
    assert re.search(r"Pay by \w+ \d+", text)
    assert re.search(r"It is paid by transfer, by \w+ \d+. Where to is on the invoice", text)
    assert flashes(person)[-1] == "The invoice is paid."
    assert paid_charges(person) == [1613]


class TestInEuro:
    """Bank accounts pay in euro only."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "BILLING_CURRENCY": "eur"}

    def test_bank_debit_is_on_its_way(self, app: Flask, person: Person) -> None:
        august = owe(app, person, currency="eur")
        session_id = person.begin()
        person.come_back(
            person.sandbox.complete_checkout(session_id, iban="DE89370400440532013000")
        )

        pay(person, august, method_ids(app)[1], collection_of(app, august).remaining or 0)

        assert flashes(person)[-1].startswith("Your payment is on its way.")
        page = person.page(f"/invoices/{august}")
        assert "State payment is on its way" in text_of(page)
        assert "SEPA Direct Debit ending in 3000 What came of it on its way" in text_of(page)
        assert "<form" not in page.text


def test_method_that_can_not_be_charged_is_refused(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    with app.app_context():
        db.session.execute(
            db.text("UPDATE payment_method SET refusal = 'declined' WHERE position = 1")
        )
        db.session.commit()

    pay(person, august, method_ids(app)[1])

    assert flashes(person)[-1].startswith("This payment method can't be charged.")
    assert paid_charges(person) == []


# Walls


def test_invoice_and_method_of_another_project_are_404(
    app: Flask, person: Person, stranger: Person
) -> None:
    own = owe(app, person)
    person.save_card(VISA)
    stranger.save_card(VISA)
    foreign_method = method_ids(app, OTHER)[0]

    assert pay(person, own, foreign_method).status_code == 404
    assert pay(stranger, own, foreign_method).status_code == 404
    assert stranger.send(f"/invoices/{own}/pay-on-page").status_code == 404
    assert pay(person, own, UUID(int=7)).status_code == 404
    assert person.send(f"/invoices/{own}/pay", {"payment_method": "x"}).status_code == 400
    assert paid_charges(person) == []


def test_methods_of_a_former_payer_are_neither_shown_nor_charged(
    app: Flask, person: Person, stranger: Person
) -> None:
    august = owe(app, person)
    stranger.save_card(VISA)
    with app.app_context():
        project, other = (db.session.get_one(Project, key) for key in (OWN, OTHER))
        project.billing_info_id = other.billing_info_id
        db.session.commit()

    page = person.page(f"/invoices/{august}")
    refused = pay(person, august, method_ids(app, OTHER)[0])

    assert choices_of(page) == []
    assert "0341" not in page.text
    assert "Pay on Stripe's page" in text_of(page)
    assert refused.status_code == 404


def test_who_may_not_manage_sees_and_does_not_pay(app: Flask, person: Person) -> None:
    august = owe(app, person)
    app.config["HOST_CAN_MANAGE"] = False

    page = person.page(f"/invoices/{august}")

    assert page.status_code == 200
    assert "Ask someone who manages the billing of this project." in text_of(page)
    assert "<form" not in page.text
    assert pay(person, august, method_ids(app)[0]).status_code == 403
    assert person.send(f"/invoices/{august}/pay-on-page").status_code == 403


def test_method_that_did_not_pay_says_so_until_it_does(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    failing, visa = method_ids(app)
    with clock.moved(lambda: at(9, 3)):
        pay(person, august, visa)
        told = text_of(person.page())
    add_attempt(app, august, failing, state="succeeded", created_at=at(9, 4))

    assert "Visa ending in 0341 valid until" in told
    assert told.count("declined on Sep 2") == 1
    assert "declined on" not in text_of(person.page())


# On the processor's page


def test_bank_that_wants_its_customer_leads_to_the_processors_page(
    app: Flask, person: Person
) -> None:
    august = owe(app, person)
    person.save_card(CONFIRMING)

    pay(person, august, method_ids(app)[1])

    page = person.page(f"/invoices/{august}")
    text = text_of(page)
    assert "Your bank wants you to confirm this payment" in text
    assert "there you can confirm what your bank asks for" in text
    assert "Pay on Stripe's page" in text
    assert "That page is Stripe's, our payment processor." in text
    assert "Visa ending in 3184 What came of it your bank wanted you to confirm it" in text
    assert primary_buttons(page) == 1
    assert paid_charges(person) == []


def test_way_to_the_processors_page_keeps_everything_else_away(app: Flask, person: Person) -> None:
    august = owe(app, person)

    response = person.send(f"/invoices/{august}/pay-on-page")

    assert response.status_code == 303
    assert response.location.startswith(f"{person.sandbox.url}/i/")
    assert collection_of(app, august).owner_until is not None


def test_who_comes_back_from_the_processors_page_sees_what_came_of_it(
    app: Flask, person: Person
) -> None:
    august = owe(app, person, CONFIRMING)
    person.send(f"/invoices/{august}/pay-on-page")
    stripe_id = collection_of(app, august).stripe_id or ""
    person.sandbox.pay_invoice(stripe_id, card=CONFIRMING, authenticate=True)

    page = person.page(f"/invoices/{august}?next=/servers/new")

    text = text_of(page)
    assert "State paid" in text
    assert "On Stripe's page What came of it paid" in text
    assert re.search(r'href="/servers/new">Go back to what you were doing<', page.text)
    assert paid_charges(person) == [1613]


def test_processors_page_of_a_paid_invoice_is_not_opened(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)

    response = person.send(f"/invoices/{august}/pay-on-page")

    assert response.location == f"/projects/1/billing/invoices/{august}"
    assert flashes(person)[-1] == "This invoice is paid already. Nothing more was charged."


def test_parked_invoice_is_left_to_the_people_who_run_the_site(app: Flask, person: Person) -> None:
    august = owe(app, person)
    set_back(app, august, state="parked", reason="issued_twice", next_try_at=None)

    for response in (
        person.send(f"/invoices/{august}/pay-on-page"),
        pay(person, august, method_ids(app)[0]),
    ):
        assert response.location == f"/projects/1/billing/invoices/{august}"
        assert flashes(person)[-1].endswith("The people who run this site have to look into it.")
    assert collection_of(app, august).owner_until is None
    assert states_of(app, august) == ["declined"]


# While the processor is in trouble


def test_page_loads_while_the_processor_is_down_and_says_what_is_missing(
    app: Flask, person: Person
) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    person.sandbox.begin_outage()

    page = person.page(f"/invoices/{august}")

    text = text_of(page)
    assert page.status_code == 200
    assert "Stripe is not answering, so the number, the PDF" in text
    assert "Payment method 2" in text
    assert "State could not be charged" in text
    assert "Pay 16.13 USD now" in text


class TestWithLittlePatience:
    """`BILLING_PAGE_TIMEOUT` is far below what the processor takes."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "BILLING_PAGE_TIMEOUT": 0.05}

    def test_page_does_not_wait_for_a_slow_processor(self, app: Flask, person: Person) -> None:
        august = owe(app, person, VISA)
        person.sandbox.latency = 1

        page = person.page(f"/invoices/{august}")
        person.sandbox.latency = 0

        assert "Stripe is not answering" in text_of(page)
        assert "State paid" in text_of(page)


def test_paying_while_the_processor_is_down_charges_nothing(app: Flask, person: Person) -> None:
    august = owe(app, person)
    person.save_card(VISA)
    person.sandbox.begin_outage()

    pay(person, august, method_ids(app)[1])
    person.send(f"/invoices/{august}/pay-on-page")
    person.sandbox.end_outage()

    assert [words[:64] for words in flashes(person)[-2:]] == 2 * [
        "Stripe is not answering, so the invoice can't be paid right now."
    ]
    assert states_of(app, august) == ["declined"]


# What a paid invoice tells


def test_processor_is_not_asked_of_an_invoice_that_is_not_issued(
    app: Flask, person: Person
) -> None:
    person.save_card(VISA)
    [august] = use_and_close(app)
    before = len(person.sandbox.requests)

    text = text_of(person.page(f"/invoices/{august}"))

    assert "It will be charged by itself." in text
    assert len(person.sandbox.requests) == before


def test_number_pdf_and_recipient_are_read_when_somebody_looks(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)

    page = person.page(f"/invoices/{august}")

    text = text_of(page)
    assert re.search(r"Number [A-Z0-9]+-\d+", text)
    assert "For Ada Lovelace" in text
    assert f'href="{person.sandbox.url}/i/' in page.text
    assert "PDF at Stripe" in text


def test_refunds_and_credit_notes_are_listed(app: Flask, person: Person) -> None:
    august = owe(app, person, VISA)
    rows = [("refund", "succeeded", 500), ("credit", "sending", 200), ("refund", "refused", 900)]
    with app.app_context():
        for kind, state, amount in rows:
            marker = 1 if state == "sending" else null()
            db.session.add(
                InvoiceRefund(
                    invoice_id=august,
                    kind=kind,
                    state=state,
                    amount=amount,
                    currency="usd",
                    reason="goodwill",
                    in_flight_marker=marker,
                )
            )
        db.session.commit()

    text = text_of(person.page(f"/invoices/{august}"))

    assert "Given back to where it was paid from State done Amount 5.00 USD" in text
    assert "Taken off what is to be paid State being made Amount 2.00 USD" in text
    assert "9.00 USD" not in text


@pytest.mark.parametrize(
    ("sums", "told"),
    [
        ({"paid": 1613, "credited": 100}, "Paid, of which 1.00 USD was given back 16.13"),
        ({"paid": 1513, "credited": 100}, "Taken off 1.00 Paid 15.13"),
        (
            {"paid": 1513, "credited": 300},
            "Taken off 1.00 Paid, of which 2.00 USD was given back 15.13",
        ),
    ],
)
def test_what_came_of_an_invoice_adds_up(
    app: Flask, person: Person, sums: dict[str, int], told: str
) -> None:
    august = owe(app, person, VISA)
    set_back(app, august, remaining=0, **sums)

    text = text_of(person.page(f"/invoices/{august}"))

    assert f"Due before tax 16.13 USD {told} Left to pay 0.00 USD" in text


@pytest.mark.parametrize(
    ("decline_code", "words"),
    [
        ("insufficient_funds", "declined: there was not enough money"),
        ("expired_card", "declined: it has expired"),
        ("lost_card", "your bank declined it"),
        ("stolen_card", "your bank declined it"),
        (None, "your bank declined it"),
    ],
)
def test_decline_tells_only_what_a_bank_lets_be_told(
    app: Flask, person: Person, decline_code: str | None, words: str
) -> None:
    august = owe(app, person)
    with app.app_context():
        values = {"decline_code": decline_code, "code": "card_declined"}
        db.session.execute(db.update(PaymentAttempt).values(**values))
        db.session.commit()

    page = person.page(f"/invoices/{august}")

    assert f"Visa ending in 0341 What came of it {words}" in text_of(page)
    assert not re.search("lost|stolen", page.text)


def test_void_invoice_can_not_be_paid(app: Flask, person: Person) -> None:
    august = owe(app, person)
    set_back(app, august, "void", state="done", remote_state="void")

    page = person.page(f"/invoices/{august}")

    assert "This invoice is void" in text_of(page)
    assert "Left to pay" not in text_of(page)
    assert "<form" not in page.text
    with app.app_context():
        assert db.session.get_one(Invoice, august).state == "void"


class TestWithTax:
    """`BILLING_AUTOMATIC_TAX` is on."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_RATES": "rates.toml", "BILLING_AUTOMATIC_TAX": True}

    def test_tax_is_told_beside_what_is_due(self, app: Flask, person: Person) -> None:
        august = owe(app, person, VISA)

        text = text_of(person.page(f"/invoices/{august}"))

        assert "Due before tax 16.13 USD Tax 3.23 Total 19.36 Paid 19.36" in text

    def test_missing_address_leads_to_the_details_and_goes_on_from_there(
        self, app: Flask, person: Person
    ) -> None:
        august = owe(app, person, VISA)
        set_back(app, august, "closed", state="waiting", remote_state="draft", needs="address")

        page = person.page(f"/invoices/{august}")
        saved = person.send("/details", {"name": "Ada", "email": "a@example.com"})

        assert "Tax can't be worked out without your whole address." in text_of(page)
        assert 'href="/projects/1/billing/details"' in page.text
        assert primary_buttons(page) == 1
        assert saved.status_code == 303
        assert flashes(person)[-1] == (
            "Your billing details were saved. The invoice that waited for them goes on by itself."
        )
