"""What happens to payments outside the API: banks decide, and card holders complain.

Each function raises `LookupError` for an object that does not exist and `ValueError` for what
cannot happen to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .cards import CARDS
from .engine.call import Call, public
from .engine.engine import Engine
from .engine.errors import Problem
from .engine.store import Obj
from .resources import (
    debits,
    disputes,
    fraud_warnings,
    invoice_states,
    kinds,
    payment_intents,
    refunds,
)


@contextmanager
def _at(engine: Engine, kind: str, object_id: str) -> Iterator[tuple[Call, Obj]]:
    located = engine.store.locate(object_id)
    if located is None or located[1]["object"] != kind:
        raise LookupError(f"There is no {kind} {object_id}.")
    try:
        with engine.step(located[0], "") as call:
            yield call, call.get(kind, object_id)
    except Problem as problem:
        raise ValueError(str(problem)) from None


def dispute(
    engine: Engine, charge: str, *, reason: str = "fraudulent", amount: int | None = None
) -> str:
    """Have the holder dispute a charge, or ask about it (`inquiry`), and give the dispute's id."""
    with _at(engine, "charge", charge) as (call, found):
        return str(disputes.start(call, found, reason=reason, amount=amount)["id"])


def set_dispute_status(engine: Engine, dispute: str, status: str) -> None:
    """Have the bank decide about a dispute."""
    with _at(engine, "dispute", dispute) as (call, found):
        disputes.set_status(call, found, status)


def warn_of_fraud(engine: Engine, charge: str, *, fraud_type: str = "made_with_stolen_card") -> str:
    """Have the bank warn that a charge was fraud, and give the warning's id."""
    with _at(engine, "charge", charge) as (call, found):
        return str(fraud_warnings.warn(call, found, fraud_type)["id"])


def set_refund_status(engine: Engine, refund: str, status: str) -> None:
    """Have the bank tell what became of a refund."""
    with _at(engine, "refund", refund) as (call, found):
        refunds.set_status(call, found, status)


def answer_debit(engine: Engine, payment_intent: str, *, succeeds: bool = True) -> None:
    """Have the bank answer now to a debit that is under way."""
    with _at(engine, "payment_intent", payment_intent) as (call, found):
        if found["status"] != "processing":
            raise ValueError(f"No debit of {payment_intent} is under way: it is {found['status']}.")
        debits.settle(call, found, succeeded=succeeds)


def pay_out_of_band(engine: Engine, invoice: str) -> None:
    """Have somebody write, in the dashboard, that an invoice was paid elsewhere."""
    with _at(engine, "invoice", invoice) as (call, found):
        if found["status"] not in ("open", "uncollectible"):
            raise ValueError(f"Invoice {invoice} is {found['status']}.")
        invoice_states.pay_off_stripe(call, found)


def pay_again(
    engine: Engine, invoice: str, *, amount: int | None = None, card: str = "4242424242424242"
) -> str:
    """Have a second payment intent pay an invoice, also one that is paid, and give its id.

    :param amount: In minor units; what the invoice asked for unless given.
    """
    if card not in CARDS:
        raise ValueError("The card is none of Stripe's test cards.")
    with _at(engine, "invoice", invoice) as (call, found):
        if found["status"] in ("draft", "void"):
            raise ValueError(f"Invoice {invoice} is {found['status']}.")
        values = {
            "amount": amount or found["amount_due"],
            "capture_method": "automatic",
            "currency": found["currency"],
            "customer": found["customer"],
        }
        intent = payment_intents.make(call, values)
        method = kinds.new_card(call, CARDS[card])
        payment_intents.charge(call, intent, method, off_session=True)
        invoice_states.apply_payment(call, found, intent, intent["amount_received"])
        return str(intent["id"])


def objects(engine: Engine, kind: str, *, livemode: bool = False, **fields: Any) -> list[Obj]:
    """Give all objects of a kind (`charge`, `refund`, `customer` …) of the first key's account.

    They come in the order of their creation, deleted ones too, as the API would show them.

    :param fields: Values that their fields are to have.
    """
    scope = engine.default_scope(livemode=livemode)
    found = engine.store.find(scope, kind, fields, oldest_first=True)
    return [public(obj) for obj in found]
