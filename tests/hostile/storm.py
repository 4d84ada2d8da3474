"""Plays changes from a seed: at the processor beside us, and by people on our own pages."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import stripe
from flask import Flask
from sqlalchemy import func, select

from flask_billing import SetupSession, customers, payment_methods
from flask_billing.errors import BillingError
from flask_billing.gateways import CustomerDetails
from flask_billing.models import BillingEvent
from flask_billing.sandbox import CheckoutRefused, Sandbox
from tests.host import Project, db
from tests.payment_methods.journey import AMEX, CANCEL_URL, MASTERCARD, RETURN_URL, VISA

IBAN = "DE89370400440532013000"
#: Nobody is to hurry far ahead of the deliveries and the workers, or nothing would overlap.
MOST_WAITING = 30

#: Kinds of changes to leave out, to find out which one makes a seed fail.
WITHOUT = os.environ.get("HOSTILE_WITHOUT", "").split(",")

Change = Callable[[random.Random], None]


@dataclass
class Seen:
    """What came to be at the processor, for everybody who changes something."""

    customers: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    mandates: list[str] = field(default_factory=list)

    def add(self, new: Seen) -> None:
        self.customers += new.customers
        self.methods += new.methods
        self.mandates += new.mandates

    def any_of(self, kind: list[str], draws: random.Random) -> str:
        # What was made lately is still in motion.
        return draws.choice(kind[-10:] if draws.random() < 0.5 else kind) if kind else "none_yet"


class Processor:
    """Changes that Stripe tells us of, and that we did not make."""

    def __init__(self, sandbox: Sandbox, seen: Seen) -> None:
        self.sandbox = sandbox
        self.seen = seen
        client = stripe.StripeClient(
            sandbox.secret_key, base_addresses={"api": sandbox.url}, max_network_retries=0
        )
        self.v1 = client.v1
        self.changes: dict[Change, float] = {
            self.attach: 12,
            self.detach: 10,
            self.change_expiry: 26,
            self.renew: 12,
            self.rename: 8,
            self.delete_customer: 2,
            self.add_tax_id: 4,
            self.set_mandate: 8,
            self.serve_somebody_else: 4,
        }

    def attach(self, draws: random.Random) -> None:
        customer = self.seen.any_of(self.seen.customers, draws)
        token = draws.choice(["pm_card_visa", "pm_card_amex", "pm_success_de"])
        method = self.v1.payment_methods.attach(token, {"customer": customer})
        self.seen.methods.append(method.id)

    def detach(self, draws: random.Random) -> None:
        self.v1.payment_methods.detach(self.seen.any_of(self.seen.methods, draws))

    def change_expiry(self, draws: random.Random) -> None:
        card: Any = {"card": {"exp_month": 1, "exp_year": draws.choice([2020, 2040])}}
        self.v1.payment_methods.update(self.seen.any_of(self.seen.methods, draws), card)

    def renew(self, draws: random.Random) -> None:
        method = self.seen.any_of(self.seen.methods, draws)
        year = draws.choice([2021, 2041])
        self.sandbox.update_card_automatically(method, exp_month=1, exp_year=year)

    def rename(self, draws: random.Random) -> None:
        customer = self.seen.any_of(self.seen.customers, draws)
        self.v1.customers.update(customer, {"description": f"number {draws.random()}"})

    def delete_customer(self, draws: random.Random) -> None:
        self.v1.customers.delete(self.seen.any_of(self.seen.customers, draws))

    def add_tax_id(self, draws: random.Random) -> None:
        tax_id: Any = {"type": "eu_vat", "value": f"DE{draws.randrange(10**8, 10**9)}"}
        self.v1.customers.tax_ids.create(self.seen.any_of(self.seen.customers, draws), tax_id)

    def set_mandate(self, draws: random.Random) -> None:
        status = draws.choice(["active", "inactive"])
        self.sandbox.set_mandate_status(self.seen.any_of(self.seen.mandates, draws), status)

    def serve_somebody_else(self, draws: random.Random) -> None:
        other = self.v1.customers.create({"description": "not ours"})
        self.v1.payment_methods.attach("pm_card_visa", {"customer": other.id})


class People:
    """What people do on our pages, and on the processor's that we send them to."""

    def __init__(self, app: Flask, sandbox: Sandbox, seen: Seen, keys: list[int]) -> None:
        self.app = app
        self.sandbox = sandbox
        self.seen = seen
        self.keys = keys
        self.stripe = stripe.StripeClient(
            sandbox.secret_key, base_addresses={"api": sandbox.url}, max_network_retries=0
        )
        self.changes: dict[Change, float] = {
            self.in_the_app(change): weight
            for change, weight in (
                (self.save, 10),
                (self.save_what_changes_at_once, 5),
                (self.give_up, 2),
                (self.remove, 8),
                (self.move, 8),
                (self.look, 6),
                (self.edit_details, 3),
                (self.sweep, 0.3),
            )
        }

    def in_the_app(self, change: Callable[[Project, random.Random], None]) -> Change:
        @wraps(change)
        def act(draws: random.Random) -> None:
            with self.app.app_context():
                change(db.session.get_one(Project, draws.choice(self.keys)), draws)

        return act

    def save(self, project: Project, draws: random.Random) -> None:
        session_id, _ = self._fill_in(project, draws)
        if draws.random() < 0.5:
            payment_methods.complete(project, session_id)

    def save_what_changes_at_once(self, project: Project, draws: random.Random) -> None:
        """Have more happen before the host has even heard of the first."""
        session_id, new = self._fill_in(project, draws)
        beside = Processor(self.sandbox, new)
        changes = [beside.attach, beside.detach, beside.change_expiry, beside.delete_customer]
        draws.choice([beside.set_mandate] if new.mandates else changes)(draws)
        if draws.random() < 0.5:
            payment_methods.complete(project, session_id)

    def _fill_in(self, project: Project, draws: random.Random) -> tuple[str, Seen]:
        session_id = self._start(project)
        if draws.random() < 0.25:
            self.sandbox.complete_checkout(session_id, iban=IBAN)
        else:
            card = draws.choice([VISA, MASTERCARD, AMEX])
            self.sandbox.complete_checkout(session_id, card=card)
        new = self._look_up(session_id)
        self.seen.add(new)
        return session_id, new

    def _start(self, project: Project) -> str:
        payment_methods.start(project, return_url=RETURN_URL, cancel_url=CANCEL_URL)
        mine = select(SetupSession).where(
            SetupSession.project_key == str(project.id), SetupSession.open_marker == 1
        )
        row = db.session.scalars(mine).one_or_none()
        db.session.commit()
        if row is None or row.stripe_id is None:
            raise CheckoutRefused({"session": "Somebody else was faster."})
        return row.stripe_id

    def _look_up(self, session_id: str) -> Seen:
        session: Any = self.stripe.v1.checkout.sessions.retrieve(
            session_id, {"expand": ["setup_intent"]}
        )
        intent = session.setup_intent
        mandates = [intent.mandate] if intent.mandate else []
        return Seen([session.customer], [intent.payment_method], mandates)

    def give_up(self, project: Project, draws: random.Random) -> None:
        self._start(project)

    def remove(self, project: Project, draws: random.Random) -> None:
        if project.payment_methods:
            payment_methods.remove(project, draws.choice(project.payment_methods).id)

    def move(self, project: Project, draws: random.Random) -> None:
        if project.payment_methods:
            method = draws.choice(project.payment_methods)
            payment_methods.move(project, method.id, direction=draws.choice(["up", "down"]))

    def look(self, project: Project, draws: random.Random) -> None:
        customers.live_details(project.billing_info)

    def edit_details(self, project: Project, draws: random.Random) -> None:
        if project.billing_info is not None:
            details = CustomerDetails(name="Ada", invoice_note=str(draws.random()))
            customers.update(project.billing_info, details, None)

    def sweep(self, project: Project, draws: random.Random) -> None:
        payment_methods.sweep()


#: Calls that processing makes, and what may become of them.
CALLS = (
    "GET /v1/payment_methods/*",
    "GET /v1/payment_methods/*",
    "GET /v1/checkout/sessions/*",
    "GET /v1/customers/*",
    "GET /v1/mandates/*",
    "GET /v1/setup_intents/*",
    "POST /v1/payment_methods/*/detach",
    "POST /v1/checkout/sessions*",
    "POST /v1/customers/*",
)
FAULTS = ("timeout_before", "timeout_after", "error_500", "error_500_after", "rate_limit", "slow")


def disturb(sandbox: Sandbox, draws: random.Random) -> None:
    """Have one more kind of call go wrong for a while, or shuffle what is to be delivered."""
    if draws.random() < 0.3:
        sandbox.webhooks.reorder()
    how = draws.choice(FAULTS)
    sandbox.fail(
        draws.choice(CALLS),
        how=how,
        nth=draws.randrange(1, 10),
        times=draws.randrange(1, 7),
        seconds=draws.uniform(0, 0.2) if how == "slow" else 0,
    )


def waiting(app: Flask, sandbox: Sandbox) -> int:
    """Return how many events nobody has looked at yet."""
    untried = select(func.count()).where(
        BillingEvent.state == "pending", BillingEvent.attempts == 0
    )
    with app.app_context():
        return sandbox.webhooks.pending + (db.session.scalar(untried) or 0)


def blow(
    app: Flask, players: dict[str, tuple[int, dict[Change, float]]], seed: int, sandbox: Sandbox
) -> tuple[Counter[str], list[BaseException]]:
    """Have each player make so many of their changes; return what was done and what surprised."""
    done: Counter[str] = Counter()
    surprises: list[BaseException] = []

    def play(name: str) -> None:
        draws = random.Random(f"{seed} {name}")
        number, changes = players[name]
        changes = {change: n for change, n in changes.items() if change.__name__ not in WITHOUT}
        for _ in range(number):
            while waiting(app, sandbox) > MOST_WAITING and not surprises:
                time.sleep(0.05)
            try:
                # What is refused, or interrupted by a fault, happens to people too.
                with suppress(BillingError, CheckoutRefused, LookupError, stripe.StripeError):
                    draws.choices(list(changes), list(changes.values()))[0](draws)
                    done[name] += 1
            except Exception as error:  # noqa: BLE001 - shown by the test
                surprises.append(error)
            if draws.random() < 0.05:
                disturb(sandbox, draws)

    threads = [threading.Thread(target=play, args=[name]) for name in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done, surprises
