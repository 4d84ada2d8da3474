"""The account that a key belongs to."""

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj


@route("GET", "/v1/account")
def retrieve_current(call: Call) -> Obj:
    """Give the account of the key."""
    return {
        "id": call.scope.account,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": "Sandbox",
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


@route("GET", "/v1/accounts/{account}")
def retrieve(call: Call, account: str) -> Obj:
    """Give an account by its id; a key sees its own only."""
    if account != call.scope.account:
        raise Problem(
            f"The provided key does not have access to account '{account}' (or that account does "
            "not exist).",
            status=403,
            code="account_invalid",
        )
    return retrieve_current(call)
