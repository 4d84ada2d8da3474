"""How many statements and calls to Stripe it takes to accept and to process one event."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

import stripe
from flask import Flask

from benchmarks.harness import Topic
from benchmarks.host import Project, db, on_postgresql
from benchmarks.notifications import SECRET, headers_for, notification
from benchmarks.statements import heard
from flask_billing import PaymentMethod, events
from flask_billing.sandbox import Sandbox

__all__ = ["topic"]

ACCEPTED = "accepting an event"
DUPLICATE = "accepting a duplicate"
METHOD = "processing payment_method.updated"
CUSTOMER = "processing customer.updated"
CHECKOUT = "processing checkout.session.completed"
CHECKOUT_SEEN = "the same, after the person came back"


def _measure() -> dict[str, float]:
    with (
        Sandbox() as sandbox,
        on_postgresql(
            STRIPE_SECRET_KEY=sandbox.secret_key,
            STRIPE_API_BASE=sandbox.url,
            STRIPE_WEBHOOK_SECRET=SECRET,
        ) as app,
    ):
        return _Costs(app, sandbox).all()


class _Costs:
    """Counts beside a local Stripe."""

    def __init__(self, app: Flask, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox
        self._stripe = stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})
        self._figures: dict[str, float] = {}

    def all(self) -> dict[str, float]:
        first = self._checked_out("one")
        self._post("checkout.session.completed", first)
        # What one process asks for once, such as its account at Stripe, is known after the first.
        self._process("warming up")

        session_id = self._checked_out("two")
        self._post("checkout.session.completed", session_id)
        self._process(CHECKOUT)
        self._post("checkout.session.completed", session_id)
        self._process(CHECKOUT_SEEN)
        method = db.session.scalars(db.select(PaymentMethod)).first()
        assert method is not None
        ids = {METHOD: method.stripe_id, CUSTOMER: method.billing_info.stripe_id}
        for figure, object_id in ids.items():
            self._post(figure.split()[-1], object_id)
            self._process(figure)
        self._accept(method.stripe_id)
        return self._figures

    def _checked_out(self, name: str) -> str:
        """Save a card on Stripe's page, without coming back; return the session's id."""
        project = Project(name=name)
        db.session.add(project)
        db.session.commit()
        page = f"/projects/{project.id}/billing/payment-methods"
        path = urlsplit(self._app.test_client().post(page).location).path
        session_id = next(part for part in path.split("/") if part.startswith("cs_"))
        self._sandbox.complete_checkout(session_id)
        return session_id

    def _accept(self, method_id: str) -> None:
        thing = {"object": "payment_method", "id": method_id}
        body = notification("evt_twice", "payment_method.updated", thing)
        for figure in (ACCEPTED, DUPLICATE):
            self._count(figure, lambda: self._send(body))

    def _post(self, type: str, object_id: str) -> None:
        thing = {"object": type.rpartition(".")[0], "id": object_id}
        self._send(notification(f"evt_{uuid4().hex}", type, thing))

    def _send(self, body: bytes) -> None:
        answer = self._app.test_client().post(
            "/billing/webhooks/stripe", data=body, headers=headers_for(body)
        )
        assert answer.status_code == 200, answer.text

    def _process(self, figure: str) -> None:
        def process() -> None:
            report = events.process(limit=1)
            assert report == events.ProcessReport(processed=1), report

        self._count(figure, process)

    def _count(self, figure: str, work: Callable[[], None]) -> None:
        db.session.commit()
        self._sandbox.requests.clear()
        with heard(db.engine) as sent:
            work()
        self._figures[f"statements, {figure}"] = len(sent)
        self._figures[f"Stripe calls, {figure}"] = len(self._sandbox.requests)


topic = Topic(
    "events-statements",
    {
        f"statements, {ACCEPTED}": 3,
        f"Stripe calls, {ACCEPTED}": 0,
        f"statements, {DUPLICATE}": 1,
        f"Stripe calls, {DUPLICATE}": 0,
        f"statements, {METHOD}": 6,
        f"Stripe calls, {METHOD}": 1,
        f"statements, {CUSTOMER}": 6,
        f"Stripe calls, {CUSTOMER}": 1,
        f"statements, {CHECKOUT}": None,
        f"Stripe calls, {CHECKOUT}": None,
        f"statements, {CHECKOUT_SEEN}": None,
        f"Stripe calls, {CHECKOUT_SEEN}": None,
    },
    _measure,
)
