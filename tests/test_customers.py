"""Billing details live at Stripe: every field can be set, changed and cleared there."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from flask import Flask

from flask_billing import (
    BillingInfo,
    DetailsRefused,
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    PaymentMethod,
    billing_details_changed,
    clock,
    customers,
)
from flask_billing.gateways import Address, Customer, CustomerDetails
from flask_billing.sandbox import Sandbox
from tests.host import Project, create_app, db

ADDRESS = Address(
    line1="12 Analytical Row",
    line2="Attic",
    city="London",
    postal_code="N1 7AA",
    state="Greater London",
    country="GB",
)
DETAILS = CustomerDetails(
    name="Ada Lovelace",
    company="Engines Ltd",
    email="ada@example.com",
    address=ADDRESS,
    invoice_note="PO 4711",
)
GERMAN, FRENCH = ("eu_vat", "DE123456789"), ("eu_vat", "FRAB123456789")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK pauses between its attempts; nothing here depends on how long."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        BILLING_PAGE_TIMEOUT=0.4,
    )
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
    app.extensions["billing"].threads.shutdown()


@pytest.fixture
def sdk(stripe_sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    """Stripe's own client, to look at what was written."""
    http = stripe.RequestsClient(timeout=(2, 10))
    yield stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}, http_client=http
    )
    http.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def info(app: Flask, sdk: stripe.StripeClient, stripe_sandbox: Sandbox) -> BillingInfo:
    """Who pays, with one card; the log of requests begins after it."""
    customer = sdk.v1.customers.create({"name": "New"})
    method = sdk.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    info = BillingInfo(stripe_id=customer.id)
    db.session.add_all([info, PaymentMethod(stripe_id=method.id, billing_info=info)])
    db.session.commit()
    stripe_sandbox.requests.clear()
    return info


def tax_ids(customer: Customer) -> list[tuple[str, str]]:
    return [(tax_id.type, tax_id.value) for tax_id in customer.tax_ids]


def with_field(details: CustomerDetails, field: str, value: str) -> CustomerDetails:
    change: dict[str, Any] = {field: value}
    if hasattr(details, field):
        return dataclasses.replace(details, **change)
    address = dataclasses.replace(details.address, **change)
    return dataclasses.replace(details, address=address)


def test_everything_can_be_set_and_read_again(info: BillingInfo) -> None:
    written = customers.update(info, DETAILS, GERMAN)

    assert written.details == DETAILS
    assert tax_ids(written) == [GERMAN]
    assert customers.read(info).details == DETAILS


@pytest.mark.parametrize(
    "field",
    [
        "name",
        "company",
        "email",
        "line1",
        "line2",
        "city",
        "postal_code",
        "state",
        "invoice_note",
    ],
)
@pytest.mark.parametrize("value", ["changed@example.com", ""])
def test_one_field_can_be_changed_and_cleared_and_the_others_stay(
    info: BillingInfo, field: str, value: str
) -> None:
    customers.update(info, DETAILS, None)
    wanted = with_field(DETAILS, field, value)

    customers.update(info, wanted, None)

    assert customers.read(info).details == wanted


def test_country_can_be_changed(info: BillingInfo) -> None:
    customers.update(info, DETAILS, None)
    wanted = with_field(DETAILS, "country", "DE")

    assert customers.update(info, wanted, None).details == wanted


def test_everything_can_be_cleared(info: BillingInfo, sdk: stripe.StripeClient) -> None:
    customers.update(info, DETAILS, GERMAN)

    cleared = customers.update(info, CustomerDetails(), None)

    assert cleared.details == CustomerDetails()
    assert cleared.tax_ids == ()
    customer = sdk.v1.customers.retrieve(info.stripe_id)
    assert not any((customer.name, customer.email, customer.address))


def test_same_details_can_be_set_again_after_others(info: BillingInfo) -> None:
    other = dataclasses.replace(DETAILS, name="Grace Hopper")

    for details in (DETAILS, other, DETAILS):
        customers.update(info, details, None)

    assert customers.read(info).details == DETAILS


def test_text_of_every_script_and_length_arrives_as_it_was_typed(info: BillingInfo) -> None:
    wanted = dataclasses.replace(
        DETAILS, name="Ὑπατία & Söhne <b>", company="x" * 150, invoice_note="n" * 140
    )

    assert customers.update(info, wanted, None).details == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, GERMAN), (GERMAN, FRENCH), (GERMAN, ("gb_vat", "GB123456789")), (GERMAN, None)],
)
def test_tax_id_can_be_set_changed_and_cleared(
    info: BillingInfo, before: tuple[str, str] | None, after: tuple[str, str] | None
) -> None:
    customers.update(info, DETAILS, before)

    written = customers.update(info, DETAILS, after)

    assert tax_ids(written) == ([after] if after else [])


def test_tax_id_that_stays_is_not_verified_anew(info: BillingInfo) -> None:
    first = customers.update(info, DETAILS, GERMAN)

    second = customers.update(info, DETAILS, GERMAN)

    assert [tax_id.stripe_id for tax_id in second.tax_ids] == [
        tax_id.stripe_id for tax_id in first.tax_ids
    ]


def test_several_tax_ids_from_elsewhere_end_in_the_one_that_was_typed(
    info: BillingInfo, sdk: stripe.StripeClient
) -> None:
    for kind, value in (GERMAN, FRENCH):
        given: Any = {"type": kind, "value": value}
        sdk.v1.customers.tax_ids.create(info.stripe_id, given)

    assert tax_ids(customers.update(info, DETAILS, FRENCH)) == [FRENCH]


def test_refused_tax_id_leaves_the_old_one(info: BillingInfo) -> None:
    customers.update(info, DETAILS, GERMAN)

    with pytest.raises(DetailsRefused) as refused:
        customers.update(info, DETAILS, ("eu_vat", "DE1"))

    assert refused.value.fields == {"tax_id": "invalid"}
    assert tax_ids(customers.read(info)) == [GERMAN]


def test_tax_id_is_verified_by_stripe(info: BillingInfo) -> None:
    customers.update(info, DETAILS, ("eu_vat", "000000000"))

    [tax_id] = customers.read(info).tax_ids
    assert tax_id.verification == "verified"


@pytest.mark.parametrize(
    ("param", "field"),
    [
        ("name", "name"),
        ("business_name", "company"),
        ("email", "email"),
        ("address[line1]", "line1"),
        ("address[line2]", "line2"),
        ("address[city]", "city"),
        ("address[postal_code]", "postal_code"),
        ("address[state]", "state"),
        ("address[country]", "country"),
        ("address", "country"),
        ("invoice_settings[custom_fields][0][value]", "invoice_note"),
        ("invoice_settings[custom_fields]", "invoice_note"),
    ],
)
def test_refused_parameter_is_told_at_the_field_that_it_came_from(
    info: BillingInfo, stripe_sandbox: Sandbox, param: str, field: str
) -> None:
    stripe_sandbox.fail("POST /v1/customers/*", how="refuse", code="any", param=param)

    with pytest.raises(DetailsRefused) as refused:
        customers.update(info, DETAILS, None)

    assert refused.value.fields == {field: "invalid"}


@pytest.mark.parametrize(
    ("code", "param", "fields"),
    [
        ("email_invalid", "email", {"email": "invalid"}),
        ("email_invalid", None, {"email": "invalid"}),
        ("customer_tax_location_invalid", "address", {"country": "unknown_location"}),
        ("customer_tax_location_invalid", None, {"country": "unknown_location"}),
        ("parameter_invalid_string_blank", "name", {"name": "blank"}),
        ("parameter_invalid_string_empty", "name", {"name": "blank"}),
        ("tax_id_invalid", None, {"tax_id": "invalid"}),
    ],
)
def test_reason_of_a_refusal_is_a_stable_word(
    info: BillingInfo, stripe_sandbox: Sandbox, code: str, param: str, fields: dict[str, str]
) -> None:
    stripe_sandbox.fail("POST /v1/customers/*", how="refuse", code=code, param=param)

    with pytest.raises(DetailsRefused) as refused:
        customers.update(info, DETAILS, None)

    assert refused.value.fields == fields


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "not an address"}, "email"),
        ({"email": "ada@example.com "}, "email"),
        ({"name": "x" * 257}, "name"),
        ({"company": "x" * 151}, "company"),
        ({"invoice_note": "x" * 141}, "invoice_note"),
    ],
)
def test_value_that_stripe_does_not_take_is_told_at_its_field(
    info: BillingInfo, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(DetailsRefused) as refused:
        customers.update(info, dataclasses.replace(DETAILS, **changes), None)

    assert set(refused.value.fields) == {field}


def test_refusal_repeats_nothing_that_was_typed(info: BillingInfo) -> None:
    with pytest.raises(DetailsRefused) as refused:
        customers.update(info, dataclasses.replace(DETAILS, email="canary at home"), None)

    error: BaseException | None = refused.value
    while error is not None:
        assert "canary" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


def test_refusal_that_belongs_to_no_field_stays_what_it_is(
    info: BillingInfo, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("POST /v1/customers/*", how="refuse", code="new", param="new_parameter")

    with pytest.raises(GatewayRefusal):
        customers.update(info, DETAILS, None)


@pytest.mark.parametrize("how", ["error_500", "timeout_before", "rate_limit"])
def test_trouble_while_writing_leaves_the_outcome_unknown(
    info: BillingInfo, stripe_sandbox: Sandbox, how: str
) -> None:
    stripe_sandbox.fail("POST /v1/customers/*", how=how, times=99)

    with pytest.raises(GatewayUnavailable):
        customers.update(info, DETAILS, GERMAN)


def test_everyone_interested_is_told_of_a_change(app: Flask, info: BillingInfo) -> None:
    told: list[tuple[Any, Any]] = []

    def note(sender: Flask, *, billing_info: BillingInfo) -> None:
        told.append((sender, billing_info))

    with billing_details_changed.connected_to(note):
        customers.update(info, DETAILS, GERMAN)
        with pytest.raises(DetailsRefused):
            customers.update(info, dataclasses.replace(DETAILS, email="wrong"), GERMAN)

    assert told == [(app, info)]


def test_verb_does_not_commit_what_the_host_has_not_saved_yet(info: BillingInfo) -> None:
    db.session.add(Project(name="unsaved"))

    with pytest.raises(RuntimeError, match="Commit or roll back"):
        customers.update(info, DETAILS, None)


def test_nothing_personal_is_written_into_our_tables(info: BillingInfo) -> None:
    customers.update(info, DETAILS, GERMAN)

    driver: Any = db.session.connection().connection.driver_connection
    dump = "\n".join(driver.iterdump())
    for personal in ("Ada", "Engines", "ada@", "Analytical", "London", "4711", "DE123456789"):
        assert personal not in dump


# What a page shows


def test_page_gets_customer_and_methods_with_two_calls_side_by_side(
    info: BillingInfo, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.latency = 0.2
    started = time.monotonic()

    live = customers.live_details(info)

    assert time.monotonic() - started < 0.39
    assert live.customer is not None
    assert live.customer.details.name == "New"
    assert [method.last4 for method in live.methods.values()] == ["4242"]
    assert not live.missing
    assert len(stripe_sandbox.requests) == 2


def test_page_of_nobody_asks_nothing(app: Flask, stripe_sandbox: Sandbox) -> None:
    removed = BillingInfo(stripe_id="cus_1", removed_at=clock.now())

    pages = [customers.live_details(None), customers.live_details(removed)]

    assert pages == [customers.LiveDetails()] * 2
    assert len(stripe_sandbox.requests) == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"how": "slow", "seconds": 1},
        {"how": "error_500"},
        {"how": "timeout_before"},
        {"how": "rate_limit"},
        {"how": "refuse", "status": 401},
    ],
    ids=lambda fault: str(fault["how"]),
)
def test_page_goes_without_what_stripe_does_not_tell_in_time(
    info: BillingInfo, stripe_sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    stripe_sandbox.fail("GET /v1/*", times=99, **fault)
    started = time.monotonic()

    live = customers.live_details(info)

    assert time.monotonic() - started < 0.7
    assert live == customers.LiveDetails(missing=True)


@pytest.mark.parametrize("how", ["slow", "error_500"])
def test_one_call_that_fails_does_not_take_the_other_with_it(
    info: BillingInfo, stripe_sandbox: Sandbox, how: str
) -> None:
    stripe_sandbox.fail("GET /v1/customers/*/payment_methods", how=how, seconds=1, times=99)

    live = customers.live_details(info)

    assert live.customer is not None
    assert live.methods == {}
    assert live.missing


def test_methods_are_shown_without_the_customer(info: BillingInfo, stripe_sandbox: Sandbox) -> None:
    stripe_sandbox.fail(f"GET /v1/customers/{info.stripe_id}", how="error_500", times=99)

    live = customers.live_details(info)

    assert live.customer is None
    assert len(live.methods) == 1
    assert live.missing


def test_no_transaction_is_open_while_stripe_is_asked(info: BillingInfo) -> None:
    customers.live_details(info)

    assert not db.session().in_transaction()


def test_page_of_a_slow_stripe_stays_quick_for_the_next_person_too(
    info: BillingInfo, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("GET /v1/*", how="slow", seconds=1.5, times=99)
    started = time.monotonic()

    pages = [customers.live_details(info) for _ in range(6)]

    assert time.monotonic() - started < 6 * 0.5
    assert all(page.missing for page in pages)


def test_look_at_a_card_that_went_away_stays_within_the_time_limit(
    info: BillingInfo, sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    sdk.v1.payment_methods.detach(info.payment_methods[0].stripe_id)
    stripe_sandbox.fail("GET /v1/payment_methods/*", how="slow", seconds=2, times=99)
    started = time.monotonic()

    live = customers.live_details(info)

    assert time.monotonic() - started < 0.7
    assert live.methods == {}


# A customer that was deleted at Stripe


def test_deleted_customer_says_so(info: BillingInfo, sdk: stripe.StripeClient) -> None:
    sdk.v1.customers.delete(info.stripe_id)

    assert customers.read(info) == Customer(stripe_id=info.stripe_id, deleted=True)


def test_page_of_a_deleted_customer_knows_that_nothing_is_missing(
    info: BillingInfo, sdk: stripe.StripeClient
) -> None:
    sdk.v1.customers.delete(info.stripe_id)

    live = customers.live_details(info)

    assert live.customer is not None
    assert live.customer.deleted
    assert live.methods == {}
    assert not live.missing


def test_details_of_a_deleted_customer_cannot_be_written(
    info: BillingInfo, sdk: stripe.StripeClient
) -> None:
    sdk.v1.customers.delete(info.stripe_id)

    with pytest.raises(GatewayError) as refused:
        customers.update(info, DETAILS, GERMAN)

    assert refused.value.code == "resource_missing"
