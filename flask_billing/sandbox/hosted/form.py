"""Reads and checks what a person typed on the Checkout page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask_billing.sandbox.bank_accounts import (
    BANK_ACCOUNTS,
    BankAccount,
    has_right_check_digits,
    iban_of,
)
from flask_billing.sandbox.cards import CARDS, Card, digits_of, passes_luhn
from flask_billing.sandbox.engine.params import EMAIL
from flask_billing.sandbox.engine.store import Obj

ADDRESS_FIELDS = ("line1", "line2", "city", "state", "postal_code", "country")
# From top to bottom, as a summary of errors lists them.
_ORDER = (
    "email",
    "business_name",
    "individual_name",
    "phone",
    "payment_method_type",
    "number",
    "expiry",
    "cvc",
    "iban",
    "name",
    "country",
    "line1",
    "postal_code",
    "city",
)
NOT_A_TEST_CARD = (
    "This is a sandbox and takes Stripe's test card numbers only. Never type a real card here."
)
NOT_A_TEST_ACCOUNT = (
    "This is a sandbox and takes Stripe's test accounts only. Never type a real IBAN here."
)


@dataclass
class Filled:
    """A form as it was filled in: its values, what is to be saved, and what is wrong by field."""

    values: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict)
    card: Card | None = None
    bank_account: BankAccount | None = None
    exp_month: int = 0
    exp_year: int = 0

    def text(self, name: str) -> str | None:
        """Give what was typed into a field, or `None` for nothing."""
        return self.values.get(name, "").strip() or None

    @property
    def address(self) -> dict[str, Any]:
        """The address that was typed, with nothing as `None`."""
        return {name: self.text(name) for name in ADDRESS_FIELDS}

    @property
    def billing_details(self) -> dict[str, Any]:
        """What Stripe keeps on the payment method about who holds it."""
        return {
            "address": self.address,
            "email": self.text("email"),
            "name": self.text("name"),
            "phone": self.text("phone"),
            "tax_id": None,
        }


def required_fields(session: Obj, customer: Obj | None) -> list[str]:
    """Give the fields that a person has to fill in, besides those of a card or an account."""
    fields = [] if known_email(session, customer) else ["email"]
    fields.append("name")
    if session["billing_address_collection"] == "required":
        fields += ["line1", "city", "postal_code", "country"]
    if session["phone_number_collection"]["enabled"]:
        fields.append("phone")
    for kind, wanted in session.get("name_collection", {}).items():
        if wanted["enabled"] and not wanted["optional"]:
            fields.append(f"{kind}_name")
    return fields


def known_email(session: Obj, customer: Obj | None) -> str | None:
    """Give the e-mail address that the page does not have to ask for."""
    return session["customer_email"] or (customer or {}).get("email")


def read(session: Obj, customer: Obj | None, values: Mapping[str, str], now: int) -> Filled:
    """Check a form; `errors` says what is wrong."""
    filled = Filled(values)
    for name in required_fields(session, customer):
        if filled.text(name) is None:
            filled.errors[name] = "Fill in this field."
    email = filled.text("email")
    if email is not None and EMAIL.fullmatch(email) is None:
        filled.errors["email"] = "This is not an e-mail address."
    country = filled.text("country")
    if country is not None and re.fullmatch(r"[A-Z]{2}", country) is None:
        filled.errors["country"] = "Choose a country."
    _read_what_is_saved(session, filled, now)
    filled.errors = {name: filled.errors[name] for name in _ORDER if name in filled.errors}
    return filled


def read_card(values: Mapping[str, str], now: int) -> Filled:
    """Check the fields of a card alone."""
    filled = Filled(values)
    _read_card(filled, now)
    return filled


def chosen_kind(session: Obj, values: Mapping[str, Any]) -> str:
    """Give the kind of payment method that was chosen, or else the first one of the page."""
    return values.get("payment_method_type") or str(session["payment_method_types"][0])


def _read_what_is_saved(session: Obj, filled: Filled, now: int) -> None:
    kind = chosen_kind(session, filled.values)
    if kind not in session["payment_method_types"]:
        filled.errors["payment_method_type"] = "Choose one of these."
    elif kind == "card":
        _read_card(filled, now)
    else:
        _read_iban(filled)


def _read_card(filled: Filled, now: int) -> None:
    _read_number(filled)
    _read_expiry(filled, now)
    _read_cvc(filled)


def _read_iban(filled: Filled) -> None:
    iban = iban_of(filled.values.get("iban", ""))
    filled.bank_account = BANK_ACCOUNTS.get(iban)
    if not iban:
        filled.errors["iban"] = "Fill in the IBAN."
    elif not has_right_check_digits(iban):
        filled.errors["iban"] = "Your IBAN is not right. Check its digits."
    elif filled.bank_account is None:
        filled.errors["iban"] = NOT_A_TEST_ACCOUNT


def _read_number(filled: Filled) -> None:
    number = digits_of(filled.values.get("number", ""))
    filled.card = CARDS.get(number)
    if not number:
        filled.errors["number"] = "Fill in the card number."
    elif not passes_luhn(number) or not 12 <= len(number) <= 19:
        filled.errors["number"] = "Your card number is not right. Check its digits."
    elif filled.card is None:
        filled.errors["number"] = NOT_A_TEST_CARD


def _read_expiry(filled: Filled, now: int) -> None:
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{2}|\d{4})\s*", filled.values.get("expiry", ""))
    if found is None or not 1 <= int(found[1]) <= 12:
        filled.errors["expiry"] = "Write the expiry date as month and year, such as 04 / 34."
        return
    filled.exp_month = int(found[1])
    filled.exp_year = int(found[2]) + (2000 if len(found[2]) == 2 else 0)
    today = datetime.fromtimestamp(now, UTC)
    if (filled.exp_year, filled.exp_month) < (today.year, today.month):
        filled.errors["expiry"] = "Your card's expiry date is in the past."
    elif filled.exp_year > today.year + 50:
        filled.errors["expiry"] = "Your card's expiry year is not right."


def _read_cvc(filled: Filled) -> None:
    length = 4 if filled.card and filled.card.brand == "amex" else 3
    cvc = filled.values.get("cvc", "").strip()
    if re.fullmatch(rf"\d{{{length}}}", cvc) is None:
        filled.errors["cvc"] = f"The security code has {length} digits."
