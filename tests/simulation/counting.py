"""Counts, once all is quiet: at the processor, in our rows, and each against the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    Notification,
    PaymentAttempt,
    PaymentMethod,
    collecting,
)
from flask_billing.models import InvoicePayment, InvoiceRefund, table_of
from flask_billing.state import current
from tests.host import db
from tests.simulation.owners import is_good
from tests.simulation.world import CANARY, Order, Place, World

__all__ = ["wrong", "wrong_by_now"]

_PROJECT, _PERIOD = "flask_billing_project", "flask_billing_period"
#: How long after it was sent an attempt of which nothing is known counts as never made.
_UNTIL_SURE = 600.0
_ENDED = ("sent", "unknown", "skipped")


class _Row(NamedTuple):
    """One of our invoices, with how its money came in."""

    invoice: Invoice
    collection: InvoiceCollection | None


def wrong(world: World) -> list[str]:
    """Return what must never be; each line names what it is about."""
    return [line for check in _CHECKS for line in check(world)]


def wrong_by_now(world: World) -> list[str]:
    """Return what is wrong while some things were never told, and are not asked for yet."""
    return [line for check in _ANYWAY for line in check(world)]


# At the processor


def _paid_twice(world: World) -> Iterator[str]:
    """No invoice is paid twice: what was paid too much went back, or somebody is told."""
    charges = {charge["payment_intent"]: charge for charge in _succeeded(world)}
    credited = _credited(world)
    for invoice in world.objects("invoice"):
        if invoice["status"] != "paid":
            continue
        received = invoice["amount_paid_off_stripe"]
        for payment in _payments(world, invoice["id"]):
            if payment["status"] == "paid":
                charge = charges[payment["payment"]["payment_intent"]]
                received += charge["amount"] - charge["amount_refunded"]
        owed = invoice["total"] - credited[invoice["id"]]
        if received != owed and not _is_told(invoice["id"]):
            yield f"{invoice['id']}: {received} were received for {owed}"


def _is_told(stripe_id: str) -> bool:
    """Return whether staff know that an overpayment could not be given back."""
    states = db.session.scalars(
        select(InvoiceRefund.state)
        .join(InvoiceCollection, InvoiceCollection.invoice_id == InvoiceRefund.invoice_id)
        .where(InvoiceCollection.stripe_id == stripe_id, InvoiceRefund.kind == "overpayment")
    )
    collection = _by_stripe_id(stripe_id)
    is_parked = collection is not None and collection.reason == "overpaid"
    return is_parked and bool({"refused", "failed"} & set(states))


def _credited(world: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for note in world.objects("credit_note"):
        if note["status"] != "void":
            found[note["invoice"]] += note["amount"]
    return found


def _issued_twice(world: World) -> Iterator[str]:
    """A project has one invoice for a period, whatever was restored or sent twice."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for invoice in world.objects("invoice"):
        if invoice["status"] != "void" and not invoice.get("deleted"):
            metadata = invoice["metadata"]
            found[metadata.get(_PROJECT), metadata.get(_PERIOD)].append(invoice["id"])
    for period, ids in found.items():
        if len(ids) > 1:
            yield f"{period} has the invoices {', '.join(ids)}"


def _balances(world: World) -> Iterator[str]:
    """No credit stays on a customer's balance that was given back as well."""
    for customer in world.objects("customer"):
        told = any(
            _is_told(i["id"]) for i in world.objects("invoice") if i["customer"] == customer["id"]
        )
        if customer["balance"] and not told:
            yield f"{customer['id']} has a balance of {customer['balance']}"


def _charged_again(world: World) -> Iterator[str]:
    """Each charge has an attempt of ours, and each attempt one charge at most."""
    if world.restored_at:
        return
    tries: Counter[tuple[str, str]] = Counter()
    rows = db.session.execute(
        select(InvoiceCollection.stripe_id, PaymentMethod.stripe_id)
        .join(PaymentAttempt, PaymentAttempt.invoice_id == InvoiceCollection.invoice_id)
        .join(PaymentMethod, PaymentMethod.id == PaymentAttempt.payment_method_id)
        .where(PaymentAttempt.state != "not_executed")
    )
    tries.update((str(row[0]), row[1]) for row in rows)
    invoices = _invoice_of_intents(world)
    charges: Counter[tuple[str, str]] = Counter()
    for charge in world.objects("charge"):
        invoice_id = invoices.get(charge["payment_intent"])
        if invoice_id is not None and charge["id"] not in world.by_hand:
            charges[invoice_id, charge["payment_method"]] += 1
    for pair, count in charges.items():
        if count > tries[pair]:
            yield f"{pair[0]} was charged to {pair[1]} {count} times in {tries[pair]} attempts"


# In our rows


def _books(world: World) -> Iterator[str]:
    """Our rows say what the processor says, to the minor unit."""
    remote = {invoice["id"]: invoice for invoice in world.objects("invoice")}
    known = set()
    for invoice, collection in _rows():
        if collection is None:
            if invoice.due > 0 and invoice.state != "void":
                yield f"invoice {invoice.id} over {invoice.due} is collected by nobody"
            continue
        if collection.stripe_id is None:
            continue
        known.add(collection.stripe_id)
        there = remote[collection.stripe_id]
        yield from _differences(invoice, collection, there)
        yield from _payment_differences(world, collection, there)
    for stripe_id, there in remote.items():
        if stripe_id not in known and there["status"] in {"open", "paid"}:
            yield f"{stripe_id} is {there['status']}, and no row knows it"


def _differences(
    invoice: Invoice, collection: InvoiceCollection, there: dict[str, Any]
) -> Iterator[str]:
    pairs = {
        "state": (collection.remote_state, there["status"]),
        "subtotal": (invoice.due, there["subtotal"]),
        "total": (collection.total, there["total"]),
        "paid": (collection.paid, there["amount_paid"]),
        "remaining": (collection.remaining, there["amount_remaining"]),
        "overpaid": (collection.overpaid, there["amount_overpaid"]),
        "currency": (invoice.currency, there["currency"]),
    }
    for name, (ours, theirs) in pairs.items():
        if ours != theirs:
            yield f"{there['id']}: {name} is {theirs}, and our row says {ours}"
    if (there["status"] == "paid") != (invoice.state == "paid"):
        yield f"{there['id']} is {there['status']}, and our invoice {invoice.state}"


def _payment_differences(
    world: World, collection: InvoiceCollection, there: dict[str, Any]
) -> Iterator[str]:
    query = select(InvoicePayment).where(InvoicePayment.invoice_id == collection.invoice_id)
    ours = {p.stripe_id: (p.state, p.amount) for p in db.session.scalars(query)}
    for payment in _payments(world, there["id"]):
        if payment["status"] == "paid":
            row = ours.get(payment["id"])
            if row != ("paid", payment["amount_paid"]):
                yield f"{payment['id']} paid {payment['amount_paid']}, and our row says {row}"


def _unpaid(world: World) -> Iterator[str]:
    """No invoice is unpaid whose owner had a good card at one of the planned tries."""
    methods = {method["id"]: method for method in world.objects("payment_method")}
    for invoice, collection in _rows():
        if collection is None or collection.state in {"done", "parked", "transfer"}:
            continue
        if invoice.state in {"paid", "void"} or collection.due_at is not None:
            continue
        for method in _usable(collection.billing_info_id or _payer(invoice.project_key)):
            if not is_good(methods[method.stripe_id], invoice.currency):
                continue
            if not _was_chance(world, collection, method):
                continue
            yield (
                f"invoice {invoice.id} ({collection.stripe_id}) is {collection.state}"
                f"/{collection.needs}, and {method.stripe_id} is good"
            )


def _was_chance(world: World, collection: InvoiceCollection, method: PaymentMethod) -> bool:
    """Return whether the engine had a reason to try a method since it was good."""
    if _declines(method) >= collecting.MOST_DECLINES:
        return False
    since = world.good_since.get(method.stripe_id, 0) + world.skew
    changed = method.changed_at.timestamp() if method.changed_at is not None else 0
    if changed >= since:
        return True
    if collection.first_failed_at is None:
        return True
    days = max(current().settings.retry_days)
    return since < (collection.first_failed_at + timedelta(days=days)).timestamp()


def _declines(method: PaymentMethod) -> int:
    query = select(PaymentAttempt.id).where(
        PaymentAttempt.payment_method_id == method.id, PaymentAttempt.state == "declined"
    )
    return len(db.session.scalars(query).all())


def _stuck(world: World) -> Iterator[str]:
    """Nothing is stuck: all is paid, given up, or waits for somebody who knows."""
    for found in collecting.stuck(limit=None):
        if found.kind == "past_due":
            continue
        if found.kind == "parked" and found.state == "overpaid":
            collection = db.session.get(InvoiceCollection, found.id)
            if collection is not None and _is_told(collection.stripe_id or ""):
                continue
        yield f"{found.kind} {found.id} is {found.state}"
    for refund in db.session.scalars(
        select(InvoiceRefund).where(InvoiceRefund.state.in_(["sending", "pending"]))
    ):
        yield f"refund {refund.id} is {refund.state}"
    for state in db.session.scalars(
        select(Notification.state).where(Notification.state.in_(["pending", "sending"]))
    ):
        yield f"a notification is {state}"


def _in_flight(world: World) -> Iterator[str]:
    """The outcome of every try is known."""
    for attempt in db.session.scalars(
        select(PaymentAttempt).where(PaymentAttempt.in_flight_marker == 1)
    ):
        yield f"attempt {attempt.id} is {attempt.state}"


def _guard(world: World) -> Iterator[str]:
    """Those are kept from creating who have an invoice that is past due, and nobody else."""
    late = {
        invoice.project_key
        for invoice, collection in _rows()
        if collection is not None and collection.state == "past_due"
    }
    query = select(BilledProjectRow.project_key, BilledProjectRow.past_due_since)
    for key, since in db.session.execute(query):
        if (since is not None) != (key in late):
            yield f"project {key} is past due: {key in late}, and the guard says {since}"


def _told_twice(world: World) -> Iterator[str]:
    """Nobody is told twice of one thing, and everybody of what was paid."""
    letters = world.notes.letters
    for (note_id, email, _), count in Counter(world.notes.lately).items():
        if count > 1:
            yield f"notification {note_id} was sent to {email} {count} times"
    if world.restored_at:
        return
    receipts = Counter((invoice, email) for _, kind, invoice, email in letters if kind == "receipt")
    for (invoice_id, email), count in receipts.items():
        if count > 1:
            yield f"{email} got {count} receipts for invoice {invoice_id}"
    for invoice, collection in _rows():
        # What was wholly credited was paid by nobody.
        if collection is not None and invoice.state == "paid" and collection.paid:
            query = select(Notification.state).where(
                Notification.invoice_id == invoice.id, Notification.kind == "receipt"
            )
            states = list(db.session.scalars(query))
            if len(states) != 2 or not set(states) <= set(_ENDED):
                yield f"the receipts for invoice {invoice.id} are {states}"


def _personal_data(world: World) -> Iterator[str]:
    """No row of ours holds a person's data."""
    for name, table in db.metadata.tables.items():
        for row in db.session.execute(select(table)):
            if CANARY in str(tuple(row)):
                yield f"{name} holds personal data"


# On the way


def _order(world: World) -> Iterator[str]:
    """No method is tried before those above it were, in this round."""
    for order in world.orders.values():
        if order.origin not in {"plan", "change"}:
            continue
        for place in order.places:
            if place.id == order.method_id:
                break
            if not _was_tried(world, order, place):
                yield f"attempt {order.attempt_id} came before {place.stripe_id} was tried"


def _was_tried(world: World, order: Order, place: Place) -> bool:
    """Return whether a method was sent in the round of an attempt, since its owner changed it."""
    method = db.session.get_one(PaymentMethod, place.id)
    if _declines(method) >= collecting.MOST_DECLINES:
        return True
    ever = [*world.wire.before, *world.wire.sent]
    sent = {one.key for one in ever if one.method == place.stripe_id}
    rows = db.session.scalars(
        select(PaymentAttempt).where(
            PaymentAttempt.invoice_id == order.invoice_id,
            PaymentAttempt.payment_method_id == place.id,
            PaymentAttempt.round == order.round,
        )
    )
    return any(
        f"pay-{row.id}" in sent
        and row.state in {"declined", "needs_action", "not_executed"}
        and (place.changed_at is None or row.created_at >= place.changed_at)
        for row in rows
    )


def _unknown(world: World) -> Iterator[str]:
    """No method is tried while nobody knows what became of another try."""
    last: dict[str, list[Any]] = defaultdict(list)
    for sent in world.wire.sent:
        before = [one for one in last[sent.invoice] if one.key != sent.key]
        for one in {one.key: one for one in before}.values():
            if not _is_known(world, one, sent):
                yield f"{sent.invoice}: {sent.key} was sent while {one.key} was not settled"
        last[sent.invoice].append(sent)


def _is_known(world: World, one: Any, later: Any) -> bool:
    """Return whether somebody could know what became of a try when a later one was sent."""
    told = [s for s in world.wire.sent if s.key == one.key and s.is_told and s.at <= later.at]
    if told:
        return True
    looked = [
        ours
        for at, ours, url in world.wire.reads
        if one.at <= at <= later.at and one.ours <= ours and one.invoice in url
    ]
    if not looked:
        return False
    # Whatever was done was to be seen; what was not done can still come for a while.
    return _has_left_a_trace(world, one) or max(looked) - one.ours >= _UNTIL_SURE


def _has_left_a_trace(world: World, one: Any) -> bool:
    """Return whether a try, which may have been sent several times, has made or asked anything."""
    intents = _invoice_of_intents(world)
    sends = [sent for sent in world.wire.sent if sent.key == one.key]
    if any(sent.wants_owner for sent in sends):
        return True
    return any(
        intents.get(charge["payment_intent"]) == one.invoice
        and charge["payment_method"] == one.method
        and int(sends[0].at) <= charge["created"] <= one.at + 120
        for charge in world.objects("charge")
    )


#: What holds without a single event that was told.
_ANYWAY = (_unpaid, _in_flight, _guard, _order, _unknown)
_CHECKS = (
    _paid_twice,
    _issued_twice,
    _balances,
    _charged_again,
    _books,
    _unpaid,
    _in_flight,
    _stuck,
    _guard,
    _told_twice,
    _personal_data,
    _order,
    _unknown,
)


# What they look at


def _rows() -> list[_Row]:
    query = select(Invoice, InvoiceCollection).outerjoin(
        InvoiceCollection, InvoiceCollection.invoice_id == Invoice.id
    )
    return [_Row(*row) for row in db.session.execute(query)]


def _by_stripe_id(stripe_id: str) -> InvoiceCollection | None:
    query = select(InvoiceCollection).where(InvoiceCollection.stripe_id == stripe_id)
    return db.session.scalars(query).one_or_none()


def _usable(info_id: UUID | None) -> Iterable[PaymentMethod]:
    query = select(PaymentMethod).where(
        PaymentMethod.billing_info_id == info_id, PaymentMethod.is_usable
    )
    return db.session.scalars(query).all()


def _payer(key: str) -> UUID | None:
    query = select(BillingInfo.id).join(
        table_of(BilledProjectRow), BilledProjectRow.billing_info_id == BillingInfo.id
    )
    return db.session.scalar(query.where(BilledProjectRow.project_key == key))


def _succeeded(world: World) -> list[dict[str, Any]]:
    return [charge for charge in world.objects("charge") if charge["status"] == "succeeded"]


def _payments(world: World, invoice_id: str) -> list[dict[str, Any]]:
    return [p for p in world.objects("invoice_payment") if p["invoice"] == invoice_id]


def _invoice_of_intents(world: World) -> dict[str, str]:
    return {
        payment["payment"].get("payment_intent"): payment["invoice"]
        for payment in world.objects("invoice_payment")
    }
