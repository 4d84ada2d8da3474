"""Makes payment methods of each kind, from Stripe's test cards and test bank accounts."""

from typing import Any

from flask_billing.sandbox import bank_accounts, cards
from flask_billing.sandbox.bank_accounts import BankAccount
from flask_billing.sandbox.cards import CARDS, Card
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

KINDS = ("card", "sepa_debit")

BILLING_DETAILS: params.Declared = {
    "address": params.address,
    "email": params.email,
    "name": params.text(),
    "phone": params.text(),
    "tax_id": params.text(),
}


def offered(values: dict[str, Any]) -> list[str]:
    """Give the kinds that can be saved, as an intent's parameters and currency have it."""
    allowed = values.get("allowed_payment_method_types") or KINDS
    excluded = values.get("excluded_payment_method_types") or ()
    in_euros = (values.get("currency") or "eur").lower() == "eur"
    found = [
        kind
        for kind in KINDS
        if kind in allowed and kind not in excluded and (in_euros or kind != "sepa_debit")
    ]
    if not found:
        raise Problem(
            "None of the payment method types that are left can be used here. The sandbox knows "
            f"{' and '.join(KINDS)}, the latter in euros only.",
            param="allowed_payment_method_types",
        )
    return found


def new_card(
    call: Call,
    card: Card,
    *,
    exp_month: int | None = None,
    exp_year: int | None = None,
    billing_details: dict[str, Any] | None = None,
    cvc_check: str | None = "pass",
) -> Obj:
    """Make a payment method of a test card, attached to nobody."""
    details = _complete(billing_details)
    address = details["address"]
    shown = {
        "brand": card.brand,
        "checks": {
            "address_line1_check": "pass" if address["line1"] else None,
            "address_postal_code_check": "pass" if address["postal_code"] else None,
            "cvc_check": cvc_check,
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": exp_month or 12,
        "exp_year": exp_year or _year(call) + 8,
        "fingerprint": card.fingerprint(call.scope.account),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _new(call, "card", shown, details, number=card.number)


def new_bank_account(
    call: Call, account: BankAccount, *, billing_details: dict[str, Any] | None = None
) -> Obj:
    """Make a payment method of a test bank account, attached to nobody."""
    shown = {
        "bank_code": account.bank_code,
        "branch_code": account.branch_code,
        "country": account.country,
        "fingerprint": account.fingerprint(call.scope.account),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": account.last4,
    }
    return _new(call, "sepa_debit", shown, _complete(billing_details), number=account.iban)


def _complete(billing_details: dict[str, Any] | None) -> Obj:
    details = {**dict.fromkeys(BILLING_DETAILS), **(billing_details or {})}
    return {**details, "address": {**dict.fromkeys(params.ADDRESS), **(details["address"] or {})}}


def _new(call: Call, kind: str, shown: Obj, billing_details: Obj, *, number: str) -> Obj:
    return call.create(
        "payment_method",
        "pm_1",
        {
            "allow_redisplay": "unspecified",
            "billing_details": billing_details,
            kind: shown,
            "customer": None,
            "customer_account": None,
            "metadata": {},
            "type": kind,
            "_number": number,
            "_set_up": False,
            "_spent": False,
        },
    )


def _year(call: Call) -> int:
    return 1970 + int(call.now // (365.2425 * 86400))


def of_token(call: Call, given: str) -> Obj | None:
    """Give a new payment method where a test token such as `pm_card_visa` was sent for one."""
    if call.scope.livemode:
        return None
    if given in cards.TOKENS:
        return new_card(call, cards.TOKENS[given])
    if given in bank_accounts.TOKENS:
        return new_bank_account(call, bank_accounts.TOKENS[given])
    return None


def card_of(payment_method: Obj) -> Card:
    """Give the test card that a payment method of that kind was made of."""
    return CARDS[payment_method["_number"]]
