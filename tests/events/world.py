"""A host and its processor, with what the processor tells in between; a saved card in two lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe
from flask import Flask
from sqlalchemy import Engine, event, select
from werkzeug.serving import make_server

from flask_billing import PaymentMethod, clock, events
from flask_billing.events import ProcessReport
from flask_billing.gateways import RemoteEvent
from flask_billing.models import BillingEvent, BillingInfo
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.gateways.notices import SECRET, header
from tests.host import Project, create_app, db
from tests.payment_methods.journey import save

PATH = "/billing/webhooks/stripe"


class World:
    """A host on a database of its own, and the sandbox that it takes for Stripe.

    Its methods need an app context, but for :meth:`post`.
    """

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self.app = app
        self.sandbox = sandbox
        self.stripe = stripe.StripeClient(
            sandbox.secret_key, base_addresses={"api": sandbox.url}, max_network_retries=0
        )
        self._taken: set[str] = set()

    def project(self, name: str = "one") -> Project:
        """Return a new project."""
        project = Project(name=name)
        db.session.add(project)
        db.session.commit()
        return project

    def card(self, project: Project | None = None, **filled_in: Any) -> PaymentMethod:
        """Save a card, of a new project unless one is given, and forget what was told of it."""
        project = self.project() if project is None else project
        method = save(self.sandbox, project, **filled_in).payment_method
        assert method is not None
        self.overhear()
        return method

    # What others do at the processor

    def attach(self, project: Project, token: str = "pm_card_mastercard") -> str:
        """Save a card beside our pages, as staff does on the processor's dashboard."""
        customer = project.billing_info.stripe_id
        return self.stripe.v1.payment_methods.attach(token, {"customer": customer}).id

    def stranger(self) -> tuple[str, str]:
        """Make a customer with a card that another application of the same account uses."""
        customer = self.stripe.v1.customers.create({"name": "Ada"}).id
        method = self.stripe.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        return customer, method.id

    # What the processor tells

    def told(self, *types: str) -> list[RemoteEvent]:
        """Return what the processor told since the last time, oldest first; only `types` if any.

        What is left out by its type comes the next time.
        """
        found = [
            told
            for told in reversed(list(current().gateway.events()))
            if told.stripe_id not in self._taken and (not types or told.type in types)
        ]
        self._taken |= {told.stripe_id for told in found}
        return found

    def overhear(self) -> None:
        """Let everything that the processor told until now never arrive."""
        self.told()

    def arrive(self, *types: str) -> list[BillingEvent]:
        """Store what the processor told since the last time; return its rows."""
        return store(self.told(*types))

    def handle(self, *types: str) -> ProcessReport:
        """Store what the processor told since the last time, and process all that is due."""
        self.arrive(*types)
        return events.process()

    def post(self, body: Any, *, secret: str = SECRET, **options: Any) -> int:
        """Post a signed notification and return the answer's status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Stripe-Signature": header(raw, secret)} | options.pop("headers", {})
        answer = self.app.test_client().post(PATH, data=raw, headers=headers, **options)
        answer.close()
        return answer.status_code

    # What is true

    def differences(self) -> list[str]:
        """Return where our rows say something else than the processor."""
        db.session.commit()
        db.session.expire_all()
        found = []
        for info in db.session.scalars(select(BillingInfo)):
            customer = self.stripe.v1.customers.retrieve(info.stripe_id)
            gone = bool(getattr(customer, "deleted", False))
            if gone != (info.removed_at is not None):
                found.append(f"{info.stripe_id}: deleted is {gone} at the processor")
            remote = {} if gone else self._methods(info.stripe_id)
            found += _differing(info, remote)
        return found

    def _methods(self, customer_id: str) -> dict[str, bool]:
        """Return what a customer has saved, and whether it can be charged."""
        page = self.stripe.v1.customers.payment_methods.list(customer_id, {"limit": 100})
        return {method.id: self._is_usable(method) for method in page.data}

    def _is_usable(self, method: stripe.PaymentMethod) -> bool:
        now = clock.now()
        card = getattr(method, "card", None)
        if card is not None:
            return (now.year, now.month) <= (card.exp_year, card.exp_month)
        mandate = self.mandate_of(method.id)
        return mandate is None or self.stripe.v1.mandates.retrieve(mandate).status == "active"

    def mandate_of(self, method_id: str) -> str | None:
        """Return the id of the mandate that a payment method was saved with."""
        intents = self.stripe.v1.setup_intents.list({"payment_method": method_id}).data
        return str(intents[0].mandate) if intents and intents[0].mandate else None


def _differing(info: BillingInfo, remote: dict[str, bool]) -> list[str]:
    rows = [row for row in info.payment_methods if row.removed_at is None]
    found = [f"{row.stripe_id} is gone" for row in rows if row.stripe_id not in remote]
    ours = {row.stripe_id for row in rows}
    found += [f"{method} is not known" for method in remote if method not in ours]
    found += [
        f"{row.stripe_id}: usable is {row.usable}"
        for row in rows
        if row.stripe_id in remote and row.usable != remote[row.stripe_id]
    ]
    places = [row.position for row in rows if row.leaving_at is None]
    if set(places) != set(range(len(places))):
        found.append(f"{info.stripe_id}: the positions are {places}")
    return found


def make_app(url: str, sandbox: Sandbox, **config: Any) -> Flask:
    """Return a host with tables, for the sandbox; settings can be given."""
    usual = {
        "STRIPE_SECRET_KEY": sandbox.secret_key,
        "STRIPE_API_BASE": sandbox.url,
        "STRIPE_WEBHOOK_SECRET": SECRET,
    }
    app = create_app(url, **usual | config)
    with app.app_context():
        db.create_all()
    return app


def store(told: list[RemoteEvent]) -> list[BillingEvent]:
    """Store notifications in the order given; return their rows."""
    for each in told:
        events.store(each)
    return [by_id(each.stripe_id) for each in told]


def by_id(stripe_id: str) -> BillingEvent:
    """Return the row of an event as it is now."""
    db.session.commit()
    query = select(BillingEvent).where(BillingEvent.stripe_id == stripe_id)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()


def event_rows() -> list[BillingEvent]:
    """Return every event there is as it is now, in the order of arrival."""
    db.session.commit()
    query = select(BillingEvent).order_by(BillingEvent.received_at, BillingEvent.id)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def by_type(kind: str) -> list[BillingEvent]:
    """Return the events of a type."""
    return [row for row in event_rows() if row.type == kind]


def ends(kind: str) -> set[tuple[str, str | None]]:
    """Return how the events of a type ended: state and reason."""
    return {(row.state, row.reason) for row in by_type(kind)}


def method_row(stripe_id: str) -> PaymentMethod:
    """Return the row of a payment method as it is now."""
    db.session.commit()
    query = select(PaymentMethod).where(PaymentMethod.stripe_id == stripe_id)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()


def made_up(number: int = 1, **changes: Any) -> RemoteEvent:
    """Return a notification that nothing at the processor belongs to."""
    values: dict[str, Any] = {
        "stripe_id": f"evt_{number}",
        "type": "product.updated",
        "livemode": False,
        "created_at": datetime(2026, 11, 1, tzinfo=UTC),
        "object_id": f"prod_{number}",
        "object_type": "product",
    }
    return RemoteEvent(**values | changes)


class MovedClock:
    """Our clock, ahead of the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def advance(self, **ahead: float) -> None:
        """Put the clock ahead by so many `minutes`, `hours` or `days` more."""
        self.ahead += timedelta(**ahead)

    def now(self) -> datetime:
        """Return the time as it is by this clock."""
        return datetime.now(UTC) + self.ahead


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the SQL statements of all engines while the block runs."""
    collected: list[str] = []

    def collect(*args: Any) -> None:
        collected.append(args[2])

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        yield collected
    finally:
        event.remove(Engine, "before_cursor_execute", collect)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve a host on a free port of this machine and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
