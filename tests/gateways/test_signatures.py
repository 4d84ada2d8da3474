"""A notification is taken only if one of our secrets has signed these very bytes just now."""

from __future__ import annotations

import time
from typing import Any

import pytest
import time_machine

from flask_billing.errors import EventRefused
from flask_billing.gateways.stripe import StripeGateway
from tests.gateways.notices import OTHER_SECRET, SECRET, event, header, signature, written

BODY = written(event())
NOW = 1_796_083_200


def refusal(gateway: StripeGateway, body: bytes, sent: str, *secrets: str) -> str:
    with pytest.raises(EventRefused) as refused:
        gateway.read_event(body, sent, secrets or (SECRET, OTHER_SECRET))
    return refused.value.reason


@pytest.mark.parametrize("secret", [SECRET, OTHER_SECRET])
def test_each_of_our_secrets_counts(gateway: StripeGateway, secret: str) -> None:
    found = gateway.read_event(BODY, header(BODY, secret), (SECRET, OTHER_SECRET))

    assert found.stripe_id == "evt_1"


def test_secret_of_another_endpoint_does_not_count(gateway: StripeGateway) -> None:
    assert refusal(gateway, BODY, header(BODY, "whsec_third")) == "signature"


@pytest.mark.parametrize("secrets", [(), ("",), (" ",), ("", "\n")])
def test_without_a_secret_nothing_is_taken(
    gateway: StripeGateway, secrets: tuple[str, ...]
) -> None:
    with pytest.raises(EventRefused, match="signature"):
        gateway.read_event(BODY, header(BODY, secrets[0] if secrets else ""), secrets)


def test_one_right_signature_among_several_is_enough(gateway: StripeGateway) -> None:
    moment = int(time.time())
    sent = f"t={moment},v1={'0' * 64},v1={signature(BODY, SECRET, moment)}"

    assert gateway.read_event(BODY, sent, [SECRET]).stripe_id == "evt_1"


def test_several_wrong_signatures_are_not_enough(gateway: StripeGateway) -> None:
    sent = f"t={int(time.time())},v1={'0' * 64},v1={signature(BODY, 'whsec_third')}"

    assert refusal(gateway, BODY, sent) == "signature"


def test_one_changed_byte_breaks_the_signature(gateway: StripeGateway) -> None:
    assert refusal(gateway, BODY + b" ", header(BODY)) == "signature"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        ",",
        "t=,v1=",
        "t,v1",
        "v1=" + "0" * 64,
        f"t={NOW}",
        f"t={NOW},v1=",
        f"t={NOW},v1=é",
        f"t={NOW},v1=\udcff",
        f"t={'9' * 5000},v1=x",
        "t=١٧٩٦,v1=x",
        "t=-1,v1=x",
        "t=1_0,v1=x",
        "t= 10,v1=x",
        "t=nan,v1=x",
        "\x00",
    ],
    ids=range(16),
)
def test_header_that_is_none_is_refused(gateway: StripeGateway, sent: str) -> None:
    assert refusal(gateway, BODY, sent) == "signature"


def test_only_the_scheme_v1_counts(gateway: StripeGateway) -> None:
    moment = int(time.time())
    sent = f"t={moment},v0={signature(BODY, SECRET, moment)}"

    assert refusal(gateway, BODY, sent) == "signature"


@pytest.mark.parametrize(
    ("off", "taken"),
    [(0, True), (-300, True), (-301, False), (300, True), (301, False), (-86_400, False)],
)
def test_signature_holds_for_five_minutes_both_ways(
    gateway: StripeGateway, off: int, taken: bool
) -> None:
    with time_machine.travel(NOW, tick=False):
        sent = header(BODY, at=NOW + off)
        if taken:
            assert gateway.read_event(BODY, sent, [SECRET]).stripe_id == "evt_1"
        else:
            assert refusal(gateway, BODY, sent) == "time"


def test_no_other_time_makes_an_old_signature_new(gateway: StripeGateway) -> None:
    old = f"v1={signature(BODY, SECRET, NOW)}"
    with time_machine.travel(NOW + 3600, tick=False):
        new = f"t={NOW + 3600}"
        reasons = [
            refusal(gateway, BODY, sent)
            for sent in (
                f"{new},t={NOW},{old}",
                f"t={NOW},{new},{old}",
                f"t={NOW},{old},{new}",
                f"t={NOW}=x,{new},{old}",
                f"{old},t={NOW}=x,{new}",
                f"t=+{NOW},{new},{old}",
                f"t=0{NOW},{new},{old}",
            )
        ]

    assert reasons == ["signature", "time", "time", "signature", "signature", "signature", "time"]


def test_time_is_not_told_to_who_did_not_sign(gateway: StripeGateway) -> None:
    assert refusal(gateway, BODY, header(BODY, "whsec_third", at=NOW - 86_400)) == "signature"


def test_nothing_is_parsed_before_the_signature_holds(gateway: StripeGateway) -> None:
    assert refusal(gateway, b"[" * 100_000, header(b"")) == "signature"


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{\x80}", b"\xed\xa0\x80"])
def test_body_that_is_no_text_is_refused_even_if_it_is_signed(
    gateway: StripeGateway, body: bytes
) -> None:
    assert refusal(gateway, body, header(body)) == "malformed"


def test_reading_makes_no_call(gateway: StripeGateway, stripe_sandbox: Any) -> None:
    gateway.read_event(BODY, header(BODY), [SECRET])

    assert len(stripe_sandbox.requests) == 0
