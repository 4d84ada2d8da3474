"""A test clock gives some customers a time of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stripe

from tests.sandbox.paying import event_types

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

START = 1_700_000_000
DAY = 24 * 3600


@pytest.fixture
def clock(client: stripe.StripeClient) -> str:
    return client.v1.test_helpers.test_clocks.create({"frozen_time": START, "name": "Year"}).id


def advance(client: stripe.StripeClient, clock: str, seconds: int) -> None:
    clocks = client.v1.test_helpers.test_clocks
    target = clocks.retrieve(clock).frozen_time + seconds
    clocks.advance(clock, {"frozen_time": target})
    arrived = clocks.retrieve(clock)
    assert (arrived.status, arrived.frozen_time) == ("ready", target)


def paid_by_refund_failing_card(client: stripe.StripeClient, customer: str) -> stripe.PaymentIntent:
    method = client.v1.payment_methods.attach("pm_card_refundFail", {"customer": customer})
    return client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "customer": customer,
            "payment_method": method.id,
            "confirm": True,
            "off_session": True,
        }
    )


def test_objects_of_a_customer_take_their_time_from_its_clock(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, clock: str
) -> None:
    now = stripe_sandbox.clock.freeze()
    inside = client.v1.customers.create({"test_clock": clock})
    outside = client.v1.customers.create({})

    advance(client, clock, 40 * DAY)
    paid = paid_by_refund_failing_card(client, inside.id)
    other = paid_by_refund_failing_card(client, outside.id)

    assert (inside.test_clock, outside.test_clock) == (clock, None)
    assert (inside.created, outside.created) == (START, now)
    assert (paid.created, other.created) == (START + 40 * DAY, now)


def test_advancing_does_what_is_due_on_the_clock_alone(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, clock: str
) -> None:
    stripe_sandbox.clock.freeze()
    refunds = []
    for params in ({"test_clock": clock}, {}):
        customer = client.v1.customers.create(params).id  # type: ignore[arg-type]
        intent = paid_by_refund_failing_card(client, customer)
        refunds.append(client.v1.refunds.create({"payment_intent": intent.id}).id)

    advance(client, clock, DAY)
    after_the_clock = [client.v1.refunds.retrieve(refund).status for refund in refunds]
    stripe_sandbox.advance(DAY)
    after_all = [client.v1.refunds.retrieve(refund).status for refund in refunds]

    assert after_the_clock == ["failed", "succeeded"]
    assert after_all == ["failed", "failed"]


def test_sandbox_time_does_not_move_what_has_a_clock(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, clock: str
) -> None:
    customer = client.v1.customers.create({"test_clock": clock}).id
    intent = paid_by_refund_failing_card(client, customer)
    refund = client.v1.refunds.create({"payment_intent": intent.id}).id

    stripe_sandbox.advance(20 * DAY)

    assert client.v1.refunds.retrieve(refund).status == "succeeded"


def test_invoice_is_overdue_by_the_clock_of_its_customer(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, clock: str
) -> None:
    invoices = client.v1.invoices
    made = []
    for params in ({"test_clock": clock}, {}):
        customer = client.v1.customers.create(params).id  # type: ignore[arg-type]
        draft = invoices.create(
            {
                "customer": customer,
                "currency": "eur",
                "collection_method": "send_invoice",
                "days_until_due": 14,
            }
        )
        client.v1.invoice_items.create({"customer": customer, "invoice": draft.id, "amount": 1000})
        made.append(invoices.finalize_invoice(draft.id))

    advance(client, clock, 14 * DAY)

    overdue = client.v1.events.list({"type": "invoice.overdue"}).data
    assert [event.data.object["id"] for event in overdue] == [made[0].id]
    assert (made[0].created, made[0].due_date) == (START, START + 14 * DAY)


def test_clock_is_advancing_until_the_next_request(client: stripe.StripeClient, clock: str) -> None:
    clocks = client.v1.test_helpers.test_clocks

    going = clocks.advance(clock, {"frozen_time": START + DAY})
    arrived = clocks.retrieve(clock)

    assert (going.status, going.frozen_time) == ("advancing", START)
    assert going.status_details.advancing is not None
    assert going.status_details.advancing.target_frozen_time == START + DAY
    assert (arrived.status, arrived.frozen_time) == ("ready", START + DAY)
    assert "advancing" not in arrived.status_details
    assert event_types(client) == [
        "test_helpers.test_clock.created",
        "test_helpers.test_clock.advancing",
        "test_helpers.test_clock.ready",
    ]


@pytest.mark.parametrize("moved", [0, -1, 3 * 366 * DAY])
def test_clock_moves_forwards_by_two_years_at_the_most(
    client: stripe.StripeClient, clock: str, moved: int
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": START + moved})

    assert refused.value.param == "frozen_time"


def test_existing_customer_can_be_given_a_clock_once(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({}).id
    clocks = client.v1.test_helpers.test_clocks

    clock = clocks.create({"frozen_time": START, "customer": customer})
    with pytest.raises(stripe.InvalidRequestError):
        clocks.create({"frozen_time": START, "customer": customer})

    assert client.v1.customers.retrieve(customer).test_clock == clock.id
    assert [found.id for found in clocks.list().data] == [clock.id]


def test_deleting_a_clock_takes_its_customers_along(
    client: stripe.StripeClient, clock: str
) -> None:
    inside = client.v1.customers.create({"test_clock": clock}).id
    outside = client.v1.customers.create({}).id

    gone = client.v1.test_helpers.test_clocks.delete(clock)

    assert gone.deleted
    assert getattr(client.v1.customers.retrieve(inside), "deleted", False)
    assert not getattr(client.v1.customers.retrieve(outside), "deleted", False)
    assert client.v1.test_helpers.test_clocks.list().data == []


def test_clock_ends_after_a_month(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, clock: str
) -> None:
    shown = client.v1.test_helpers.test_clocks.retrieve(clock)

    stripe_sandbox.clock.freeze(shown.deletes_after)

    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.test_helpers.test_clocks.retrieve(clock)
    assert gone.value.http_status == 404


def test_live_mode_has_no_clocks(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="test mode"):
        client.v1.test_helpers.test_clocks.create(
            {"frozen_time": START}, {"api_key": "sk_live_sandbox"}
        )
