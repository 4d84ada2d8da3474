"""A host on PostgreSQL, and a processor, whose time, ids and luck come from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

import stripe
from flask import Flask
from sqlalchemy import Connection, MetaData, event, insert, select, text

from flask_billing import clock
from flask_billing.letters import Letter
from flask_billing.sandbox import DEFAULT_SECRET_KEY, DEFAULT_WEBHOOK_SECRET
from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.players import Players
from flask_billing.state import current
from tests.host import billing, create_app, db
from tests.invoicing.books import RATES
from tests.simulation.faults import Mail, Wire
from tests.simulation.scheduler import Scheduler

__all__ = ["BEGINS", "CANARY", "Order", "World", "opened"]

#: Two hours before a month ends.
BEGINS = datetime(2026, 9, 30, 22, tzinfo=UTC).timestamp()
#: When the projects are made.
SETTLES = datetime(2026, 9, 1, tzinfo=UTC).timestamp()
#: In every name and address of a person, and so in no row of ours.
CANARY = "Zuckerkandl"
_DEBIT_TAKES = 3 * 86_400
_URL = "http://127.0.0.1:9"


class Processor(Players):
    """The sandbox, without a socket."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.secret_key = DEFAULT_SECRET_KEY

    @property
    def url(self) -> str:
        return _URL


@dataclass(frozen=True)
class Place:
    """A payment method as it stood in the order when an attempt was committed."""

    id: UUID
    stripe_id: str
    position: int
    changed_at: datetime | None


@dataclass(frozen=True)
class Order:
    """What an attempt was chosen from: all that could be charged then, in their order."""

    attempt_id: UUID
    invoice_id: UUID
    method_id: UUID
    round: int
    origin: str
    created_at: datetime
    places: tuple[Place, ...]


@dataclass
class Notes:
    """What people were sent."""

    letters: list[tuple[UUID, str, UUID | None, str]] = field(default_factory=list)
    #: How often the rows were restored, as what was sent is forgotten with them.
    lost: int = 0
    lately: list[tuple[UUID, str, int]] = field(default_factory=list)

    def send(self, letters: Sequence[Letter]) -> int:
        """Take all of them, as a mail server would."""
        self.lately += [(e.notification_id, e.email, self.lost) for e in letters]
        self.letters += [(e.notification_id, e.kind, e.invoice_id, e.email) for e in letters]
        return len(letters)


class World:
    """One scene: `begin` empties it and draws it from a seed."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.processor = Processor()
        self.scheduler = Scheduler(app.app_context)
        self.wire = Wire(
            self.processor.engine, self.scheduler, ours=lambda: self.ours, tick=self.tick
        )
        self.mail = Mail(self.processor.engine)
        self.client = stripe.StripeClient(DEFAULT_SECRET_KEY, base_addresses={"api": _URL})
        self._metadata: MetaData = db.metadata
        self._backup: dict[str, list[Any]] | None = None
        self.draw(0)

    def begin(self, seed: int) -> None:
        """Forget everything, and have all luck come from a seed."""
        self.processor.engine.reset()
        with self.app.app_context():
            with db.engine.begin() as connection:
                self._empty(connection)
            self._forget()
        self.draw(seed)

    def draw(self, seed: int) -> None:
        """Set all dice, and the clocks to the beginning."""
        self.seed = seed
        self.dice = random.Random(f"{seed} world")
        self.ids = random.Random(f"{seed} ids")
        self.remote_ids = random.Random(f"{seed} remote ids")
        random.seed(f"{seed} library")
        self.scheduler.begin(random.Random(f"{seed} turns"))
        self.wire.begin(random.Random(f"{seed} wire"))
        self.wire.on_pay = self._require_row
        self.mail.begin(random.Random(f"{seed} mail"))
        self.skew = 0.0
        self.notes = Notes()
        billing.notifier = self.notes
        self.orders: dict[UUID, Order] = {}
        self.restored_at: list[tuple[float, float]] = []
        self.wrong: list[str] = []
        self.story: list[str] = []
        self.good_since: dict[str, float] = {}
        self.by_hand: set[str] = set()
        self.happened: dict[str, int] = {}
        self._backup = None
        self.moment = 0.0
        self._frozen = 0
        self.move_to(SETTLES)
        for teller in (self.scheduler, self.wire):
            teller.tell = self.tell

    def random_bytes(self, count: int) -> bytes:
        """Give our ids their random part."""
        return self.ids.randbytes(count)

    def random_letter(self, letters: str) -> str:
        """Give the processor's ids theirs."""
        return self.remote_ids.choice(letters)

    # Time

    @property
    def ours(self) -> float:
        """The time by our clock, in seconds."""
        return self.moment + self.skew

    def now(self) -> datetime:
        """Return the time by our clock; looking at it takes a millisecond."""
        self.moment += 0.001
        return datetime.fromtimestamp(self.ours, UTC)

    def tick(self) -> None:
        """Let as much time go by as a call takes."""
        self.move_to(self.moment + self.dice.uniform(0.1, 1.5))

    def move_to(self, moment: float) -> None:
        """Go on to a moment; the processor's clock shows whole seconds."""
        self.moment = max(self.moment, moment)
        if int(self.moment) != self._frozen:
            self._frozen = int(self.moment)
            self.processor.engine.clock.freeze(self._frozen)

    # Telling

    def tell(self, line: str) -> None:
        """Note what happens, for whoever looks for the reason of a failure."""
        job = self.scheduler.job
        who = job.name if job is not None else "-"
        at = datetime.fromtimestamp(self.moment, UTC)
        self.story.append(f"{at:%m-%d %H:%M:%S} {who}: {line}")

    def count(self, what: str) -> None:
        """Count that something happened."""
        self.happened[what] = self.happened.get(what, 0) + 1

    # Rows

    def back_up(self) -> None:
        """Copy all rows."""
        with self.app.app_context(), db.engine.connect() as connection:
            self._backup = {
                name: [row._asdict() for row in connection.execute(select(table))]
                for name, table in self._metadata.tables.items()
            }
        self._backed_up_at = self.moment
        self.tell("all rows are copied")

    def restore(self) -> None:
        """Put the copied rows in the place of all others, as after a loss."""
        if self._backup is None:
            return
        with self.app.app_context():
            with db.engine.begin() as connection:
                self._empty(connection)
                for table in self._metadata.sorted_tables:
                    if self._backup[table.name]:
                        connection.execute(insert(table), self._backup[table.name])
            self._forget()
        self.restored_at.append((self._backed_up_at, self.moment))
        self.notes.lost += 1
        self.wire.before += self.wire.sent
        self.wire.sent.clear()
        self.wire.reads.clear()
        self.orders.clear()
        self.tell("the rows are those of the copy again")

    def _empty(self, connection: Connection) -> None:
        """Take everything out of the tables that hold anything; that they lie as new ones do."""
        names = [f'"{name}"' for name in self._metadata.tables]
        sizes = ", ".join(f"pg_relation_size('{name}')" for name in names)
        found = connection.execute(text(f"SELECT {sizes}")).one()
        full = ", ".join(name for name, size in zip(names, found, strict=True) if size)
        if full:
            connection.execute(text(f"TRUNCATE {full} RESTART IDENTITY CASCADE"))

    def _forget(self) -> None:
        """Forget what a process remembers of its rows, as all were started anew."""
        state = current()
        state.known_keys.clear()
        state.known_rates.clear()
        state.rates_written.clear()

    @property
    def is_restored_lately(self) -> bool:
        """Whether the rows were put back within half a day."""
        return bool(self.restored_at) and self.moment < self.restored_at[-1][1] + 43_200

    # Looking on

    def committed(self, attempt_inserted: bool) -> None:
        """Look at what was committed just now, before anybody else can change it."""
        if attempt_inserted:
            with db.engine.connect() as connection:
                self._note_orders(connection)

    def _note_orders(self, connection: Any) -> None:
        new = connection.execute(
            text(
                "SELECT a.id, a.invoice_id, a.payment_method_id, a.round, a.origin, a.created_at,"
                " m.billing_info_id FROM payment_attempt a"
                " JOIN payment_method m ON m.id = a.payment_method_id"
                " WHERE a.in_flight_marker = 1"
            )
        ).all()
        for attempt in new:
            if attempt.id not in self.orders:
                places = connection.execute(
                    text(
                        "SELECT id, stripe_id, position, changed_at FROM payment_method"
                        " WHERE billing_info_id = :info AND usable AND refusal IS NULL"
                        " AND leaving_at IS NULL AND removed_at IS NULL AND position IS NOT NULL"
                        " ORDER BY position"
                    ),
                    {"info": attempt.billing_info_id},
                )
                self.orders[attempt.id] = Order(
                    *attempt[:6], places=tuple(Place(*place) for place in places)
                )

    def _require_row(self, sent: Any) -> None:
        """Whoever asks for money has written so before."""
        try:
            attempt_id = UUID(sent.key.removeprefix("pay-"))
        except ValueError:
            attempt_id = None
        if attempt_id not in self.orders:
            self.wrong.append(f"{sent.invoice} was to be paid before a row said so")

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return the processor's objects of a kind, with what it shows to nobody."""
        engine = self.processor.engine
        return engine.store.find(engine.default_scope(), kind, oldest_first=True)


@contextmanager
def opened(url: str) -> Iterator[World]:
    """Give a host on an empty database whose processor is in this process."""
    app = create_app(
        f"{url}{'&' if '?' in url else '?'}options=-csynchronous_commit%3Doff",
        BILLING_CURRENCY="eur",
        BILLING_RATES=RATES,
        BILLING_COLLECT_THREADS=1,
        BILLING_STRIPE_RATE=10_000,
        BILLING_SANITY_FACTOR=0,
        BILLING_BASE_URL="http://localhost",
        STRIPE_SECRET_KEY=DEFAULT_SECRET_KEY,
        STRIPE_WEBHOOK_SECRET=DEFAULT_WEBHOOK_SECRET,
        STRIPE_API_BASE=_URL,
    )
    with app.app_context():
        db.create_all()
    world = World(app)
    with ExitStack() as stack:
        for target, value in _replaced(world):
            stack.enter_context(patch(target, value))
        # What is warned of is what is meant to happen.
        stack.enter_context(patch.object(app.logger, "disabled", True))
        stack.enter_context(patch.dict(BANK_ACCOUNTS, _slow_banks()))
        stack.enter_context(clock.moved(world.now))
        stack.enter_context(_committing(world))
        luck, before = random.getstate(), billing._hooks.members_emails
        billing._hooks.members_emails = lambda key: [f"{CANARY}-{key}@example.com"]
        try:
            yield world
        finally:
            random.setstate(luck)
            billing._hooks.members_emails = before
            billing.notifier = None
            world.processor.engine.close()
            with app.app_context():
                db.engine.dispose()


def _replaced(world: World) -> list[tuple[str, Any]]:
    """Return where time, ids, luck and the way out come in, and by what they are replaced."""
    ids = "flask_billing.ids"
    pacing = "flask_billing.gateways.stripe.pacing"
    return [
        (f"{ids}.os", SimpleNamespace(urandom=world.random_bytes)),
        (f"{ids}.time", SimpleNamespace(time_ns=lambda: int(world.ours * 1_000_000_000))),
        (
            "flask_billing.sandbox.engine.ids.secrets",
            SimpleNamespace(choice=world.random_letter),
        ),
        ("stripe.RequestsClient.request", lambda client, *args: world.wire.request(*args)),
        ("stripe.HTTPClient.INITIAL_DELAY", 0),
        (f"{pacing}._AT_ONCE", 86_400),
        (f"{pacing}._FIRST_PAUSE", 0),
        (f"{pacing}.sleep", lambda seconds: None),
    ]


def _slow_banks() -> dict[str, Any]:
    return {iban: replace(account, seconds=_DEBIT_TAKES) for iban, account in BANK_ACCOUNTS.items()}


@contextmanager
def _committing(world: World) -> Iterator[None]:
    """Have every commit of a job be a place where it may die or wait."""
    with world.app.app_context():
        engine = db.engine
    commit: Callable[[Any], None] = engine.dialect.do_commit
    inserting: set[str | None] = set()

    def name() -> str | None:
        return world.scheduler.job.name if world.scheduler.job is not None else None

    def do_commit(connection: Any) -> None:
        world.scheduler.passes("before_commit")
        commit(connection)
        if name() in inserting:
            inserting.discard(name())
            with world.app.app_context():
                world.committed(attempt_inserted=True)
        world.scheduler.passes("after_commit")

    def watch(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO payment_attempt"):
            inserting.add(name())

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    event.listen(engine, "before_cursor_execute", watch)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", watch)
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
