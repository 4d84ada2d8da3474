"""The form for who pays: setting, changing and clearing, and what is refused."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask

from flask_billing.web.forms import DetailsForm
from tests.web.conftest import OWN, Person, delete_customer, flashes

HOME = f"/projects/{OWN}/billing"
TYPED = {
    "name": "Grace Hopper",
    "company": "Harbour Works GmbH",
    "email": "grace@example.com",
    "line1": "Am Sandtorkai 1",
    "line2": "3. Stock",
    "city": "Hamburg",
    "postal_code": "20457",
    "state": "HH",
    "country": "DE",
    "tax_id": "DE123456789",
    "tax_id_type": "eu_vat",
    "invoice_note": "PO 1906-12",
}


@pytest.fixture
def payer(person: Person) -> Person:
    person.save_card()
    return person


def shown(page: Any) -> dict[str, str]:
    """Return the values that the form on `page` holds."""
    values = {}
    for tag in re.findall(r"<input[^>]*>", page.text):
        name, value = (re.search(rf' {key}="([^"]*)"', tag) for key in ("name", "value"))
        if name is not None:
            values[name[1]] = unescape(value[1]) if value is not None else ""
    for name, options in re.findall(
        r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', page.text, re.DOTALL
    ):
        chosen = re.search(r'<option selected value="([^"]*)"', options)
        values[name] = chosen[1] if chosen else ""
    return values


def errors(page: Any) -> list[str]:
    """Return the fields that have an error in the summary."""
    return re.findall(r'<a href="#billing-(\w+)"', page.text)


def test_form_shows_what_the_processor_has(payer: Person) -> None:
    values = shown(payer.page("/details"))

    assert values["name"] == "Ada Lovelace"
    assert values["email"] == "ada@example.com"
    assert values["country"] == "GB"
    assert values["line1"] == "12 Analytical Row"


def test_every_field_can_be_set_changed_and_cleared(payer: Person) -> None:
    changed = {name: value + "9" for name, value in TYPED.items()} | {
        "email": "other@example.com",
        "country": "AT",
        "tax_id": "ATU12345678",
        "tax_id_type": "eu_vat",
    }
    cleared = dict.fromkeys(TYPED, "")

    for typed in (TYPED, changed, cleared):
        response = payer.send("/details", typed)
        assert (response.status_code, response.location) == (303, HOME)
        assert flashes(payer)[-1] == "Your billing details were saved."
        assert shown(payer.page("/details")) == typed


@pytest.mark.parametrize("name", sorted(TYPED.keys() - {"tax_id", "tax_id_type", "country"}))
def test_single_field_can_be_cleared(payer: Person, name: str) -> None:
    payer.send("/details", TYPED)

    response = payer.send("/details", TYPED | {name: ""})

    assert response.status_code == 303
    assert shown(payer.page("/details")) == TYPED | {name: ""}


def test_tax_id_can_be_cleared_alone(payer: Person) -> None:
    payer.send("/details", TYPED)

    payer.send("/details", TYPED | {"tax_id": ""})

    assert shown(payer.page("/details"))["tax_id"] == ""
    assert "DE123456789" not in payer.page().text


def test_billing_page_shows_the_tax_id_with_its_verification(payer: Person) -> None:
    payer.send("/details", TYPED)

    page = payer.page().text

    assert "DE123456789" in page
    assert "European Union: VAT" in page
    assert "PO 1906-12" in page
    assert re.search(r"is being checked|verified", page)


def test_spaces_around_what_is_typed_are_taken_off(payer: Person) -> None:
    payer.send("/details", {"name": " Grace ", "email": "\u00a0grace@example.com \t"})

    values = shown(payer.page("/details"))
    assert values["name"] == "Grace"
    assert values["email"] == "grace@example.com"


@pytest.mark.parametrize(
    ("country", "tax_id", "kind"),
    [
        ("DE", "DE123456789", "eu_vat"),
        ("GB", "GB123456789", "gb_vat"),
        ("CH", "CHE-123.456.789 MWST", "ch_vat"),
    ],
)
def test_kind_of_tax_id_follows_from_the_country(
    payer: Person, country: str, tax_id: str, kind: str
) -> None:
    response = payer.send("/details", {"country": country, "tax_id": tax_id, "tax_id_type": ""})

    assert response.status_code == 303, errors(response)
    assert shown(payer.page("/details"))["tax_id_type"] == kind


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"email": "not an address"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "a@b..c"}, "email"),
        ({"email": "a@@b.example"}, "email"),
        ({"email": "x@" + "a" * 250 + ".example"}, "email"),
        ({"name": "a" * 151}, "name"),
        ({"company": "a" * 151}, "company"),
        ({"line1": "a" * 201, "country": "DE"}, "line1"),
        ({"invoice_note": "a" * 141}, "invoice_note"),
        ({"name": "Ada\x00Lovelace"}, "name"),
        ({"name": "Ada\r\nLovelace"}, "name"),
        ({"country": "US", "postal_code": "1234"}, "postal_code"),
        ({"country": "CA", "postal_code": "94107"}, "postal_code"),
        ({"city": "Hamburg", "country": ""}, "country"),
        ({"country": "Germany"}, "country"),
        ({"tax_id": "12345", "country": ""}, "tax_id_type"),
        ({"tax_id": "12345", "tax_id_type": "nonsense"}, "tax_id_type"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_kept(
    payer: Person, typed: dict[str, str], field: str
) -> None:
    payer.sandbox.requests.clear()

    page = payer.send("/details", {"name": "Kept Name"} | typed)

    assert page.status_code == 422
    assert errors(page) == [field]
    assert f'id="billing-{field}-error"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert 'role="alert"' in page.text
    if field != "name":
        assert shown(page)["name"] == "Kept Name"
    assert len(payer.sandbox.requests) == 0


@pytest.mark.parametrize(
    ("country", "code"),
    [("US", "94107"), ("US", "94107-1234"), ("CA", "K1A 0B1"), ("CA", "k1a0b1")],
)
def test_postal_codes_of_their_country_pass(payer: Person, country: str, code: str) -> None:
    assert payer.send("/details", {"country": country, "postal_code": code}).status_code == 303


@pytest.mark.parametrize(
    ("call", "param", "code", "field"),
    [
        ("POST /v1/customers/*", "email", "email_invalid", "email"),
        ("POST /v1/customers/*", "address[country]", "parameter_invalid", "country"),
        ("POST /v1/customers/*/tax_ids", "value", "tax_id_invalid", "tax_id"),
    ],
)
def test_refusal_of_the_processor_stands_at_the_field_it_belongs_to(
    payer: Person, call: str, param: str, code: str, field: str
) -> None:
    payer.sandbox.fail(call, how="refuse", status=400, param=param, code=code)

    page = payer.send("/details", TYPED)

    assert page.status_code == 422
    assert errors(page) == [field]
    assert shown(page) == TYPED


def test_refusal_that_belongs_to_no_field_is_told_for_the_whole_form(payer: Person) -> None:
    payer.sandbox.fail("POST /v1/customers/*", how="refuse", status=400, code="parameter_invalid")

    page = payer.send("/details", TYPED)

    assert page.status_code == 422
    assert "Stripe does not accept these details." in page.text
    assert "not answering" not in page.text
    assert shown(page) == TYPED


def test_customer_that_was_deleted_is_told_instead_of_the_form(app: Flask, payer: Person) -> None:
    delete_customer(app, payer)

    pages = [payer.send("/details", TYPED), payer.page("/details")]

    for page in pages:
        assert "customer was deleted at Stripe" in page.text
        assert 'name="email"' not in page.text


def test_processor_that_is_down_keeps_what_was_typed(payer: Person) -> None:
    payer.sandbox.fail("POST /v1/customers/*", how="error_500", times=9)

    page = payer.send("/details", TYPED)

    assert page.status_code == 503
    assert "What you typed is still here" in page.text
    assert shown(page) == TYPED


def test_messages_and_session_hold_nothing_personal(payer: Person) -> None:
    payer.send("/details", TYPED)

    with payer.client.session_transaction() as session:
        kept = str(dict(session))
    for value in TYPED.values():
        assert value not in kept or value in {"HH", "DE"}


def test_without_billing_info_the_page_says_when_details_are_asked(person: Person) -> None:
    page = person.page("/details")

    assert page.status_code == 200
    assert "when you add the first payment method" in page.text
    assert 'name="email"' not in page.text


def test_posting_without_billing_info_changes_nothing(person: Person) -> None:
    page = person.send("/details", TYPED)

    assert page.status_code == 200
    assert "when you add the first payment method" in page.text
    assert len(person.sandbox.requests) == 0


def test_every_field_has_a_label_a_hint_or_none_and_an_autocomplete(payer: Person) -> None:
    page = payer.page("/details").text

    for name in TYPED:
        assert f'<label class="billing-label" for="billing-{name}">' in page
    assert page.count("autocomplete=") == len(TYPED)
    assert "placeholder" not in page


def test_countries_are_sorted_in_the_language_of_the_reader(app: Flask) -> None:
    with app.test_request_context():
        names = [name for _code, name in DetailsForm().country.choices[1:]]

    assert names.index("Åland Islands") < names.index("Albania") < names.index("Zimbabwe")
    assert not {"European Union", "World", "Unknown Region"} & set(names)
