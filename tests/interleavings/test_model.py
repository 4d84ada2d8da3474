"""The stamp rule ends in the processor's truth in all interleavings, and no weaker rule does."""

from __future__ import annotations

from functools import partial

import pytest

from tests.interleavings.model import METHODS, Row, Rules, Worker, World, shortest_wrong_schedule

KNOWN = World(("good", "good"), (Row(0, True), Row(0, True)), (), ())
UNKNOWN = World(("absent", "good"), (None, Row(0, True)), (), ())

told = partial(Worker, "told")
told_again = partial(Worker, "told again")
told_last = partial(Worker, "told last")
early = Worker("early")
remover = Worker("remover", "leave")
page = Worker("page", "list")
lister = Worker("lister", todo=METHODS, lists=True)

EXPIRE, RENEW, DETACH, ATTACH = (0, "bad"), (0, "good"), (0, "gone"), (0, "good")

SCENARIOS = {
    "renewed": KNOWN._replace(
        changes=(EXPIRE, RENEW), workers=(early, told(after=1), told_again(after=2))
    ),
    "detached": KNOWN._replace(
        changes=(EXPIRE, DETACH), workers=(early, told(after=1), told_again(after=2))
    ),
    "killed": UNKNOWN._replace(
        changes=(ATTACH, DETACH), workers=(told(after=1, lives=1), told_again(after=2, lives=1))
    ),
    "attached and detached": UNKNOWN._replace(
        changes=(ATTACH, DETACH), workers=(told(after=1), told_again(after=1), told_last(after=2))
    ),
    "attached and expired": UNKNOWN._replace(
        changes=(ATTACH, EXPIRE), workers=(told(after=1), told_again(after=1), told_last(after=2))
    ),
    "removed by us": KNOWN._replace(changes=(EXPIRE,), workers=(remover, early, told(after=1))),
    "removed twice": KNOWN._replace(workers=(remover, remover._replace(name="other"), early)),
    "page": KNOWN._replace(
        changes=(EXPIRE, DETACH), workers=(page, told(after=1), told_again(after=2))
    ),
    "page and removal": KNOWN._replace(changes=(EXPIRE,), workers=(page, remover, told(after=1))),
    "list": KNOWN._replace(changes=(EXPIRE, DETACH), workers=(lister, early, told(after=2))),
    "list and attached": UNKNOWN._replace(
        changes=(ATTACH, (1, "gone")),
        workers=(lister, told(after=1), told_last(after=2, todo=(1,))),
    ),
    "list and attached and detached": UNKNOWN._replace(
        changes=(ATTACH, DETACH), workers=(lister, told(after=1), told_again(after=2))
    ),
    "list and removal": KNOWN._replace(
        changes=((1, "gone"),), workers=(lister, remover, told(after=1, todo=(1,)))
    ),
}

BROKEN = {
    "stamp after the fetch": (Rules(stamp="after"), "renewed"),
    "stamp after the fetch, removal": (Rules(stamp="after"), "removed by us"),
    "no stamp": (Rules(stamp="never"), "renewed"),
    "no stamp, list": (Rules(stamp="never"), "list and attached"),
    "removed rows deleted": (Rules(keeps_removed=False), "attached and detached"),
    "removed rows deleted, list": (Rules(keeps_removed=False), "list and attached and detached"),
    "no second look": (Rules(looks_again=False), "attached and detached"),
    "no second look, change": (Rules(looks_again=False), "attached and expired"),
    "verb does not ask again": (Rules(verb_asks_again=False), "removed by us"),
    "list minds no stamp": (Rules(list_minds_stamps=False), "list and attached"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_rows_end_in_the_processors_truth(name: str) -> None:
    wrong = shortest_wrong_schedule(SCENARIOS[name], Rules())

    assert wrong is None, "\n".join(wrong or ())


@pytest.mark.parametrize("name", BROKEN)
def test_weaker_rule_is_found_wrong(name: str) -> None:
    rules, scenario = BROKEN[name]

    wrong = shortest_wrong_schedule(SCENARIOS[scenario], rules)

    assert wrong is not None, f"{name} is sound: there is nothing that the test could find"
