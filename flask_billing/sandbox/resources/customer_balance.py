"""A customer's balance: what is owed to them (negative) or by them, and how it came about.

`move` is the one way to change a balance. Stripe keeps one for each currency; `balance` on the
customer is that in their own currency, which is that of the first invoice or transaction.
"""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

UPDATE: params.Declared = {"description": params.text(350), "metadata": params.metadata}
CREATE: params.Declared = {
    **UPDATE,
    "amount": params.integer(),
    "currency": params.text(3, clearable=False),
}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "invoice": params.text(clearable=False),
}


def balance_in(customer: Obj, currency: str) -> int:
    """Give the balance in a currency, in its minor units; negative is a credit."""
    if customer["currency"] in (None, currency):
        return int(customer["balance"])
    return int(customer.get("_balances", {}).get(currency, 0))


def move(
    call: Call,
    customer: Obj,
    amount: int,
    currency: str,
    type: str,
    *,
    invoice: str | None = None,
    credit_note: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Obj:
    """Add an amount to a customer's balance (negative gives credit), and give the transaction.

    :param type: One of Stripe's, such as `adjustment`, `applied_to_invoice` or `credit_note`.
    """
    ending = balance_in(customer, currency) + amount
    transaction = call.create(
        "customer_balance_transaction",
        "cbtxn_1",
        {
            "amount": amount,
            "checkout_session": None,
            "credit_note": credit_note,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": description,
            "ending_balance": ending,
            "invoice": invoice,
            "metadata": metadata or {},
            "type": type,
        },
    )
    _keep(call, customer, ending, currency)
    return transaction


def _keep(call: Call, customer: Obj, ending: int, currency: str) -> None:
    if customer["currency"] in (None, currency):
        call.change(customer, "customer.updated", balance=ending, currency=currency)
    else:
        call.change(customer, _balances={**customer.get("_balances", {}), currency: ending})


@route("POST", "/v1/customers/{customer}/balance_transactions", CREATE)
def create(call: Call, customer: str) -> Obj:
    """Adjust a customer's balance."""
    found = call.get("customer", customer)
    params.require(call.params, "amount", "currency")
    currency = call.params["currency"].lower()
    if not currency.isalpha() or len(currency) != 3:
        raise Problem(f"Invalid currency: {currency}.", param="currency")
    return move(
        call,
        found,
        call.params["amount"],
        currency,
        "adjustment",
        description=call.params.get("description"),
        metadata=params.merge_metadata({}, call.params.get("metadata", {})),
    )


@route("GET", "/v1/customers/{customer}/balance_transactions", LIST)
def list_all(call: Call, customer: str) -> Obj:
    """Give a page of what changed a customer's balance, newest first."""
    call.get("customer", customer)
    where = {"customer": customer}
    if "invoice" in call.params:
        where["invoice"] = call.params["invoice"]
    return call.page("customer_balance_transaction", where)


@route("GET", "/v1/customers/{customer}/balance_transactions/{transaction}")
def retrieve(call: Call, customer: str, transaction: str) -> Obj:
    """Give one change of a customer's balance."""
    call.get("customer", customer)
    found = call.get("customer_balance_transaction", transaction)
    if found["customer"] != customer:
        raise missing_object("customer_balance_transaction", transaction)
    return found


@route("POST", "/v1/customers/{customer}/balance_transactions/{transaction}", UPDATE)
def update(call: Call, customer: str, transaction: str) -> Obj:
    """Change what is written beside a transaction; its amount stands."""
    found = retrieve(call, customer, transaction)
    changes = dict(call.params)
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(found["metadata"], changes["metadata"])
    return call.change(found, **changes)


expandable("customer_balance_transaction", "customer", "invoice", "credit_note")
