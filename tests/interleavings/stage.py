"""A customer with two cards, anew for each play, and what must be true of their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

import stripe
from flask import Flask
from sqlalchemy import select

from flask_billing import (
    BillingInfo,
    NotOurs,
    PaymentMethod,
    customers,
    events,
    payment_methods,
    sync,
)
from flask_billing.events.built_in import BUILT_IN
from flask_billing.gateways import RemoteEvent
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db
from tests.interleavings.schedules import Play, Processor, Worker
from tests.payment_methods.journey import MASTERCARD, start

#: What a worker does, and after how many changes it begins.
Work = tuple[Callable[[], object], int]


@cache
def _client(secret_key: str, url: str) -> stripe.StripeClient:
    return stripe.StripeClient(secret_key, base_addresses={"api": url}, max_network_retries=0)


class Stage:
    """A project that pays with two cards; all that happens, happens to the first.

    :param known: Whether there is a row of the first card; otherwise it was just saved beside us.
    """

    def __init__(self, app: Flask, sandbox: Sandbox, *, known: bool = True) -> None:
        sandbox.reset()
        self.app, self._sandbox = app, sandbox
        self._stripe = _client(sandbox.secret_key, sandbox.url).v1
        self.customer = self._stripe.customers.create().id
        self.card, self.other_card = self._attach(), self._attach()
        info = BillingInfo(stripe_id=self.customer)
        cards = [self.other_card, self.card] if known else [self.other_card]
        rows = [PaymentMethod(stripe_id=card, billing_info=info) for card in cards]
        project = Project(name="one", billing_info=info)
        db.session.add_all([*rows, project])
        db.session.commit()
        self.info_id, self.project_id, self.row_id = info.id, project.id, rows[-1].id
        db.session.commit()
        self._present: set[str] = set()
        self._gone: set[str] = set()

    def _attach(self) -> str:
        return self._stripe.payment_methods.attach("pm_card_visa", {"customer": self.customer}).id

    def save_on_page(self) -> str:
        """Save one more card on the processor's page, which is the first card from now on.

        :returns: The id of the stay there; nobody has come back from it yet.
        """
        session_id = start(db.session.get_one(Project, self.project_id))
        self._sandbox.complete_checkout(session_id, card=MASTERCARD)
        saved = {method.stripe_id for method in current().gateway.payment_methods(self.customer)}
        (self.card,) = saved - {self.card, self.other_card}
        return session_id

    # What happens at the processor

    def expire(self) -> None:
        # One that was detached before stays as it was.
        with suppress(LookupError):
            self._sandbox.update_card_automatically(self.card, exp_year=2020)

    def renew(self) -> None:
        self._sandbox.update_card_automatically(self.card, exp_year=2060)

    def detach(self) -> None:
        self._stripe.payment_methods.detach(self.card)

    # What workers do

    def told(self, event_type: str) -> None:
        """Deal with an event of the first card."""
        assert BUILT_IN[f"payment_method.{event_type}"](self.card, self.customer)

    def tell_all(self) -> None:
        """Deal with the events of a card that is attached and, right after, detached."""
        self.told("attached")
        self.detach()
        self.told("detached")

    def detach_and_tell(self) -> None:
        """Detach the first card, of which somebody is told at once."""
        self.detach()
        self.told("detached")

    def ask_and_write(self) -> None:
        """Bring the first card's row up to date, by itself."""
        answer = sync.ask(self.card)
        sync.write(answer)

    def come_back(self, session_id: str) -> None:
        """Return from the processor's page."""
        payment_methods.complete(db.session.get_one(Project, self.project_id), session_id)

    def told_of_session(self, session_id: str) -> None:
        assert BUILT_IN["checkout.session.completed"](session_id, self.customer)

    def send(self, event_type: str) -> None:
        """Have an event of the first card arrive."""
        events.store(
            RemoteEvent(
                stripe_id=f"evt_{event_type}_{self.card}",
                type=f"payment_method.{event_type}",
                livemode=False,
                created_at=datetime.now(UTC),
                object_id=self.card,
                object_type="payment_method",
                customer_id=self.customer,
            )
        )

    def detach_and_send(self) -> None:
        self.detach()
        self.send("detached")

    def process_one(self) -> None:
        """Process the event that has waited for longest."""
        assert events.process(limit=1) == events.ProcessReport(processed=1)

    def remove(self) -> None:
        """Remove the first card as its owner does, and see that its row says so at once."""
        project = db.session.get_one(Project, self.project_id)
        # Whoever comes too late has nothing to remove.
        with suppress(NotOurs):
            method = payment_methods.remove(project, self.row_id)
            assert method.removed_at is not None, "The verb came back before the card was gone."

    def look_at_page(self) -> None:
        customers.live_details(db.session.get_one(BillingInfo, self.info_id))

    # What must be true

    def look(self) -> None:
        """See that no card comes back after its row said that it was gone."""
        rows = self._rows()
        present = {row.stripe_id for row in rows if row.removed_at is None}
        gone = {row.stripe_id for row in rows} - present
        self._gone |= gone | (self._present - present)
        self._present = present
        back = present & self._gone
        assert not back, f"Came back after it was gone: {back}."

    def end(self) -> None:
        """See that the rows say what the processor says, and are in order."""
        now = datetime.now(UTC)
        live = current().gateway.payment_methods(self.customer)
        rows = [row for row in self._rows() if row.removed_at is None]
        usable = {row.stripe_id: row.usable for row in rows}
        true = {method.stripe_id: not method.is_expired(now) for method in live}
        assert usable == true, f"The rows end as {usable}, the processor as {true}."
        positions = sorted(row.position for row in rows)
        assert positions == list(range(len(rows))), f"The order ends as {positions}."

    def _rows(self) -> Sequence[PaymentMethod]:
        db.session.rollback()
        query = select(PaymentMethod).where(PaymentMethod.billing_info_id == self.info_id)
        return db.session.scalars(query).all()

    def play(self, *changes: Callable[[], object], **workers: Work) -> Play:
        """Return the play of `changes` at the processor and of workers by their names."""
        processor = Processor(*changes)
        cast = [
            Worker(self.app, name, work, processor, after)
            for name, (work, after) in workers.items()
        ]
        return Play(processor, cast, self.look, self.end)
