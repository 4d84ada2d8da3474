"""Nothing personal and nothing secret leaves the gateway in an error, a log or a `repr`."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from flask_billing.customers import LiveDetails
from flask_billing.errors import EventRefused, GatewayError
from flask_billing.gateways import (
    Address,
    Customer,
    CustomerDetails,
    InvoiceDocument,
    PaymentMethodDetails,
    RemoteSetupSession,
    TaxId,
)
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways import notices
from tests.gateways.billed import issued, paid
from tests.gateways.conftest import ADDRESS, CALLS, OTHER_ROW, ROW, Saved, setup_request

CANARY = "canary@example.com"

TROUBLE: dict[str, dict[str, Any]] = {
    "refused": {"status": 400, "code": "email_invalid", "param": "email"},
    "missing": {"status": 404, "code": "no_such_canary"},
    "key": {"status": 401},
    "rights": {"status": 403},
    "declined": {
        "status": 402,
        "code": "card_declined",
        "payment_intent": {"object": "payment_intent", "client_secret": CANARY},
        "payment_method": {"object": "payment_method", "billing_details": {"email": CANARY}},
    },
    "in use": {"status": 409, "code": "idempotency_key_in_use"},
    "reused": {"status": 400, "type": "idempotency_error"},
    "broken": {"status": 500},
    "limited": {"status": 429},
}


def told_by(error: BaseException) -> str:
    """Everything that a log, a tracker of errors or another process gets to see of an error."""
    chain = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.args} {vars(error)} {chain} {pickle.dumps(error)!r}"


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_error_carries_nothing_of_what_stripe_said(
    gateway: StripeGateway, stripe_sandbox: Sandbox, trouble: dict[str, Any]
) -> None:
    fields = {"message": f"{CANARY} is wrong.", **trouble, "code": trouble.get("code")}
    stripe_sandbox.fail("* /v1/*", how="refuse", times=999, **fields)

    for name, call in CALLS.items():
        with pytest.raises(GatewayError) as failed:
            call(gateway)

        assert CANARY not in told_by(failed.value), name


@pytest.mark.parametrize("trouble", ["refused", "broken"])
def test_error_of_the_sdk_cannot_be_reached_from_ours(
    gateway: StripeGateway, stripe_sandbox: Sandbox, trouble: str
) -> None:
    stripe_sandbox.fail("* /v1/*", how="refuse", times=999, **TROUBLE[trouble])

    for name, call in CALLS.items():
        with pytest.raises(GatewayError) as failed:
            call(gateway)

        assert failed.value.__cause__ is None, name
        assert failed.value.__context__ is None, name


CANARIES = notices.written(notices.event({"object": CANARY, "email": CANARY}))
WRONGLY_POSTED: dict[str, tuple[bytes, Callable[[bytes], str], str]] = {
    "wrong object": (CANARIES, notices.header, "malformed"),
    "no header": (CANARIES, lambda _: "", "signature"),
    "odd header": (CANARIES, lambda _: f"t=1,v1={CANARY}\udcff", "signature"),
    "another secret": (CANARIES, lambda body: notices.header(body, "whsec_x"), "signature"),
    "too old": (CANARIES, lambda body: notices.header(body, at=1), "time"),
    "no text": (CANARIES + b"\xff", notices.header, "malformed"),
    "no JSON": (CANARIES + b"}", notices.header, "malformed"),
}
SECRETS = [notices.SECRET, f"whsec_{CANARY}"]


@pytest.mark.parametrize("posted", WRONGLY_POSTED.values(), ids=WRONGLY_POSTED)
def test_refusal_of_a_notification_carries_nothing_of_it(
    gateway: StripeGateway, posted: tuple[bytes, Callable[[bytes], str], str]
) -> None:
    body, sign, reason = posted

    with pytest.raises(EventRefused) as refused:
        gateway.read_event(body, sign(body), SECRETS)

    told = told_by(refused.value)
    assert CANARY not in told
    assert "whsec" not in told
    assert refused.value.reason == reason
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def hold(gateway: StripeGateway, saved: Saved, method: str) -> None:
    gateway.hold(saved.customer, method, 100, "eur", local_id=ROW)


def charge(gateway: StripeGateway, saved: Saved, method: str) -> None:
    gateway.pay_invoice(issued(gateway, saved, 100).stripe_id, method, key="pay-1")


@pytest.mark.parametrize("use", [hold, charge])
@pytest.mark.parametrize(
    ("card", "number"),
    [("pm_card_chargeCustomerFail", "0341"), ("pm_card_authenticationRequired", "3184")],
)
def test_real_decline_carries_nothing_personal(
    gateway: StripeGateway,
    sdk: stripe.StripeClient,
    saved: Saved,
    use: Callable[[StripeGateway, Saved, str], None],
    card: str,
    number: str,
) -> None:
    given: Any = {"billing_details": {"email": CANARY, "name": "Canary Person"}}
    method = sdk.v1.payment_methods.attach(card, {"customer": saved.customer})
    sdk.v1.payment_methods.update(method.id, given)

    with pytest.raises(GatewayError) as declined:
        use(gateway, saved, method.id)

    told = told_by(declined.value)
    for personal in ("anary", "visa", number, "client_secret", "_secret_", "fingerprint"):
        assert personal not in told


def journey(gateway: StripeGateway, sandbox: Sandbox, saved: Saved) -> tuple[str, ...]:
    """Use everything that has something to tell, and return the secret addresses that it told."""
    details = CustomerDetails(
        name="Canary Person", email=CANARY, address=Address(line1="1 Canary Row", country="GB")
    )
    session = gateway.create_setup_session(setup_request())
    sandbox.complete_checkout(session.stripe_id, name="Canary Person", email=CANARY)
    gateway.setup_session(session.stripe_id)
    gateway.update_customer(saved.customer, details, local_id=ROW, key="details-1")
    gateway.add_tax_id(saved.customer, "eu_vat", "DE123456789", key="tax-id-1")
    gateway.customer(saved.customer)
    gateway.payment_methods(saved.customer)
    gateway.hold(saved.customer, saved.method, 100, "eur", local_id=ROW)
    list(gateway.customers())
    invoice = paid(gateway, saved, 1000)
    document = gateway.invoice_document(invoice.stripe_id)
    list(gateway.events())
    gateway.create_webhook_endpoint(ADDRESS, ["customer.updated"])
    sandbox.fail("GET /v1/customers/*", how="refuse", message=f"{CANARY} is gone.")
    with pytest.raises(GatewayError):
        gateway.customer(saved.customer)
    addresses = (session.url, document.page_url, document.pdf_url)
    return tuple(address for address in addresses if address is not None)


def test_logs_at_debug_hold_nothing_personal_and_no_secret(
    make_gateway: Callable[..., StripeGateway],
    stripe_sandbox: Sandbox,
    saved: Saved,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = make_gateway(STRIPE_SECRET_KEY="sk_test_canarykey")
    for name in ("", "stripe", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    saved = Saved(*_save(gateway, stripe_sandbox))

    addresses = journey(gateway, stripe_sandbox, saved)

    assert len(addresses) == 3
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    for secret in (
        CANARY,
        "anary Person",
        "Canary Row",
        "DE123456789",
        "_secret_",
        "whsec_",
        "canarykey",
        "4242",
        *addresses,
    ):
        assert secret not in caplog.text


def _save(gateway: StripeGateway, sandbox: Sandbox) -> tuple[str, str]:
    session = gateway.create_setup_session(setup_request(local_id=OTHER_ROW))
    sandbox.complete_checkout(session.stripe_id)
    done = gateway.setup_session(session.stripe_id)
    assert done.customer_id is not None
    assert done.payment_method is not None
    return done.customer_id, done.payment_method.stripe_id


@pytest.mark.parametrize("level", ["debug", "info"])
def test_stripes_own_log_variable_prints_nothing(
    run_python: Callable[[str], str], stripe_sandbox: Sandbox, level: str
) -> None:
    printed = run_python(
        f"""
        import contextlib, io, logging, os

        os.environ["STRIPE_LOG"] = "{level}"
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            from uuid import UUID

            import stripe

            stripe.enable_telemetry = False
            from flask_billing.gateways import CustomerDetails
            from flask_billing.gateways.stripe import StripeGateway
            from flask_billing.settings import Settings

            logging.basicConfig(level=logging.DEBUG)
            stripe.log = "{level}"
            gateway = StripeGateway(Settings.from_config({{
                "STRIPE_SECRET_KEY": "sk_test_canary",
                "STRIPE_API_BASE": "{stripe_sandbox.url}",
            }}))
            # A host that wants to see more, once everything is set up.
            logging.getLogger("stripe").setLevel(logging.DEBUG)
            client = stripe.StripeClient("sk_test_1", base_addresses={{
                "api": "{stripe_sandbox.url}",
            }})
            customer = client.v1.customers.create({{"email": "{CANARY}"}})
            details = CustomerDetails(name="Canary", email="{CANARY}")
            gateway.update_customer(
                customer.id, details, local_id=UUID(int=1), key="details-1"
            )
        print(said.getvalue())
        """
    )

    assert "canary" not in printed.lower()


#: Fields that are ids, states and our own words, and may be shown.
HARMLESS = {
    "cancel_url",
    "country",
    "currency",
    "customer_id",
    "local_id",
    "purpose",
    "return_url",
    "state",
    "stripe_id",
    "type",
    "verification",
    "wallet",
}


def full_of_canaries(kind: type[Any], **given: Any) -> Any:
    texts = {
        field.name: "canary"
        for field in dataclasses.fields(kind)
        if "str" in str(field.type)
        and (kind is Address or field.name not in HARMLESS)
        and field.name != "country"
    }
    return kind(**texts | given)


def test_repr_of_what_stripe_knows_shows_nothing_personal() -> None:
    details = full_of_canaries(CustomerDetails, address=full_of_canaries(Address))
    tax_id = full_of_canaries(TaxId, stripe_id="txi_1", type="eu_vat")
    customer = Customer(stripe_id="cus_1", details=details, tax_ids=(tax_id,))
    method = full_of_canaries(
        PaymentMethodDetails,
        stripe_id="pm_1",
        type="card",
        customer_id="cus_1",
        exp_month=11,
        exp_year=2077,
        address=details.address,
    )
    session = full_of_canaries(
        RemoteSetupSession,
        stripe_id="cs_1",
        state="open",
        expires_at=datetime(2026, 11, 30, tzinfo=UTC),
        local_id=None,
        purpose=None,
        customer_id=None,
        mandate_id=None,
        payment_method=method,
    )
    document = full_of_canaries(InvoiceDocument)
    page = LiveDetails(customer=customer, methods={"pm_1": method})

    for shown in (details, tax_id, customer, method, session, document, page):
        assert "canary" not in repr(shown)
        assert "canary" not in f"{shown}"
        assert "2077" not in repr(shown)


def test_gateway_itself_shows_no_key(make_gateway: Callable[..., StripeGateway]) -> None:
    gateway = make_gateway(STRIPE_SECRET_KEY="sk_test_canary")
    gateway.account_id()

    assert "canary" not in repr(gateway)
