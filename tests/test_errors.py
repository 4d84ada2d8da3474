"""One tree of errors: each knows its HTTP status, carries no more than ids, and can be copied."""

from __future__ import annotations

import copy
import pickle

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

import flask_billing
from flask_billing import (
    AlertRefused,
    BillingDisabled,
    BillingError,
    ClosingRefused,
    CodeRefused,
    CollectingRefused,
    CorrectionRefused,
    CreditRefused,
    CurrencyFixed,
    DetailsRefused,
    EventRefused,
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    MethodNeeded,
    NotOurs,
    NotTaken,
    PaymentActionRequired,
    PaymentDeclined,
    PaymentMethodRequired,
    PaymentOverdue,
    RateChanged,
    RatesError,
    RefundRefused,
    SessionUnfinished,
    SettingsError,
    SharingRefused,
    SpendingLimitReached,
    TooManyAttempts,
    UnknownProject,
    UnknownRate,
    UnsupportedOperation,
)

STATUSES = {
    BillingError: 500,
    AlertRefused: 422,
    BillingDisabled: 501,
    ClosingRefused: 409,
    CodeRefused: 422,
    CollectingRefused: 409,
    CorrectionRefused: 409,
    CreditRefused: 409,
    DetailsRefused: 422,
    EventRefused: 400,
    GatewayError: 502,
    GatewayRefusal: 422,
    GatewayUnavailable: 503,
    MethodNeeded: 409,
    NotOurs: 404,
    NotTaken: 502,
    PaymentActionRequired: 402,
    PaymentDeclined: 402,
    PaymentMethodRequired: 402,
    PaymentOverdue: 402,
    CurrencyFixed: 409,
    RateChanged: 409,
    RefundRefused: 409,
    SessionUnfinished: 409,
    SharingRefused: 403,
    SpendingLimitReached: 402,
    TooManyAttempts: 429,
    UnknownProject: 404,
    UnknownRate: 422,
    UnsupportedOperation: 501,
}
EXAMPLES = [
    AlertRefused("Too long.", field="label"),
    BillingDisabled(),
    ClosingRefused("Not yet."),
    CodeRefused("Used.", reason="used"),
    CollectingRefused("Somebody is at it.", reason="busy"),
    CorrectionRefused("It is void already."),
    CreditRefused("Close first."),
    DetailsRefused({"email": "invalid"}),
    GatewayError("Failed.", code="api_error", param="email", request_id="req_1"),
    GatewayRefusal("Refused.", code="email_invalid", param="email"),
    GatewayUnavailable("No answer."),
    MethodNeeded("Needed."),
    NotOurs("Not ours."),
    NotTaken("connection", for_good=True),
    PaymentActionRequired("Confirm.", code="authentication_required"),
    PaymentDeclined("Declined.", never_again=True, code="card_declined"),
    PaymentMethodRequired(project_key="1", resource="server"),
    PaymentOverdue(project_key="1", resource="server"),
    CurrencyFixed("It stays."),
    RateChanged("Put it back."),
    RefundRefused("At most 5.00 can be given back."),
    SessionUnfinished("Still open.", state="open"),
    SharingRefused("No."),
    SpendingLimitReached(project_key="1", resource="server", limit="1.00 USD"),
    TooManyAttempts("Wait."),
    UnknownProject("None."),
    UnknownRate("There is none."),
    UnsupportedOperation("No."),
]


def test_every_error_stands_in_the_one_tree() -> None:
    public = {getattr(flask_billing, name) for name in flask_billing.__all__}
    errors = {found for found in public if isinstance(found, type) and issubclass(found, Exception)}

    # A wrong setting, or file of rates, is the programmer's, and stops the start.
    assert errors - {RatesError, SettingsError} == set(STATUSES)
    assert all(issubclass(error, BillingError) for error in STATUSES)
    assert issubclass(SettingsError, RuntimeError)


@pytest.mark.parametrize(("error", "status"), STATUSES.items())
def test_error_knows_its_status(error: type[BillingError], status: int) -> None:
    assert error.status == status


@pytest.mark.parametrize(
    "error",
    [BillingDisabled(), PaymentMethodRequired(), PaymentOverdue(), SpendingLimitReached()],
)
def test_answerable_error_is_an_http_error_of_the_same_status(error: BillingError) -> None:
    assert isinstance(error, HTTPException)
    assert error.code == error.status


def test_host_without_billing_pages_still_answers_the_guards_refusal_with_402() -> None:
    app = Flask(__name__)

    @app.get("/")
    def view() -> str:
        raise PaymentMethodRequired(resource="web server")

    response = app.test_client().get("/")

    assert response.status_code == 402
    assert "Add a payment method to create a web server." in response.text


@pytest.mark.parametrize(
    ("resource", "sentence"),
    [
        (None, "An invoice could not be paid. Pay it to go on."),
        ("server", "An invoice could not be paid. Pay it to create a server."),
        ("IP address", "An invoice could not be paid. Pay it to create an IP address."),
    ],
)
def test_refusal_for_a_debt_says_what_leads_on(resource: str | None, sentence: str) -> None:
    assert PaymentOverdue(project_key="1", resource=resource).description == sentence


def test_text_in_an_answer_is_escaped() -> None:
    app = Flask(__name__)

    @app.get("/")
    def view() -> str:
        raise PaymentMethodRequired(resource="<script>")

    assert "<script>" not in app.test_client().get("/").text


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_error_survives_copying_and_the_way_to_another_process(
    error: BillingError, again: type
) -> None:
    copied = again(error)

    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
