"""A few months in which everything goes wrong; `make simulate SEEDS=1000` plays many more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.databases import PostgreSQL, UnreachableError
from tests.simulation.month import Outcome, play
from tests.simulation.world import World, opened

#: Months in which, together, every kind of trouble comes about.
SEEDS = (2, 3, 5)

pytestmark = [pytest.mark.concurrency, pytest.mark.long]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A database of its own: its rows are emptied, and its schema is made once."""
    server = PostgreSQL("simulation")
    try:
        url = server.fresh_database()
    except UnreachableError as unreachable:
        pytest.skip(str(unreachable))
    try:
        with opened(url) as world:
            yield world
    finally:
        server.drop()


@pytest.fixture(scope="module")
def outcomes(world: World) -> list[Outcome]:
    return [play(world, seed) for seed in SEEDS]


def test_everything_is_charged_once_whatever_goes_wrong(outcomes: list[Outcome]) -> None:
    wrong = {outcome.seed: outcome.wrong for outcome in outcomes if outcome.wrong}

    assert wrong == {}, "make simulate SEEDS=1 FROM=<seed> VERBOSE=1 tells the story"


def test_much_went_wrong(outcomes: list[Outcome]) -> None:
    kills = sum((outcome.kills for outcome in outcomes), Counter())
    faults = sum((outcome.faults for outcome in outcomes), Counter())

    assert set(kills) == {"before_commit", "after_commit", "before_call", "after_call"}
    assert {"timeout_before", "timeout_after", "error_500_after", "rate_limit"} <= set(faults)
    assert {"lost", "late", "twice", "reordered"} <= set(faults)
    assert sum(outcome.charges for outcome in outcomes) > 5


def test_a_seed_repeats(world: World, outcomes: list[Outcome]) -> None:
    again = play(world, SEEDS[0])

    assert again.story == outcomes[0].story
