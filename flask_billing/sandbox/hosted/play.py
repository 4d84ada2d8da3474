"""Plays the person on the hosted pages, through the code behind their forms."""

from flask_billing.sandbox.engine.engine import Engine

from . import invoice_pages, pages
from .invoice import NEW_CARD

ADDRESS = {
    "line1": "12 Analytical Row",
    "line2": "",
    "city": "London",
    "state": "",
    "postal_code": "N1 7AA",
    "country": "GB",
}


def complete(
    engine: Engine,
    session_id: str,
    base_url: str,
    *,
    card: str = "4242424242424242",
    iban: str | None = None,
    exp: str = "12/34",
    cvc: str | None = None,
    name: str = "Ada Lovelace",
    email: str = "ada@example.com",
    address: dict[str, str] | None = None,
    authenticate: bool = True,
    **more: str,
) -> str:
    """Fill in and send the page, answer the bank if it asks, and give the address that follows.

    :param iban: A bank account to save in place of the card.
    :param more: Other fields of the page, such as `phone`, `business_name` or `tax_id`.

    Raises `Refused` with the errors by field where the page would show them.
    """
    values = {
        "payment_method_type": "sepa_debit" if iban else "card",
        "iban": iban or "",
        "number": card,
        "expiry": exp,
        "cvc": cvc or _cvc(card),
        "name": name,
        "email": email,
        **(ADDRESS if address is None else address),
        **more,
    }
    base_url = base_url.rstrip("/")
    session = pages.submit_form(engine, session_id, values, base_url)
    if session["status"] == "open":
        session = pages.submit_answer(engine, session_id, base_url, passed=authenticate)
    return pages.success_url(session)


def pay_invoice(
    engine: Engine,
    invoice_id: str,
    base_url: str,
    *,
    card: str = "4242424242424242",
    payment_method: str | None = None,
    exp: str = "12/34",
    cvc: str | None = None,
    authenticate: bool | None = True,
) -> str:
    """Pay an invoice on its page, answer the bank if it asks, and give what becomes of the intent.

    :param payment_method: One that the customer has saved, to be charged in place of the card.
    :param authenticate: The answer to the bank; `None` leaves its page open.

    Raises `Refused` with the errors by field where the page would show them.
    """
    values = {
        "payment_method": payment_method or NEW_CARD,
        "number": card,
        "expiry": exp,
        "cvc": cvc or _cvc(card),
    }
    base_url = base_url.rstrip("/")
    intent = invoice_pages.submit_payment(engine, invoice_id, values, base_url)
    if intent["status"] == "requires_action" and authenticate is not None:
        intent = invoice_pages.answer_bank(engine, intent["id"], base_url, passed=authenticate)
    return str(intent["status"])


def _cvc(card: str) -> str:
    return "1234" if card.startswith("3") and len(card) == 15 else "123"
