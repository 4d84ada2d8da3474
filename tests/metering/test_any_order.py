"""Whatever is done in whatever order, the records say what was used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from flask_billing import BillingRecord, metering
from flask_billing.models import table_of
from tests.host import Machine, db
from tests.metering.conftest import Ids, Time, make_app
from tests.metering.spans import spans

#: Resource, slot, quantity and project of what runs, and since when.
_Running = dict[tuple[str, str], tuple[int, str, datetime]]


@dataclass
class Book:
    """What should be recorded, in the plainest way to keep it."""

    running: _Running = field(default_factory=dict)
    ended: list[tuple[Any, ...]] = field(default_factory=list)

    def want(self, machine: str, uses: dict[str, tuple[int, str]], now: datetime) -> None:
        for place in [place for place in self.running if place[0] == machine]:
            quantity, project, since = self.running[place]
            if uses.get(place[1]) != (quantity, project):
                self.ended.append((*place, quantity, project, since, now))
                del self.running[place]
        for slot, used in uses.items():
            self.running.setdefault((machine, slot), (*used, now))

    def all(self) -> list[tuple[Any, ...]]:
        ended: list[tuple[Any, ...]] = list(self.ended)
        ended += [(*place, *used, None) for place, used in self.running.items()]
        return sorted(ended, key=str)


class Life:
    """A session, and the book beside it."""

    def __init__(self, ids: Ids, time: Time) -> None:
        self.ids, self.time = ids, time
        self.book, self.committed = Book(), Book()
        self.savepoints: list[tuple[Any, Book]] = []

    def create(self, number: int) -> None:
        db.session.add(Machine(project_id=self._project(number), disk=number % 3))
        self._flush()

    def resize(self, number: int) -> None:
        for machine in self._one(number):
            machine.disk = number % 4
            self._flush()

    def switch(self, number: int) -> None:
        for machine in self._one(number):
            machine.state = "off" if machine.state == "on" else "on"
            self._flush()

    def move(self, number: int) -> None:
        for machine in self._one(number):
            machine.project_id = self._project(number)
            self._flush()

    def delete(self, number: int) -> None:
        for machine in self._one(number):
            db.session.delete(machine)
            self._flush()

    def wait(self, number: int) -> None:
        self.time.pass_by(seconds=number + 1)

    def begin(self, number: int) -> None:
        self.savepoints.append((db.session.begin_nested(), deepcopy(self.book)))

    def back(self, number: int) -> None:
        if self.savepoints:
            savepoint, self.book = self.savepoints.pop()
            savepoint.rollback()

    def keep(self, number: int) -> None:
        if self.savepoints:
            self.savepoints.pop()[0].commit()

    def commit(self, number: int) -> None:
        db.session.commit()
        self.savepoints, self.committed = [], deepcopy(self.book)

    def rollback(self, number: int) -> None:
        db.session.rollback()
        self.savepoints, self.book = [], deepcopy(self.committed)

    def _project(self, number: int) -> int:
        return (self.ids.one, self.ids.other)[number % 2]

    def _one(self, number: int) -> list[Machine]:
        machines = self._machines()
        return [machines[number % len(machines)]] if machines else []

    def _machines(self) -> list[Machine]:
        return db.session.query(Machine).order_by(Machine.id).all()

    def _flush(self) -> None:
        db.session.flush()
        living = {}
        for machine in self._machines():
            project = str(machine.project_id)
            living[str(machine.id)] = {
                slot: (quantity, project) for slot, (_, quantity) in machine.billing_rates().items()
            }
        for gone in {place[0] for place in self.book.running} - set(living):
            self.book.want(gone, {}, self.time.now)
        for machine_id, uses in living.items():
            self.book.want(machine_id, uses, self.time.now)


ACTS: list[Callable[[Life, int], None]] = [
    Life.create,
    Life.resize,
    Life.switch,
    Life.move,
    Life.delete,
    Life.wait,
    Life.begin,
    Life.back,
    Life.keep,
    Life.commit,
    Life.rollback,
]


@pytest.fixture
def app(postgresql_url: str, time: Time) -> Iterator[Flask]:
    app = make_app(postgresql_url)
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 11)), max_size=30))
@pytest.mark.database
def test_records_are_what_was_used(
    app: Flask, ids: Ids, time: Time, acts: list[tuple[Callable[[Life, int], None], int]]
) -> None:
    with app.app_context():
        db.session.execute(delete(table_of(BillingRecord)))
        db.session.execute(delete(Machine.__table__))
        db.session.commit()
        life = Life(ids, time)

        for act, number in [(Life.create, 1), (Life.create, 2), *acts]:
            act(life, number)
        db.session.rollback()

        found = [(s.resource, s.slot, int(s.quantity), s.project) for s in spans()]
        times = [(s.started_at, s.ended_at) for s in spans()]
        recorded = sorted((a + b for a, b in zip(found, times, strict=True)), key=str)
        assert recorded == life.committed.all()
        assert metering.reconcile().left == 0
