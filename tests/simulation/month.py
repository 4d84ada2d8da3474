"""Plays a month-end and what follows, from a seed, until nothing is left to be done."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import text

from flask_billing import (
    BillingError,
    collecting,
    events,
    invoicing,
    notifying,
    payment_methods,
    refunding,
)
from flask_billing.payment_methods import look_again
from tests.host import db
from tests.simulation import counting
from tests.simulation.owners import Owners, settle_in
from tests.simulation.scheduler import Job
from tests.simulation.world import BEGINS, World

__all__ = ["Outcome", "play"]

_HOUR, _DAY = 3600.0, 86_400.0
#: How far our clock is from the processor's at most.
_MOST_SKEW = 20 * _HOUR
#: For how long things go wrong, and when it is counted: within the days for which the processor
#: lists its events.
TROUBLED, OVER = 15 * _DAY, 27 * _DAY
#: More looks than any scene takes: one that takes more will never be quiet.
MOST_BURSTS = 900

#: When each worker has something to do next, by our clock.
_DUE = {
    "collect": "SELECT min(greatest(next_try_at, owner_until, claimed_until))"
    " FROM billing_collection WHERE state IN ('waiting', 'processing', 'transfer', 'past_due')",
    "events": "SELECT min(next_try_at) FROM billing_event WHERE state = 'pending'",
    "notify": "SELECT min(next_try_at) FROM billing_notification"
    " WHERE state IN ('pending', 'sending')",
    "refunds": "SELECT min(next_try_at) FROM billing_refund WHERE state IN ('sending', 'pending')",
    "overpaid": "SELECT min(issued_at) FROM billing_collection WHERE overpaid > 0 AND NOT EXISTS"
    " (SELECT FROM billing_refund r WHERE r.invoice_id = billing_collection.invoice_id"
    " AND r.overpayment_marker = 1)",
}
_NEXT = text(
    "SELECT " + ", ".join(f"extract(epoch FROM ({one})) AS {name}" for name, one in _DUE.items())
)


@dataclass
class Outcome:
    """What a scene came to.

    :ivar wrong: What must never be; empty where all is well.
    """

    seed: int
    wrong: list[str]
    story: list[str]
    invoices: int = 0
    charges: int = 0
    calls: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class _Month:
    def __init__(self, world: World) -> None:
        self.world = world
        self.owners = Owners(world)
        self.dice = world.dice
        self.agenda: list[tuple[float, int, Callable[[], object]]] = []
        self.is_away = False
        self._number = 0
        with world.app.app_context():
            self.keys = settle_in(world)
        world.move_to(BEGINS)
        self._plan()

    # What is to come

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Have something happen so long after the beginning."""
        self._number += 1
        heapq.heappush(self.agenda, (BEGINS + seconds, self._number, act))

    def _plan(self) -> None:
        dice, world = self.dice, self.world
        self.at(3 * _HOUR + dice.uniform(0, 60), lambda: None)
        names = sorted(self.owners.acts)
        weights = [self.owners.acts[name][1] for name in names]
        for _ in range(dice.randrange(4, 16)):
            name = dice.choices(names, weights)[0]
            key = dice.choice(self.keys)
            self.at(self._some_time(), lambda name=name, key=key: self._person(name, key))
        for _ in range(dice.randrange(3)):
            by = dice.choice([dice.uniform(-12, -0.1), dice.uniform(0.1, 20)]) * _HOUR
            self.at(self._some_time(), partial(self._jump, by))
        if dice.random() < 0.35:
            begins, takes = self._some_time(), dice.choice([0.2, 2, 30]) * _HOUR
            self.at(begins, lambda: self._outage(is_down=True))
            self.at(begins + takes, lambda: self._outage(is_down=False))
        if dice.random() < 0.25:
            begins, takes = self._some_time(), dice.choice([3, 26, 40]) * _HOUR
            self.at(begins, lambda: self._leave(is_away=True))
            self.at(begins + takes, lambda: self._leave(is_away=False))
        if dice.random() < 0.25:
            begins = dice.choice([_HOUR, 3 * _HOUR + 120, 1.5 * _DAY, 4 * _DAY])
            back = begins + dice.choice([0.5, 5, 30, 60]) * _HOUR
            self.at(begins, world.back_up)
            self.at(back, self._restore)
        world.tell(f"projects {', '.join(self.keys)}")

    def _some_time(self) -> float:
        """Return a moment of the trouble, most often soon after the month has ended."""
        if self.dice.random() < 0.5:
            return 3 * _HOUR + self.dice.expovariate(1 / (1.5 * _HOUR))
        return self.dice.uniform(0, TROUBLED)

    def _jump(self, by: float) -> None:
        # By less than a day in all: a host whose date is wrong has other troubles.
        by = max(-_MOST_SKEW, min(_MOST_SKEW, self.world.skew + by)) - self.world.skew
        self.world.skew += by
        self.world.count("clock jumps")
        self.world.tell(f"our clock jumps by {by / _HOUR:.1f} hours")

    def _outage(self, *, is_down: bool) -> None:
        self.world.wire.is_down = is_down
        if is_down:
            self.world.count("processor outages")
        self.world.tell(f"the processor is {'down' if is_down else 'up again'}")

    def _leave(self, *, is_away: bool) -> None:
        self.is_away = is_away
        if is_away:
            self.world.count("our outages")
        self.world.tell(f"our workers are {'away' if is_away else 'back'}")

    def _restore(self) -> None:
        self.world.restore()
        self.world.count("restores")

    # Playing

    def play(self) -> None:
        """Play until the trouble is over, and then until all is counted."""
        world = self.world
        world.scheduler.kill_chance = self.dice.choice([0, 0.004, 0.01, 0.03])
        world.wire.chance = self.dice.choice([0, 0.03, 0.08, 0.2])
        world.mail.is_rough = self.dice.random() < 0.8
        bursts = 0
        while self._go_on():
            bursts += 1
            if bursts > MOST_BURSTS:
                world.wrong.append("it is never quiet")
                return
            people = self._due_people()
            if world.moment >= BEGINS + TROUBLED:
                self._calm()
            if not self.is_away:
                self._work(people)
            elif people:
                world.scheduler.run(people)

    def _go_on(self) -> bool:
        """Move to the next moment at which something happens; returns whether there is one."""
        world = self.world
        moments = [BEGINS + OVER, world.moment + _DAY]
        if self.agenda:
            moments.append(self.agenda[0][0])
        if (due := world.processor.engine.store.next_due()) is not None:
            moments.append(float(due))
        if world.mail.next_at is not None and not self.is_away:
            moments.append(world.mail.next_at)
        if not self.is_away:
            moments += [at - world.skew for name, at in self._due().items() if name != "overpaid"]
        moment = max(min(moments), world.moment) + self.dice.uniform(1, 60)
        if world.moment >= BEGINS + OVER:
            return False
        world.move_to(moment)
        world.processor.engine.do_due()
        world.mail.collect(world.moment)
        return True

    def _due(self) -> dict[str, float]:
        with self.world.app.app_context(), db.engine.connect() as connection:
            found = connection.execute(_NEXT).one()._asdict()
        return {name: float(at) for name, at in found.items() if at is not None}

    def _due_people(self) -> list[Job]:
        jobs: list[Job] = []
        while self.agenda and self.agenda[0][0] <= self.world.moment:
            _, _, act = heapq.heappop(self.agenda)
            found = act()
            if isinstance(found, Job):
                jobs.append(found)
        return jobs

    def _person(self, name: str, key: str) -> Job:
        self._number += 1
        dice = random.Random(f"{self.world.seed} person {self._number}")
        return Job(f"person {self._number}", lambda: self.owners.act(name, key, dice))

    def _work(self, people: list[Job]) -> None:
        """Let workers, and whoever acts now, go on side by side."""
        world, dice = self.world, self.dice
        mail = world.mail
        due = {name for name, at in self._due().items() if at <= world.ours}
        is_early = world.moment < BEGINS + 8 * _HOUR or world.is_restored_lately
        parts: list[tuple[str, Callable[[], object]]] = []
        if mail.next_at is not None and mail.next_at <= world.moment:
            parts.append(("receive", lambda: mail.deliver(world.moment)))
        for name, work, chance in (
            ("collect", collecting.collect, 0.5),
            ("events", events.process, 0.3),
            ("notify", notifying.deliver, 0.3),
        ):
            looks = name == "collect" and (is_early or dice.random() < 0.1)
            if name in due or looks or (parts and name == "events"):
                parts += [(name, work)] * (1 + (dice.random() < chance))
        if due & {"refunds", "overpaid"}:
            parts.append(("refunds", refunding.sweep))
        # Rows that were restored may be those of before the month was closed.
        is_over = world.moment >= BEGINS + TROUBLED
        if is_early or dice.random() < 0.05 or is_over:
            parts.append(("close", invoicing.close))
        if dice.random() < 0.1:
            parts.append(("sweep", payment_methods.sweep))
        if dice.random() < 0.04:
            parts.append(("look", look_again))
        jobs = [
            Job(f"{name} {number}", partial(self._part, work))
            for number, (name, work) in enumerate(parts)
        ]
        world.scheduler.run([*people, *jobs])

    def catch_up(self) -> None:
        """Ask for what was never told, as after each outage of ours, and do what follows."""
        parts: list[Callable[[], object]] = [events.feed_in, events.process]
        parts += [collecting.collect, refunding.sweep, notifying.deliver]
        for _ in range(3):
            for work in parts:
                self.world.scheduler.run([Job("late", partial(self._part, work))])
            self.world.move_to(self.world.moment + _DAY)
            self.world.processor.engine.do_due()

    def _part(self, work: Callable[[], object]) -> None:
        """Do part of the work, as `flask billing run` does."""
        try:
            work()
        except BillingError as error:
            db.session.rollback()
            self.world.tell(f"broke off: {type(error).__name__}")

    def _calm(self) -> None:
        """Have nothing go wrong from now on."""
        world = self.world
        if world.scheduler.kill_chance or world.wire.chance or world.mail.is_rough:
            world.tell("the trouble is over")
        world.scheduler.kill_chance = world.wire.chance = 0.0
        world.mail.is_rough = world.wire.is_down = self.is_away = False


def play(world: World, seed: int, look: Callable[[], None] = lambda: None) -> Outcome:
    """Play one seed from the beginning, and count.

    :param look: Called before the counting, while everything is as it ended.
    """
    world.begin(seed)
    month = _Month(world)
    try:
        month.play()
        with world.app.app_context():
            world.wrong += counting.wrong_by_now(world)
            db.session.rollback()
        month.catch_up()
    except Exception as error:  # noqa: BLE001 - it is what the simulation looks for
        world.wrong.append(f"{type(error).__name__}: {error}")
    look()
    with world.app.app_context():
        wrong = [*world.wrong, *counting.wrong(world)]
        outcome = Outcome(
            seed,
            list(dict.fromkeys(wrong)),
            world.story,
            invoices=len(world.objects("invoice")),
            charges=len(world.objects("charge")),
            calls=world.wire.calls.total(),
            kills=world.scheduler.kills,
            faults=world.wire.faults + world.mail.mishaps + Counter(world.happened),
        )
        db.session.rollback()
    return outcome
