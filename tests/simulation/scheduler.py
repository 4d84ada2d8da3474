"""Runs workers as threads of which one moves at a time, and kills them where processes may die.

A worker hands the baton on where no transaction of its own is open: before and after each call to
the processor, and after each commit. So nobody ever waits for a lock, and the dice alone decide who
is next: the same seed plays the same scene.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

__all__ = ["Job", "Killed", "Scheduler"]


class Killed(BaseException):
    """The process is gone: it writes nothing and asks nobody any more."""


@dataclass
class Job:
    """What one process does.

    :param mortal: Whether it may be killed.
    """

    name: str
    work: Callable[[], object]
    mortal: bool = True
    is_dead: bool = False
    is_over: bool = False
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Scheduler:
    """Hands one baton to one job after the other, as the dice fall.

    :param context: Entered around each job, such as an app context.
    """

    def __init__(self, context: Callable[[], AbstractContextManager[object]]) -> None:
        self._context = context
        self._here = threading.local()
        self._back = threading.Semaphore(0)
        self.begin(random.Random(0))

    def begin(self, dice: random.Random) -> None:
        """Begin a new scene, with nobody being killed yet."""
        self.dice = dice
        self.kill_chance = 0.0
        self.switch_chance = 0.5
        self.kills: Counter[str] = Counter()
        self.tell: Callable[[str], None] = lambda text: None

    @property
    def job(self) -> Job | None:
        """Who has the baton; `None` for the one who watches."""
        found: Job | None = getattr(self._here, "job", None)
        return found

    def run(self, jobs: Iterable[Job]) -> None:
        """Have jobs run side by side until all are over; raises what one of them did not expect."""
        jobs = list(jobs)
        alive = list(jobs)
        threads = [threading.Thread(target=self._live, args=[job], name=job.name) for job in jobs]
        for thread in threads:
            thread.start()
        while alive:
            self.dice.choice(alive).turn.release()
            self._back.acquire()
            alive = [job for job in alive if not job.is_over]
        for thread in threads:
            thread.join()
        for job in jobs:
            if job.error is not None:
                raise job.error

    def _live(self, job: Job) -> None:
        job.turn.acquire()
        self._here.job = job
        try:
            with self._context():
                job.work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by whoever runs the jobs
            job.error = error
        finally:
            job.is_over = True
            self._back.release()

    def passes(self, place: str) -> None:
        """Note that whoever has the baton is at a place: it may die there, or have to wait.

        :raises Killed: It is dead.
        """
        job = self.job
        if job is None:
            return
        if job.is_dead:
            raise Killed
        if job.mortal and self.kill_chance and self.dice.random() < self.kill_chance:
            job.is_dead = True
            self.kills[place] += 1
            self.tell(f"is killed {place.replace('_', ' a ')}")
            raise Killed
        if place != "before_commit" and self.dice.random() < self.switch_chance:
            self._back.release()
            job.turn.acquire()
