"""A host with its crew, its projects, and a processor that tells it of everything."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from flask_billing import clock
from flask_billing.sandbox import DEFAULT_WEBHOOK_SECRET, Sandbox
from tests.events.world import PATH, World
from tests.host import Project, create_app, db
from tests.hostile.crew import Crew, SharedClock, hired

PROJECTS = 30
#: What the processor is asked to tell: all that is dealt with, and one type that is not.
TYPES = (
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.tax_id.created",
    "customer.tax_id.deleted",
    "customer.tax_id.updated",
    "customer.updated",
    "mandate.updated",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
)


@dataclass
class Scene:
    """A host with its crew, its projects and its processor."""

    app: Flask
    world: World
    sandbox: Sandbox
    crew: Crew
    clock: SharedClock
    keys: list[int]


@contextmanager
def scene(
    url: str, sandbox: Sandbox, folder: Path, *, seed: int, **options: Any
) -> Iterator[Scene]:
    config: dict[str, Any] = {
        "BILLING_CURRENCY": "eur",
        "BILLING_STRIPE_RATE": 10_000,
        "STRIPE_API_BASE": sandbox.url,
        "STRIPE_SECRET_KEY": sandbox.secret_key,
        "STRIPE_WEBHOOK_SECRET": DEFAULT_WEBHOOK_SECRET,
    }
    shared = SharedClock(folder / "clock")
    app = create_app(url, **config)
    usual = {"config": config, "database": url, "seed": seed}
    usual |= {"stamp": "before", "dawdling": (0.2, 0.1)}
    with hired(folder, shared, **usual | options) as crew, clock.moved(shared.now):
        with app.app_context():
            projects = [Project(name=f"number {number}") for number in range(PROJECTS)]
            db.session.add_all(projects)
            db.session.commit()
            keys = [project.id for project in projects]
            for role in ("receive", "receive", "work", "work", "work"):
                crew.start(role)
            sandbox.webhooks.seed = seed
            sandbox.webhooks.retry_delays = (0.2,) * 8
            sandbox.webhooks.register(crew.url + PATH, DEFAULT_WEBHOOK_SECRET, enabled_events=TYPES)
            sandbox.webhooks.start(threads=3)
        try:
            yield Scene(app, World(app, sandbox), sandbox, crew, shared, keys)
        finally:
            sandbox.webhooks.stop()
            app.extensions["billing"].threads.shutdown()


def make_trouble(sandbox: Sandbox) -> None:
    """Have deliveries go wrong in every way there is, each now and then."""
    for how, chance in (
        ("drop", 0.04),
        ("duplicate", 0.1),
        ("overlap", 0.1),
        ("other_mode", 0.03),
        ("bad_signature", 0.02),
        ("missing_signature", 0.01),
        ("bad_body", 0.02),
        ("old_timestamp", 0.02),
        ("future_timestamp", 0.01),
        ("several_signatures", 0.05),
    ):
        sandbox.webhooks.disturb(how, chance=chance)
    for types in ("checkout.session.*", "setup_intent.*"):
        # What makes our rows comes after what happens to them.
        sandbox.webhooks.disturb("delay", types=types, chance=0.4, seconds=1)
    sandbox.webhooks.disturb("delay", chance=0.1, seconds=0.5)
    sandbox.webhooks.disturb("delay", chance=0.05, seconds=3)


@contextmanager
def killing(scene: Scene, seed: int) -> Iterator[None]:
    """Kill somebody every now and then, and let the time run ahead, past claims too."""
    ended = threading.Event()
    draws = random.Random(f"{seed} killing")

    def kill() -> None:
        while not ended.wait(draws.uniform(0.1, 0.6)):
            scene.crew.replace_one(draws)
            scene.clock.advance(draws.choice([5, 30, 60]))
            if draws.random() < 0.3:
                with scene.crew.frozen("work", draws):
                    # Their claims run out, and others take them over.
                    scene.clock.advance(700)
                    ended.wait(draws.uniform(0.1, 2))

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
