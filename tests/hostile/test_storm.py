"""Whatever is done to deliveries, workers and calls, the rows end in the processor's truth.

A run is drawn from a seed. `HOSTILE_SEED` plays another one, `HOSTILE_CHANGES` sets how many
changes are played, `HOSTILE_WITHOUT` leaves kinds of changes out, such as `detach,delete_customer`.
Which process is where at which moment is the machine's to say, so a seed may need several runs.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
import stripe
from sqlalchemy import select

from flask_billing import PaymentMethod
from flask_billing.sandbox import Sandbox
from tests.host import Project, db
from tests.hostile import aftermath, storm
from tests.hostile.crew import HANDLERS
from tests.hostile.scene import Scene, killing, make_trouble, scene
from tests.payment_methods.journey import save

SEEDS = [int(os.environ["HOSTILE_SEED"])] if "HOSTILE_SEED" in os.environ else [1, 2]
CHANGES = int(os.environ.get("HOSTILE_CHANGES", "1000"))

pytestmark = [pytest.mark.concurrency, pytest.mark.long]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK pauses between its attempts; nothing here depends on how long."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)


def verdict(seed: int, **wrong: Any) -> str:
    """Return what is wrong, with the story of it and how to play it again; empty if nothing is."""
    lines = [f"{name}: {item}" for name, items in wrong.items() for item in items]
    if not lines:
        return ""
    again = f"HOSTILE_SEED={seed} HOSTILE_CHANGES={CHANGES} python -m pytest tests/hostile -k truth"
    told = aftermath.story("\n".join(lines))
    return "\n".join([f"{len(lines)} wrong ends with seed {seed}:", *lines[:20], *told, again])


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_end_in_the_processors_truth(
    postgresql_url: str, stripe_sandbox: Sandbox, tmp_path: Path, seed: int
) -> None:
    print(f"HOSTILE_SEED={seed} HOSTILE_CHANGES={CHANGES}")
    with scene(postgresql_url, stripe_sandbox, tmp_path, seed=seed) as it:
        make_trouble(stripe_sandbox)
        seen = storm.Seen()
        people = storm.People(it.app, stripe_sandbox, seen, it.keys).changes
        processor = storm.Processor(stripe_sandbox, seen).changes
        # People have to wait for the processor's pages.
        few, most = CHANGES // 8, CHANGES * 3 // 4
        players = {"one": (few, people), "two": (few, people), "three": (most, processor)}

        with killing(it, seed):
            done, surprises = storm.blow(it.app, players, seed, stripe_sandbox)
        with it.app.app_context():
            aftermath.calm(stripe_sandbox, random.Random(seed))
            aftermath.settle(stripe_sandbox, it.clock)
            it.crew.dismiss()
            wrong = verdict(
                seed,
                surprises=map(repr, surprises),
                errors=aftermath.surprising_errors(it.crew.log.read_text()).items(),
                unfinished=aftermath.unfinished(),
                rows=aftermath.wrong_rows(it.world),
                stranded=aftermath.stranded(it.world),
                effects=aftermath.wrong_effects(HANDLERS),
            )
            print(f"{done}, {it.crew.kills} kills")

        if wrong:
            pytest.fail(wrong, pytrace=False)
        assert done.total() > CHANGES / 2
        assert it.crew.kills


def flip(it: Scene, method_id: str, draws: random.Random) -> bool:
    """Have a card run out and be renewed at once; return whether our row then says so."""
    with it.app.app_context():
        for year in (2020, 2040):
            card: Any = {"card": {"exp_month": 1, "exp_year": year}}
            it.world.stripe.v1.payment_methods.update(method_id, card)
            time.sleep(draws.uniform(0, 0.3))
        it.sandbox.webhooks.wait(30)
        aftermath.wait_while(aftermath.UNTRIED | aftermath.CLAIMED, time.monotonic() + 30)
        usable = select(PaymentMethod.usable).where(PaymentMethod.stripe_id == method_id)
        return bool(db.session.scalar(usable))


@pytest.mark.parametrize("stamp", ["before", "after"])
def test_only_a_stamp_that_is_taken_after_the_answer_lets_an_old_one_win(
    postgresql_url: str, stripe_sandbox: Sandbox, tmp_path: Path, stamp: str
) -> None:
    options: dict[str, Any] = {"stamp": stamp, "dawdling": (0.5, 0.5)}
    with scene(postgresql_url, stripe_sandbox, tmp_path, seed=1, **options) as it:
        with it.app.app_context():
            method = save(stripe_sandbox, db.session.get_one(Project, it.keys[0])).payment_method
            assert method is not None
            method_id = method.stripe_id
        draws = random.Random(1)

        # The broken rule is found out as soon as one ends wrong, the right one never is.
        most = 10 if stamp == "before" else 100
        ends = (flip(it, method_id, draws) for _ in range(most))
        rights_itself = all(ends)

    assert rights_itself == (stamp == "before")
