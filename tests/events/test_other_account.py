"""A key of another account knows nothing of ours; what it does not find is not gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_billing import events, sync
from flask_billing.errors import GatewayRefusal
from flask_billing.events import ProcessReport
from flask_billing.models import BillingEvent
from flask_billing.sandbox import Sandbox
from tests.events.world import World, event_rows, made_up, make_app, method_row, store
from tests.host import Project, db
from tests.payment_methods.journey import order

KEYS = ("sk_test_first", "sk_test_other")


@pytest.fixture
def two_keys(sqlite_url: str) -> Iterator[tuple[World, World]]:
    """One host before and after its key was changed to that of another account."""
    with Sandbox(accounts={KEYS[0]: "acct_1", KEYS[1]: "acct_2"}) as sandbox:
        apps = [make_app(sqlite_url, sandbox, STRIPE_SECRET_KEY=key) for key in KEYS]
        yield World(apps[0], sandbox), World(apps[1], sandbox)
        for app in apps:
            app.extensions["billing"].threads.shutdown()


def save_two(world: World) -> list[tuple[str, str]]:
    """Save two people's cards; gives the ids of method and customer."""
    with world.app.app_context():
        cards = [world.card(world.project(name)) for name in ("one", "two")]
        return [(card.stripe_id, card.billing_info.stripe_id) for card in cards]


def tell_of(cards: list[tuple[str, str]]) -> list[BillingEvent]:
    """Store each kind of event of what was saved."""
    told = []
    for number, (method, customer) in enumerate(cards):
        kinds = {
            "payment_method.updated": (method, "payment_method"),
            "payment_method.detached": (method, "payment_method"),
            "customer.updated": (customer, "customer"),
            "customer.deleted": (customer, "customer"),
        }
        told += [
            made_up(
                10 * number + place,
                type=kind,
                object_id=object_id,
                object_type=object_type,
                customer_id=customer,
            )
            for place, (kind, (object_id, object_type)) in enumerate(kinds.items())
        ]
    return store(told)


@pytest.mark.parametrize("learned", [False, True], ids=["account unknown", "account known"])
def test_events_under_the_key_of_another_account_remove_nothing(
    two_keys: tuple[World, World], learned: bool
) -> None:
    first, other = two_keys
    cards = save_two(first)

    with other.app.app_context():
        if learned:
            sync.account_id()
        tell_of(cards)
        report = events.process()

        assert report == ProcessReport(ignored=8)
        assert {row.reason for row in event_rows()} == {"not_ours"}
    with first.app.app_context():
        assert [method_row(method).removed_at for method, _ in cards] == [None, None]
        assert [db.session.get_one(Project, n).has_payment_method for n in (1, 2)] == [True, True]
        assert first.differences() == []


def test_after_going_back_to_the_first_key_its_events_count_again(
    two_keys: tuple[World, World],
) -> None:
    first, other = two_keys
    cards = save_two(first)
    with other.app.app_context():
        tell_of(cards)
        events.process()

    with first.app.app_context():
        first.stripe.v1.payment_methods.detach(cards[0][0])
        replayed = events.replay([row.id for row in event_rows()])
        report = events.process()

        assert (replayed, report) == (8, ProcessReport(processed=8))
        assert order(db.session.get_one(Project, 1)) == []
        assert order(db.session.get_one(Project, 2)) == [cards[1][0]]
        assert first.differences() == []


def test_method_that_only_its_own_key_finds_is_asked_for_with_its_customer(
    two_keys: tuple[World, World],
) -> None:
    first, other = two_keys
    (method, _), (gone, _) = save_two(first)

    with other.app.app_context(), pytest.raises(GatewayRefusal) as refused:
        sync.payment_method(method)

    assert refused.value.code == "resource_missing"
    with first.app.app_context():
        assert method_row(method).is_usable
        assert method_row(gone).is_usable
