"""Calls keep to the rate that was set, and Stripe's "too many" slows all of them down."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable

import pytest
import stripe

from flask_billing.errors import GatewayRefusal, GatewayUnavailable
from flask_billing.gateways.stripe import StripeGateway, pacing
from flask_billing.gateways.stripe.pacing import Pace
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import ROW, Saved

ACCOUNT = "GET /v1/account"


class Time:
    """A clock that only moves when somebody sleeps, and what they slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The limits as they are out there, in a time of their own."""
    time = Time()
    monkeypatch.setattr(pacing, "monotonic", time.monotonic)
    monkeypatch.setattr(pacing, "sleep", time.sleep)
    monkeypatch.setattr(pacing, "_AT_ONCE", 0.25)
    monkeypatch.setattr(pacing, "_FIRST_PAUSE", 0.5)
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    return time


@pytest.fixture
def gateway(time: Time, make_gateway: Callable[..., StripeGateway]) -> StripeGateway:
    return make_gateway(BILLING_STRIPE_RATE=20)


def turns(pace: Pace, time: Time, count: int) -> list[float]:
    began = time.now
    return [round(time.now - began + pace.reserve(), 6) for _ in range(count)]


def test_no_second_has_more_turns_than_the_rate_and_a_quarter(time: Time) -> None:
    pace = Pace(20)
    time.now += 3600

    given = turns(pace, time, 100)

    for begin in (turn for turn in given if turn <= given[-1] - 1):
        assert sum(begin <= turn < begin + 1 for turn in given) <= 25
    assert given[-1] == pytest.approx((100 - 6) / 20)


def test_turns_are_given_in_the_order_of_asking(time: Time) -> None:
    given = turns(Pace(4), time, 12)

    assert given == sorted(given)
    assert given[-1] == pytest.approx(11 / 4)


def test_calls_wait_for_their_turn(
    gateway: StripeGateway, stripe_sandbox: Sandbox, time: Time
) -> None:
    for _ in range(30):
        gateway.account_id()

    assert len(stripe_sandbox.requests) == 30
    assert sum(time.slept) == pytest.approx(29 / 20)


def test_threads_share_the_rate(
    gateway: StripeGateway, stripe_sandbox: Sandbox, time: Time
) -> None:
    gateway.account_id()

    threads = [
        threading.Thread(target=lambda: [gateway.account_id() for _ in range(10)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(stripe_sandbox.requests) == 41
    assert time.now - 1000 >= 40 / 20 - 0.25


def test_call_that_stripe_has_no_room_for_is_made_again_after_growing_pauses(
    gateway: StripeGateway, stripe_sandbox: Sandbox, time: Time
) -> None:
    stripe_sandbox.fail(ACCOUNT, how="rate_limit", times=3)

    gateway.account_id()

    assert len(stripe_sandbox.requests) == 4
    assert time.slept == pytest.approx([0.5, 1, 2])


def test_call_is_given_up_at_the_fourth_refusal_and_did_nothing(
    gateway: StripeGateway, stripe_sandbox: Sandbox, sdk: stripe.StripeClient, saved: Saved
) -> None:
    stripe_sandbox.fail("POST /v1/payment_methods/*/detach", how="rate_limit", times=99)

    with pytest.raises(GatewayUnavailable) as refused:
        gateway.detach_payment_method(saved.method)

    assert refused.value.code == "rate_limited"
    assert len(stripe_sandbox.requests) == 4
    assert sdk.v1.payment_methods.retrieve(saved.method).customer == saved.customer


def test_pauses_grow_over_calls_up_to_a_limit_and_begin_anew_after_a_success(
    gateway: StripeGateway, stripe_sandbox: Sandbox, time: Time
) -> None:
    stripe_sandbox.fail(ACCOUNT, how="rate_limit", times=99)
    for _ in range(3):
        with pytest.raises(GatewayUnavailable):
            gateway.account_id()
    stripe_sandbox.engine.faults.clear()
    gateway.account_id()
    assert max(time.slept) == pytest.approx(8, abs=0.1)
    stripe_sandbox.fail(ACCOUNT, how="rate_limit")

    gateway.account_id()

    assert time.slept[-1] == pytest.approx(0.5)


def test_call_is_not_repeated_beyond_its_time_limit(
    make_gateway: Callable[..., StripeGateway], stripe_sandbox: Sandbox, time: Time
) -> None:
    gateway = make_gateway(STRIPE_TIMEOUT=(0.5, 0.8))
    stripe_sandbox.fail(ACCOUNT, how="rate_limit", times=99)

    with pytest.raises(GatewayUnavailable):
        gateway.account_id()

    assert len(stripe_sandbox.requests) == 2


def test_refusal_of_one_call_gives_nobody_a_turn_meanwhile(time: Time) -> None:
    pace = Pace(20)
    pace.back_off()
    pace.back_off()

    assert pace.reserve() == pytest.approx(0.5)
    assert pace.reserve() == pytest.approx(0.55)


def test_refusal_after_a_try_of_unknown_outcome_does_not_say_that_nothing_was_done(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    call = "POST /v1/customers/*/balance_transactions"
    stripe_sandbox.fail(call, how="timeout_before")
    stripe_sandbox.fail(call, how="rate_limit", nth=2, times=99)

    with pytest.raises(GatewayUnavailable) as failed:
        gateway.change_balance(saved.customer, 100, "eur", local_id=ROW, key="balance-1")

    assert failed.value.code is None


def test_other_refusals_are_not_repeated(
    gateway: StripeGateway, stripe_sandbox: Sandbox, time: Time
) -> None:
    stripe_sandbox.fail(ACCOUNT, how="refuse", status=400, code="anything", times=99)

    with pytest.raises(GatewayRefusal):
        gateway.account_id()

    assert (time.slept, len(stripe_sandbox.requests)) == ([], 1)


def test_forked_process_speaks_through_connections_of_its_own(
    make_gateway: Callable[..., StripeGateway],
) -> None:
    gateway = make_gateway()
    account = gateway.account_id()
    before = gateway._client

    assert well_in_child(lambda: gateway._client is not before and gateway.account_id() == account)
    assert gateway._client is before


def well_in_child(work: Callable[[], bool]) -> bool:
    """Do something in a forked process, and tell whether it went well."""
    with warnings.catch_warnings():
        # Later Pythons warn of forking beside threads, which is the very thing looked at.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitpid(process, 0)[1] == 0
