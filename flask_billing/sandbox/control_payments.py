"""The sandbox's controls of payments over HTTP: what banks and card holders do, and counting."""

from collections.abc import Callable
from typing import Any

from flask import request

from . import outside
from .control import control, engine
from .hosted import play
from .hosted.checkout import Refused

Answer = tuple[dict[str, Any], int]


def _done(act: Callable[..., object], *ids: str) -> Answer:
    try:
        made = act(engine(), *ids, **request.get_json())
    except (LookupError, TypeError, ValueError) as error:
        return {"error": str(error)}, 400
    return ({"ok": True} if made is None else {"id": made}), 200


@control.post("/charges/<charge_id>/dispute")
def dispute(charge_id: str) -> Answer:
    """Play the holder of a card; takes what `dispute` takes and gives the dispute's `id`."""
    return _done(outside.dispute, charge_id)


@control.post("/charges/<charge_id>/warn_of_fraud")
def warn_of_fraud(charge_id: str) -> Answer:
    """Play the bank; takes what `warn_of_fraud` takes and gives the warning's `id`."""
    return _done(outside.warn_of_fraud, charge_id)


@control.post("/disputes/<dispute_id>/status")
def set_dispute_status(dispute_id: str) -> Answer:
    """Play the bank; takes what `set_dispute_status` takes."""
    return _done(outside.set_dispute_status, dispute_id)


@control.post("/refunds/<refund_id>/status")
def set_refund_status(refund_id: str) -> Answer:
    """Play the bank; takes what `set_refund_status` takes."""
    return _done(outside.set_refund_status, refund_id)


@control.post("/payment_intents/<intent_id>/answer_debit")
def answer_debit(intent_id: str) -> Answer:
    """Play the bank; takes what `answer_debit` takes."""
    return _done(outside.answer_debit, intent_id)


@control.post("/invoices/<invoice_id>/pay")
def pay_invoice(invoice_id: str) -> Answer:
    """Play the person on the invoice's page; takes what `pay_invoice` takes."""
    try:
        status = play.pay_invoice(engine(), invoice_id, request.host_url, **request.get_json())
    except Refused as refused:
        return {"errors": refused.errors}, 422
    return {"status": status}, 200


@control.post("/invoices/<invoice_id>/pay_out_of_band")
def pay_out_of_band(invoice_id: str) -> Answer:
    """Play somebody in the dashboard."""
    return _done(outside.pay_out_of_band, invoice_id)


@control.post("/invoices/<invoice_id>/pay_again")
def pay_again(invoice_id: str) -> Answer:
    """Pay by a second payment intent; takes what `pay_again` takes and gives its `id`."""
    return _done(outside.pay_again, invoice_id)


@control.get("/objects/<kind>")
def read_objects(kind: str) -> dict[str, Any]:
    """Give all objects of a kind, oldest first."""
    return {"objects": outside.objects(engine(), kind)}
