"""`flask billing collect` brings in the money of what is due, and says what it would do."""

from __future__ import annotations

import os
import signal

import pytest

from flask_billing import clock, collecting, signals
from flask_billing.sandbox import Sandbox
from tests.cli.conftest import Shell
from tests.collecting import world


def test_what_is_due_is_collected_and_counted(stocked: Shell, stripe_sandbox: Sandbox) -> None:
    with stocked.app.app_context():
        good, bad = (world.new_owner(stripe_sandbox, card) for card in (world.VISA, world.BAD))
        ids = [world.new_invoice(good, 1000), world.new_invoice(bad, 300)]

    result = stocked.billing("collect")
    again = stocked.billing("collect")

    assert result.exit_code == 0, result.output
    assert result.output == "2 invoices issued, 1 invoice paid, 1 invoice not paid.\n"
    assert again.output == "Nothing to collect.\n"
    with stocked.app.app_context():
        assert [world.states(each) for each in ids] == [["succeeded"], ["declined"]]


def test_one_project_or_a_few_invoices_alone(stocked: Shell, stripe_sandbox: Sandbox) -> None:
    with stocked.app.app_context():
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(3)]
        ids = [world.new_invoice(owner, 1000) for owner in owners]

    one = stocked.billing("collect", "--project", owners[1].key)
    with stocked.app.app_context():
        after_one = [world.invoice(each).state for each in ids]
    few = stocked.billing("collect", "--limit", "1")
    stranger = stocked.billing("collect", "--project", "999")

    assert "1 invoice paid" in one.output
    assert after_one == ["closed", "paid", "closed"]
    assert "1 invoice paid" in few.output
    with stocked.app.app_context():
        assert [world.invoice(each).state for each in ids].count("paid") == 2
    assert (stranger.exit_code, "999" in stranger.output) == (1, True)


def test_dry_run_says_what_would_be_charged_to_what_and_charges_nothing(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
        poor = world.new_owner(stripe_sandbox)
        ids = [world.new_invoice(owner, 1230), world.new_invoice(poor, 400)]
        methods = [str(method.id) for method in owner.methods]
        collecting.mend()
    stripe_sandbox.requests.clear()

    result = stocked.billing("collect", "--dry-run")
    one = stocked.billing("collect", "--dry-run", "--limit", "1")

    assert result.exit_code == 0, result.output
    header, first, second, total, _ = result.output.splitlines()
    assert header.split() == ["project", "invoice", "amount", "tried", "in", "this", "order"]
    assert first.split() == [owner.key, str(ids[0]), "12.30", "USD", f"{methods[0]},", methods[1]]
    assert second.split() == [poor.key, str(ids[1]), "4.00", "USD", "nothing"]
    assert total == "Up to 12.30 USD would be charged."
    assert str(ids[1]) not in one.output
    assert list(stripe_sandbox.requests) == []
    with stocked.app.app_context():
        assert [world.states(each) for each in ids] == [[], []]


def test_invoice_that_needs_a_person_is_told_by_status_and_named_by_check(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.BAD)
        lost, other = (world.new_invoice(owner, 1000, month=m) for m in (world.JULY, world.AUGUST))
        collecting.collect()
        world.set_collection(lost, stripe_id="in_gone", next_try_at=clock.now())

    result = stocked.billing("collect")
    checked = stocked.billing("check")

    assert result.exit_code == 1
    assert "1 invoice parked.\n'flask billing check' names what is parked" in result.output
    named = f"Invoice {lost} of project {owner.key}: parked (missing_at_processor) since 20"
    assert named in checked.output
    assert str(other) not in checked.output


def test_invoice_that_stripe_could_not_be_asked_about_is_put_off(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        invoice_id = world.new_invoice(owner, 1000)
    stripe_sandbox.begin_outage()

    result = stocked.billing("collect")

    assert (result.exit_code, result.output) == (1, "1 invoice put off.\n")
    with stocked.app.app_context():
        assert world.collection(invoice_id).state == "waiting"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_after_the_invoice_under_way(
    stocked: Shell, stripe_sandbox: Sandbox, number: signal.Signals
) -> None:
    with stocked.app.app_context():
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(2)]
        ids = [world.new_invoice(owner, 1000) for owner in owners]

    def ask_to_stop(_app: object, **_about: object) -> None:
        os.kill(os.getpid(), number)

    with signals.invoice_paid.connected_to(ask_to_stop):
        result = stocked.billing("collect")

    assert result.exit_code == 0
    assert "1 invoice paid. Stopped; the next run goes on." in result.output
    with stocked.app.app_context():
        assert sorted(world.invoice(each).state for each in ids) == ["closed", "paid"]
