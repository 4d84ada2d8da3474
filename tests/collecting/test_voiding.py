"""An invoice is made void on both sides or on neither, whosever key it is and whatever breaks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from flask_billing import (
    BilledProjectRow,
    CollectingRefused,
    GatewayError,
    GatewayUnavailable,
    clock,
    collecting,
    invoicing,
)
from flask_billing.invoicing import voiding
from flask_billing.models import table_of
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner
from tests.host import Project, create_app, db

PAY = "POST /v1/invoices/*/pay"
VOID = "POST /v1/invoices/*/void"


class Crash(BaseException):
    """The process dies here; nothing of ours catches it."""


def crash(*_: Any, **__: Any) -> None:
    raise Crash


def set_to(app: Flask, **settings: Any) -> None:
    for name, value in settings.items():
        object.__setattr__(app.extensions["billing"].settings, name, value)


def project(owner: Owner) -> BilledProjectRow:
    db.session.expire_all()
    return db.session.get_one(BilledProjectRow, owner.key)


def past_due(app: Flask, owner: Owner) -> UUID:
    """Return an invoice that nothing could pay, and that stops its project."""
    set_to(app, retry_days=())
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    assert world.collection(invoice_id).state == "past_due"
    assert project(owner).past_due_since is not None
    return invoice_id


# Under another key.


@pytest.mark.parametrize("reissue", [True, False])
def test_invoice_of_another_account_is_not_made_void(sqlite_url: str, reissue: bool) -> None:
    with Sandbox(accounts={"sk_test_one": "acct_1", "sk_test_two": "acct_2"}) as sandbox:
        right, wrong = (
            create_app(sqlite_url, STRIPE_SECRET_KEY=key, STRIPE_API_BASE=sandbox.url)
            for key in ("sk_test_one", "sk_test_two")
        )
        with right.app_context():
            db.create_all()
            owner = world.new_owner(sandbox, world.BAD)
            invoice_id = world.new_invoice(owner, 700)
            collecting.collect()
        with wrong.app_context():
            with pytest.raises(CollectingRefused, match="account that issued it"):
                collecting.void(invoice_id, reason="wrong_rate", reissue=reissue)
            with pytest.raises(CollectingRefused, match="account that issued it"):
                collecting.write_off(invoice_id, reason="insolvent")

            row = world.collection(invoice_id)
            assert (row.remote_state, row.void_reason) == ("open", None)
            assert world.invoice(invoice_id).state == "open"
            assert project(owner).parked_reason is None
        with right.app_context():
            collecting.void(invoice_id, reason="wrong_rate", reissue=reissue)

            assert world.remote(sandbox, invoice_id).status == "void"


def test_issued_invoice_that_the_processor_does_not_know_is_not_made_void(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    # Whoever pays now is one of the new account's, who issued nothing of it.
    world.set_collection(invoice_id, stripe_id="in_of_another_account")

    with pytest.raises(CollectingRefused, match="account that issued it"):
        collecting.void(invoice_id, reason="wrong_rate")

    assert world.invoice(invoice_id).state == "open"


def test_invoice_of_the_other_mode_is_left_alone(app: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    world.set_collection(invoice_id, livemode=True)
    stripe_sandbox.requests.clear()

    for act in (
        lambda: collecting.void(invoice_id, reason="wrong_rate"),
        lambda: collecting.write_off(invoice_id, reason="insolvent"),
        lambda: collecting.retry(invoice_id),
    ):
        with pytest.raises(CollectingRefused, match="key of the live mode"):
            act()

    assert list(stripe_sandbox.requests) == []
    assert world.collection(invoice_id).claimed_by is None


def test_draft_that_was_deleted_there_can_be_made_void(app: Flask, stripe_sandbox: Sandbox) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 700)
    stripe_sandbox.fail("POST /v1/invoices/*/finalize", how="error_503", times=3)
    collecting.collect()
    row = world.collection(invoice_id)
    assert row.remote_state == "draft"
    world.client(stripe_sandbox).v1.invoices.delete(row.stripe_id or "")

    assert collecting.void(invoice_id, reason="wrong_rate").state == "void"
    assert world.collection(invoice_id).remote_state == "deleted"


# Past due.


def test_project_goes_on_once_its_unissued_invoice_is_void(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox)
    # Nobody pays for it yet.
    nobody = {"billing_info_id": None}
    db.session.execute(update(Project).where(Project.id == int(owner.key)).values(nobody))
    db.session.execute(update(table_of(BilledProjectRow)).values(nobody))
    db.session.commit()
    invoice_id = past_due(anywhere, owner)
    assert world.collection(invoice_id).stripe_id is None

    invoicing.void(invoice_id, reason="wrong_rate")

    assert project(owner).past_due_since is None


def test_project_stays_stopped_by_another_invoice(app: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    first = past_due(app, owner)
    second = world.new_invoice(owner, 70, month=world.AUGUST)
    collecting.collect()

    collecting.void(first, reason="wrong_rate")
    assert project(owner).past_due_since is not None
    collecting.void(second, reason="wrong_rate")
    assert project(owner).past_due_since is None


def test_project_goes_on_though_the_process_dies_just_after_its_invoice_is_void(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    by_staff = past_due(app, owner)
    monkeypatch.setattr(voiding, "send", crash)

    with pytest.raises(Crash):
        collecting.void(by_staff, reason="wrong_rate", reissue=False)
    row = world.collection(by_staff)
    assert (row.state, row.claimed_by, row.owner_until) == ("done", None, None)
    assert project(owner).past_due_since is None

    by_worker = past_due(app, Owner(owner.key, owner.info_id, owner.customer_id, ()))
    stripe_id = world.collection(by_worker).stripe_id or ""
    world.client(stripe_sandbox).v1.invoices.void_invoice(stripe_id)
    collecting.observe(stripe_id)
    with pytest.raises(Crash):
        collecting.collect()
    assert world.collection(by_worker).state == "done"
    assert project(owner).past_due_since is None


def test_project_that_nothing_stops_any_more_is_let_go_on(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    freed, owing = (world.new_owner(stripe_sandbox, world.BAD) for _ in range(2))
    over, unpaid = (world.new_invoice(owner, 700) for owner in (freed, owing))
    collecting.collect()
    world.set_collection(over, state="done", next_try_at=None)
    # It was past due, and is so again once somebody has looked.
    world.set_collection(unpaid, state="parked", reason="issued_twice", next_try_at=None)
    db.session.execute(update(table_of(BilledProjectRow)).values(past_due_since=clock.now()))
    db.session.commit()

    collecting.collect()

    assert project(freed).past_due_since is None
    assert project(owing).past_due_since is not None


# Answers that were lost.


def lose_answer(sandbox: Sandbox, owner: Owner) -> UUID:
    """Return an invoice that is void at the processor, though nobody was told."""
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    sandbox.fail(VOID, how="error_500_after", times=3)
    with pytest.raises(GatewayUnavailable):
        collecting.void(invoice_id, reason="wrong_rate", made_by="staff-7")
    assert world.remote(sandbox, invoice_id).status == "void"
    assert world.invoice(invoice_id).state == "open"
    return invoice_id


def awaits_reissue(owner: Owner, invoice_id: UUID) -> bool:
    invoice = world.invoice(invoice_id)
    assert (invoice.state, invoice.void_reason) == ("void", "wrong_rate")
    assert invoice.voided_by == "staff-7"
    assert world.collection(invoice_id).state == "done"
    return project(owner).parked_reason == "awaits_reissue"


def test_whoever_finds_an_invoice_void_makes_it_so_as_the_staff_wanted(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = lose_answer(stripe_sandbox, owner)

    collecting.collect()

    assert awaits_reissue(owner, invoice_id)
    # Somebody else, or something else, is another matter.
    again = {"reason": "wrong_rate", "made_by": "staff-7"}
    for other in ({"reason": "mistake"}, {"made_by": "staff-8"}, {"reissue": False}):
        with pytest.raises(CollectingRefused, match="is void"):
            collecting.void(invoice_id, **again | other)
    assert collecting.void(invoice_id, **again).state == "void"


def test_void_is_repeated_before_anybody_looks(app: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = lose_answer(stripe_sandbox, owner)

    collecting.void(invoice_id, reason="wrong_rate", made_by="staff-7")

    assert awaits_reissue(owner, invoice_id)


def test_what_the_processor_refused_to_make_void_is_not_wanted_any_more(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 700)
    collecting.collect()
    stripe_sandbox.fail(VOID, how="refuse", status=400, message="Not now.")
    with pytest.raises(GatewayError):
        collecting.void(invoice_id, reason="wrong_rate", made_by="staff-7")

    row = world.collection(invoice_id)
    assert (row.void_reason, row.void_by, row.void_reissue) == (None, None, None)
    world.client(stripe_sandbox).v1.invoices.void_invoice(row.stripe_id or "")
    collecting.collect()
    assert world.invoice(invoice_id).void_reason == "voided_at_processor"


# Parked, with a try under way.


def test_parked_invoice_is_made_void_once_it_is_known_what_came_of_a_try(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 700)
    stripe_sandbox.fail(PAY, how="error_503", times=3)
    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    world.set_collection(invoice_id, state="parked", reason="issued_twice", next_try_at=None)

    with pytest.raises(CollectingRefused, match="Wait for what comes of it") as refused:
        collecting.void(invoice_id, reason="wrong_rate")
    assert refused.value.reason == "busy"
    time.pass_by(days=2)
    collecting.collect()

    assert world.states(invoice_id) == ["not_executed"]
    assert collecting.void(invoice_id, reason="wrong_rate").state == "void"
