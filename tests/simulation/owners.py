"""Those who act while the engine works: owners, banks, people at the processor, staff."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe
from sqlalchemy import select

from flask_billing import (
    BillingError,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    PaymentMethod,
    collecting,
    payment_methods,
    refunding,
)
from flask_billing.sandbox import CheckoutRefused
from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS
from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.hosted.pages import NotFound
from tests.collecting import world as rows
from tests.host import Project, db
from tests.invoicing.books import record
from tests.payment_methods import journey
from tests.simulation.world import CANARY, World

__all__ = ["Owners", "is_good", "settle_in"]

GOOD = ("4242424242424242", "5555555555554444", "378282246310005", "6011111111111117")
#: Saved without trouble, and then: every payment fails, the bank wants to be asked each time.
FAILS, ASKS = "4000000000000341", "4000002760003184"
#: What a card may turn into when its network renews it.
LOST, DISPUTED, WARNED = "4000000000009987", "4000000000000259", "4000000000005423"
ACCOUNTS = ("DE89370400440532013000", "DE62370400440532013001", "DE08370400440532013003")
CARDS_OF_OWNERS = (*GOOD, FAILS, FAILS, ASKS, DISPUTED, WARNED)

#: What may be refused, or be interrupted by a fault, happens to people too.
ORDINARY = (BillingError, CheckoutRefused, LookupError, NotFound, ValueError, stripe.StripeError)


def is_good(method: dict[str, Any], currency: str) -> bool:
    """Return whether the bank would pay from a payment method of the processor's."""
    if method["customer"] is None:
        return False
    if method["type"] == "sepa_debit":
        return currency == "eur" and BANK_ACCOUNTS[method["_number"]].pays
    card = CARDS[method["_number"]]
    is_asked = card.authentication == "always"
    return card.charge is None and card.setup is None and not is_asked


def settle_in(world: World) -> list[str]:
    """Make the projects of a scene, with their owners, methods and a month of use."""
    dice = world.dice
    keys = []
    for number in range(dice.choice([3, 4, 4, 5])):
        currency = dice.choice(["eur", "eur", "eur", "jpy", "kwd"])
        owner = rows.new_owner(world.processor, country="DE")
        world.client.v1.customers.update(
            owner.customer_id, {"name": CANARY, "email": f"{CANARY}{number}@example.com"}
        )
        for _ in range(dice.choice([0, 1, 1, 2, 2, 2, 3, 3])):
            _save_first(world, owner, currency)
        keys.append(owner.key)
        _use(world, owner, currency)
        if dice.random() < 0.1:
            collecting.set_terms(owner.key, dice.choice([3, 10]))
    return keys


def _save_first(world: World, owner: rows.Owner, currency: str) -> None:
    dice = world.dice
    if currency == "eur" and dice.random() < 0.25:
        world.client.v1.setup_intents.create(
            {
                "customer": owner.customer_id,
                "payment_method": f"pm_{BANK_ACCOUNTS[dice.choice(ACCOUNTS)].name}",
                "confirm": True,
                "mandate_data": {"customer_acceptance": {"type": "offline"}},
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
    else:
        token = f"pm_card_{CARDS[dice.choice(CARDS_OF_OWNERS)].name}"
        world.client.v1.payment_methods.attach(token, {"customer": owner.customer_id})
    saved = world.client.v1.customers.payment_methods.list(owner.customer_id).data[0]
    world.good_since[saved.id] = world.moment
    known = select(PaymentMethod.id).where(PaymentMethod.billing_info_id == owner.info_id)
    position = len(db.session.scalars(known).all())
    db.session.add(
        PaymentMethod(stripe_id=saved.id, billing_info_id=owner.info_id, position=position)
    )
    db.session.commit()


def _use(world: World, owner: rows.Owner, currency: str) -> None:
    dice = world.dice
    if currency != "eur":
        amounts = [dice.randrange(200, 90_000, 10) for _ in range(dice.randrange(1, 4))]
        rows.new_invoice(owner, *amounts, currency=currency, month=rows.AUGUST)
        return
    start = datetime(2026, 9, 1, tzinfo=UTC)
    for number in range(dice.randrange(1, 4)):
        record(
            owner.key,
            start,
            start.replace(day=dice.randrange(5, 29)),
            quantity=dice.randrange(1, 40),
            resource=f"of-{owner.key}-{number}",
            currency="eur",
        )


class Owners:
    """What people may do, each with a project of theirs and the dice of the scene."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acts: dict[str, tuple[Callable[[str, random.Random], object], float]] = {
            "adds a card": (self.add, 6),
            "closes the tab after saving": (self.add_and_leave, 2),
            "removes a method": (self.remove, 2),
            "reorders": (self.reorder, 4),
            "presses pay now": (self.pay_now, 6),
            "pays on the page": (self.pay_on_page, 5),
            "pays by a link of before": (self.pay_by_link, 3),
            "has a card renewed": (self.renew, 4),
            "detaches at the processor": (self.detach, 1),
            "disputes": (self.dispute, 1),
            "pays twice by hand": (self.pay_twice, 2),
            "is said to have paid elsewhere": (self.pay_elsewhere, 1),
            "has staff try again": (self.retry, 1),
            "is given something back": (self.refund, 1),
        }

    def act(self, name: str, key: str, dice: random.Random) -> None:
        """Do one thing; what is refused is refused."""
        self.world.tell(f"the owner of {key} {name}")
        try:
            self.acts[name][0](key, dice)
        except ORDINARY as error:
            db.session.rollback()
            self.world.tell(f"refused: {type(error).__name__} {getattr(error, 'reason', '')}")
        else:
            self.world.count(name)

    # On our pages

    def add(self, key: str, dice: random.Random) -> None:
        session_id = self._fill_in(key, dice)
        saved = payment_methods.complete(self._project(key), session_id).payment_method
        if saved is not None:
            self._note_new()

    def add_and_leave(self, key: str, dice: random.Random) -> None:
        self._fill_in(key, dice)

    def _fill_in(self, key: str, dice: random.Random) -> str:
        session_id = journey.start(self._project(key))
        db.session.commit()
        self.world.scheduler.passes("before_call")
        iban = dice.choice(ACCOUNTS) if dice.random() < 0.15 else None
        card = dice.choice(CARDS_OF_OWNERS)
        email = f"{CANARY}@example.com"
        self.world.processor.complete_checkout(
            session_id, card=card, iban=iban, name=CANARY, email=email
        )
        self._note_new()
        return session_id

    def remove(self, key: str, dice: random.Random) -> None:
        method_id = self._method(key, dice)
        payment_methods.remove(self._project(key), method_id)

    def reorder(self, key: str, dice: random.Random) -> None:
        method_id = self._method(key, dice)
        direction = dice.choice(["up", "down"])
        payment_methods.move(self._project(key), method_id, direction=direction)

    def pay_now(self, key: str, dice: random.Random) -> None:
        invoice_id, method_id = self._invoice(key, dice), self._method(key, dice)
        collecting.pay_now(invoice_id, method_id, made_by="1")

    def pay_on_page(self, key: str, dice: random.Random) -> None:
        invoice_id = self._invoice(key, dice)
        collecting.page_for_owner(invoice_id)
        db.session.commit()
        self.world.move_to(self.world.moment + dice.uniform(0, 300))
        self.world.scheduler.passes("before_call")
        self._pay_there(self._stripe_id(invoice_id), dice)

    # At the processor

    def pay_by_link(self, key: str, dice: random.Random) -> None:
        self._pay_there(self._stripe_id(self._invoice(key, dice)), dice)

    def _pay_there(self, stripe_id: str, dice: random.Random) -> None:
        card = dice.choice([*GOOD, FAILS, ASKS, ASKS])
        answer = dice.choice([True, True, False, None])
        with self._noting_charges():
            self.world.processor.pay_invoice(stripe_id, card=card, authenticate=answer)

    def renew(self, key: str, dice: random.Random) -> None:
        """Have a card network replace a card, by a better or a worse one."""
        methods = [m for m in self._remote_methods(key) if m["type"] == "card"]
        method = dice.choice(methods)
        number = dice.choice([*GOOD, *GOOD, FAILS, LOST])
        self.world.processor.update_card_automatically(method["id"], number=number)
        self.world.good_since[method["id"]] = self.world.moment

    def detach(self, key: str, dice: random.Random) -> None:
        method = dice.choice(self._remote_methods(key))
        with suppress(stripe.StripeError):
            self.world.client.v1.payment_methods.detach(method["id"])

    def dispute(self, key: str, dice: random.Random) -> None:
        charge = dice.choice(self._paid_charges(key))
        if dice.random() < 0.5:
            self.world.processor.dispute(charge["id"])
        else:
            self.world.processor.warn_of_fraud(charge["id"])

    def pay_twice(self, key: str, dice: random.Random) -> None:
        with self._noting_charges():
            self.world.processor.pay_again(self._stripe_id(self._invoice(key, dice)))

    def pay_elsewhere(self, key: str, dice: random.Random) -> None:
        self.world.processor.pay_out_of_band(self._stripe_id(self._invoice(key, dice)))

    # Staff

    def retry(self, key: str, dice: random.Random) -> None:
        collecting.retry(self._invoice(key, dice), made_by="9")

    def refund(self, key: str, dice: random.Random) -> None:
        invoice_id = self._invoice(key, dice)
        amount = None if dice.random() < 0.3 else dice.randrange(10, 100, 10)
        refunding.refund(invoice_id, amount, reason="goodwill", made_by="9")

    # What they look at

    def _project(self, key: str) -> Project:
        found: Project = db.session.get_one(Project, int(key))
        return found

    def _method(self, key: str, dice: random.Random) -> UUID:
        info = self._project(key).billing_info
        methods = [m.id for m in info.payment_methods if m.removed_at is None] if info else []
        db.session.commit()
        return dice.choice(sorted(methods) or [UUID(int=0)])

    def _invoice(self, key: str, dice: random.Random) -> UUID:
        query = select(Invoice.id).where(Invoice.project_key == key, Invoice.due > 0)
        found = sorted(db.session.scalars(query))
        db.session.commit()
        if not found:
            raise LookupError
        return dice.choice(found)

    def _stripe_id(self, invoice_id: UUID) -> str:
        row = InvoiceCollection
        found = db.session.scalar(select(row.stripe_id).where(row.invoice_id == invoice_id))
        db.session.commit()
        if found is None:
            raise LookupError
        return found

    def _customer(self, key: str) -> str:
        info = self._project(key).billing_info
        customer: str = info.stripe_id if isinstance(info, BillingInfo) else ""
        db.session.commit()
        return customer

    def _remote_methods(self, key: str) -> list[dict[str, Any]]:
        customer = self._customer(key)
        found = [m for m in self.world.objects("payment_method") if m["customer"] == customer]
        if not found:
            raise LookupError
        return found

    def _paid_charges(self, key: str) -> list[dict[str, Any]]:
        customer = self._customer(key)
        charges = self.world.objects("charge")
        found = [c for c in charges if c["customer"] == customer and c["status"] == "succeeded"]
        found = [c for c in found if not c["disputed"] and not c["refunded"]]
        if not found:
            raise LookupError
        return found

    def _note_new(self) -> None:
        for method in self.world.objects("payment_method"):
            self.world.good_since.setdefault(method["id"], self.world.moment)

    def _noting_charges(self) -> Any:
        return _NotingCharges(self.world)


class _NotingCharges:
    """Tells the charges that people made by hand from those of the engine."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> None:
        self._before = {charge["id"] for charge in self._world.objects("charge")}

    def __exit__(self, *_: object) -> None:
        after = {charge["id"] for charge in self._world.objects("charge")}
        self._world.by_hand |= after - self._before
