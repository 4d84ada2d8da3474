"""Settings are read once; a wrong value stops the start with the key and the fix."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_billing import RateBook, Settings, SettingsError
from tests.host import billing

RATES = Path(__file__).parent / "rates.toml"
SECRETS = {
    "STRIPE_SECRET_KEY": "sk_test_canary",
    "STRIPE_WEBHOOK_SECRET": "whsec_canary",
    "BILLING_BANNED_CARD_KEY": "canary canary canary",
}


def read(**config: Any) -> Settings:
    return Settings.from_config(config)


def test_nothing_is_required() -> None:
    settings = read()

    assert settings == Settings()
    assert not settings.enabled
    assert not settings.livemode


def test_every_setting_is_read() -> None:
    settings = read(
        STRIPE_SECRET_KEY="rk_test_1",
        STRIPE_WEBHOOK_SECRET=["whsec_new", "whsec_old"],
        STRIPE_API_BASE="http://127.0.0.1:4242/",
        STRIPE_TIMEOUT=[1, 2.5],
        BILLING_BASE_URL="https://app.example.com/",
        BILLING_URL_PREFIX="/t/<project_id>/pay/",
        BILLING_WEBHOOK_PATH="/hooks/stripe",
        BILLING_CURRENCY="EUR",
        BILLING_NEW_METHOD_POSITION="first",
        BILLING_PAGE_TIMEOUT="2",
        BILLING_BLOCKED_COUNTRIES=["KP", "IR"],
        BILLING_BANNED_CARD_KEY="0123456789abcdef",
        BILLING_PREAUTHORIZATION="100",
        BILLING_LAYOUT="site.html",
        BILLING_STAFF_PREFIX="/staff/billing/",
        BILLING_WEBHOOK_MAX_BYTES="65536",
        BILLING_EVENT_PROCESSING="after_response",
        BILLING_EVENT_TRIES=3,
        BILLING_EVENT_RETENTION_DAYS="31",
        BILLING_RATES=str(RATES),
        BILLING_MONTHLY_CAP_HOURS="730",
        BILLING_CLOSE_AFTER="7200",
        BILLING_BELOW_MINIMUM="waive",
        BILLING_SANITY_FACTOR=5,
        BILLING_AUTOMATIC_TAX="true",
        BILLING_RETRY_DAYS="2, 4",
        BILLING_TRY_NEXT_ON_CONFIRMATION=False,
        BILLING_PAST_DUE_STOPS="0",
        BILLING_COLLECT_THREADS="8",
        BILLING_STRIPE_RATE=90,
        BILLING_MAIL_SENDER="Harbour <billing@harbour.example>",
    )

    assert settings == Settings(
        secret_key="rk_test_1",
        webhook_secrets=("whsec_new", "whsec_old"),
        api_base="http://127.0.0.1:4242",
        timeout=(1.0, 2.5),
        base_url="https://app.example.com",
        url_prefix="/t/<project_id>/pay",
        webhook_path="/hooks/stripe",
        currency="eur",
        new_method_position="first",
        page_timeout=2.0,
        blocked_countries=frozenset({"KP", "IR"}),
        banned_card_key="0123456789abcdef",
        preauthorization=100,
        layout="site.html",
        staff_prefix="/staff/billing",
        webhook_max_bytes=65_536,
        event_processing="after_response",
        event_tries=3,
        event_retention_days=31,
        rates=RateBook.load(RATES),
        monthly_cap_minutes=43_800,
        close_after=timedelta(hours=2),
        below_minimum="waive",
        sanity_factor=5,
        automatic_tax=True,
        retry_days=(2, 4),
        try_next_on_confirmation=False,
        past_due_stops=False,
        collect_threads=8,
        stripe_rate=90,
        mail_sender="Harbour <billing@harbour.example>",
    )
    assert len(settings.rates) == 8


@pytest.mark.parametrize("value", ["whsec_1,whsec_2", "whsec_1 whsec_2", ("whsec_1", "whsec_2")])
def test_several_webhook_secrets_can_be_given_in_one_text(value: Any) -> None:
    assert read(STRIPE_WEBHOOK_SECRET=value).webhook_secrets == ("whsec_1", "whsec_2")


def test_blocked_countries_can_be_given_in_one_text() -> None:
    assert read(BILLING_BLOCKED_COUNTRIES="KP, IR").blocked_countries == {"KP", "IR"}


@pytest.mark.parametrize(
    "key",
    [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_API_BASE",
        "BILLING_BASE_URL",
        "BILLING_URL_PREFIX",
        "BILLING_WEBHOOK_PATH",
        "BILLING_CURRENCY",
        "BILLING_NEW_METHOD_POSITION",
        "BILLING_BLOCKED_COUNTRIES",
        "BILLING_BANNED_CARD_KEY",
        "BILLING_PREAUTHORIZATION",
        "BILLING_LAYOUT",
        "BILLING_STAFF_PREFIX",
        "BILLING_WEBHOOK_MAX_BYTES",
        "BILLING_EVENT_PROCESSING",
        "BILLING_EVENT_TRIES",
        "BILLING_EVENT_RETENTION_DAYS",
        "BILLING_RATES",
        "BILLING_MONTHLY_CAP_HOURS",
        "BILLING_CLOSE_AFTER",
        "BILLING_BELOW_MINIMUM",
        "BILLING_SANITY_FACTOR",
        "BILLING_AUTOMATIC_TAX",
        "BILLING_RETRY_DAYS",
        "BILLING_TRY_NEXT_ON_CONFIRMATION",
        "BILLING_PAST_DUE_STOPS",
        "BILLING_COLLECT_THREADS",
        "BILLING_STRIPE_RATE",
        "BILLING_MAIL_SENDER",
    ],
)
@pytest.mark.parametrize("nothing", ["", None])
def test_empty_setting_means_that_it_is_left_out(key: str, nothing: str | None) -> None:
    assert read(**{key: nothing}) == Settings()


def test_path_of_the_rates_is_relative_to_the_apps_folder() -> None:
    settings = Settings.from_config({"BILLING_RATES": "rates.toml"}, str(RATES.parent))

    assert settings.rates == RateBook.load(RATES)
    assert settings != Settings()


@pytest.mark.parametrize(("hours", "minutes"), [(0, None), ("0", None), (1, 60), (744, 44_640)])
def test_cap_is_given_in_hours_and_can_be_off(hours: int | str, minutes: int | None) -> None:
    assert read(BILLING_MONTHLY_CAP_HOURS=hours).monthly_cap_minutes == minutes


@pytest.mark.parametrize(("given", "days"), [([], ()), ((), ()), (3, (3,)), ("1 60", (1, 60))])
def test_plan_of_tries_may_be_short_or_empty(given: Any, days: tuple[int, ...]) -> None:
    assert read(BILLING_RETRY_DAYS=given).retry_days == days


@pytest.mark.parametrize("value", [True, "True", "true", "1", 1])
def test_switch_may_come_as_text(value: Any) -> None:
    assert read(BILLING_AUTOMATIC_TAX=value).automatic_tax


def test_months_may_be_closed_at_once() -> None:
    assert read(BILLING_CLOSE_AFTER=0).close_after == timedelta()


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
def test_live_key_is_known_by_its_prefix(key: str) -> None:
    assert read(STRIPE_SECRET_KEY=key).livemode


@pytest.mark.parametrize("key", ["sk_test_1", "rk_test_1", "sk_test_sk_live_1"])
def test_test_key_moves_no_real_money(key: str) -> None:
    settings = read(STRIPE_SECRET_KEY=key)

    assert settings.enabled
    assert not settings.livemode


WRONG = [
    ("STRIPE_SECRET_KEY", "pk_test_1", "sk_test_"),
    ("STRIPE_SECRET_KEY", "sk_test_", "sk_test_"),
    ("STRIPE_SECRET_KEY", "sk_test_1\n", "sk_test_"),
    ("STRIPE_SECRET_KEY", " sk_test_1", "sk_test_"),
    ("STRIPE_SECRET_KEY", "  ", "switch billing off"),
    ("STRIPE_SECRET_KEY", b"sk_test_1", "must be text"),
    ("STRIPE_SECRET_KEY", 5, "must be text"),
    ("STRIPE_WEBHOOK_SECRET", "sk_test_1", "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", ["whsec_1", "wrong"], "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", ["whsec_1", None], "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", 5, "whsec_"),
    ("STRIPE_API_BASE", "localhost:4242", "https://app.example.com"),
    ("STRIPE_API_BASE", "ftp://stripe.test", "https://app.example.com"),
    ("STRIPE_API_BASE", 4242, "must be text"),
    ("STRIPE_TIMEOUT", 15, "(connect, read)"),
    ("STRIPE_TIMEOUT", None, "(connect, read)"),
    ("STRIPE_TIMEOUT", "fast", "(connect, read)"),
    ("STRIPE_TIMEOUT", "35", "(connect, read)"),
    ("STRIPE_TIMEOUT", (3,), "(connect, read)"),
    ("STRIPE_TIMEOUT", (0, 15), "above 0"),
    ("STRIPE_TIMEOUT", (3, -1), "above 0"),
    ("STRIPE_TIMEOUT", (3, 81), "at most"),
    ("STRIPE_TIMEOUT", (float("nan"), 15), "above 0"),
    ("BILLING_BASE_URL", "app.example.com", "https://app.example.com"),
    ("BILLING_BASE_URL", "https://", "https://app.example.com"),
    ("BILLING_BASE_URL", "https://app.example.com:port", "https://app.example.com"),
    ("BILLING_BASE_URL", "https://app.example.com:99999", "https://app.example.com"),
    ("BILLING_BASE_URL", "https://me@app.example.com", "without user"),
    ("BILLING_BASE_URL", "https://:secret@app.example.com", "without user"),
    ("BILLING_BASE_URL", "https://app.example.com?a=b", "without user, query"),
    ("BILLING_BASE_URL", "https://app.example.com#a", "query or fragment"),
    ("BILLING_BASE_URL", "https://app example.com", "https://app.example.com"),
    ("BILLING_BASE_URL", "javascript:alert(1)", "https://app.example.com"),
    ("BILLING_URL_PREFIX", "/billing", "contain <project_id>"),
    ("BILLING_URL_PREFIX", "<project_id>/billing", "begin with a slash"),
    ("BILLING_URL_PREFIX", 5, "must be text"),
    ("BILLING_WEBHOOK_PATH", "hooks", "as in /billing/webhooks/stripe"),
    ("BILLING_WEBHOOK_PATH", "/", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "//hooks", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "/hooks/<tenant>", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "/hooks/<", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "/hooks stripe", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "/hooks?a=b", "path of letters"),
    ("BILLING_WEBHOOK_PATH", "/hooks\n", "path of letters"),
    ("BILLING_CURRENCY", "euro", "three-letter"),
    ("BILLING_CURRENCY", "€", "three-letter"),
    ("BILLING_NEW_METHOD_POSITION", "middle", "last, first"),
    ("BILLING_PAGE_TIMEOUT", 0, "above 0"),
    ("BILLING_PAGE_TIMEOUT", 61, "at most 60"),
    ("BILLING_PAGE_TIMEOUT", "soon", "number of seconds"),
    ("BILLING_PAGE_TIMEOUT", None, "number of seconds"),
    ("BILLING_PAGE_TIMEOUT", float("inf"), "at most 60"),
    ("BILLING_BLOCKED_COUNTRIES", "North Korea", "two-letter"),
    ("BILLING_BLOCKED_COUNTRIES", ["kp"], "capitals"),
    ("BILLING_BLOCKED_COUNTRIES", [None], "two-letter"),
    ("BILLING_BLOCKED_COUNTRIES", 5, "two-letter"),
    ("BILLING_BANNED_CARD_KEY", "short", "at least 16"),
    ("BILLING_PREAUTHORIZATION", 0, "minor units"),
    ("BILLING_PREAUTHORIZATION", -100, "minor units"),
    ("BILLING_PREAUTHORIZATION", 1.0, "minor units"),
    ("BILLING_PREAUTHORIZATION", "1.00", "minor units"),
    ("BILLING_PREAUTHORIZATION", True, "minor units"),
    ("BILLING_PREAUTHORIZATION", 1_000_000_000, "minor units"),
    ("BILLING_LAYOUT", 5, "must be text"),
    ("BILLING_STAFF_PREFIX", "staff", "as in /billing/staff"),
    ("BILLING_STAFF_PREFIX", "/", "path of letters"),
    ("BILLING_STAFF_PREFIX", "/staff/<person>", "path of letters"),
    ("BILLING_STAFF_PREFIX", 5, "must be text"),
    ("BILLING_WEBHOOK_MAX_BYTES", 65_535, "at least 65536"),
    ("BILLING_WEBHOOK_MAX_BYTES", "1 MB", "whole number"),
    ("BILLING_WEBHOOK_MAX_BYTES", 1e6, "whole number"),
    ("BILLING_EVENT_PROCESSING", "thread", "worker, after_response, celery"),
    ("BILLING_EVENT_PROCESSING", True, "must be text"),
    ("BILLING_EVENT_TRIES", 0, "at least 1"),
    ("BILLING_EVENT_TRIES", -1, "whole number"),
    ("BILLING_EVENT_TRIES", True, "whole number"),
    ("BILLING_EVENT_TRIES", "٣", "whole number"),
    ("BILLING_EVENT_TRIES", 10**9, "whole number"),
    ("BILLING_EVENT_TRIES", [12], "whole number"),
    ("BILLING_EVENT_RETENTION_DAYS", 30, "at least 31"),
    ("BILLING_EVENT_RETENTION_DAYS", 0, "at least 31"),
    ("BILLING_EVENT_RETENTION_DAYS", "90 days", "whole number"),
    ("BILLING_EVENT_RETENTION_DAYS", 90.0, "whole number"),
    ("BILLING_RATES", "nowhere.toml", "can't be read"),
    ("BILLING_RATES", str(RATES.parent), "can't be read"),
    ("BILLING_RATES", __file__, "is no TOML"),
    ("BILLING_RATES", str(RATES.parents[1] / "pyproject.toml"), "[[rate]] tables"),
    ("BILLING_RATES", RATES, "must be text"),
    ("BILLING_MONTHLY_CAP_HOURS", -1, "whole number"),
    ("BILLING_MONTHLY_CAP_HOURS", 672.5, "whole number"),
    ("BILLING_MONTHLY_CAP_HOURS", "off", "whole number"),
    ("BILLING_CLOSE_AFTER", -1, "whole number"),
    ("BILLING_CLOSE_AFTER", "1h", "whole number"),
    ("BILLING_CLOSE_AFTER", timedelta(hours=1), "whole number"),
    ("BILLING_BELOW_MINIMUM", "charge", "carry, waive"),
    ("BILLING_BELOW_MINIMUM", True, "must be text"),
    ("BILLING_SANITY_FACTOR", -1, "whole number"),
    ("BILLING_SANITY_FACTOR", 1.5, "whole number"),
    ("BILLING_AUTOMATIC_TAX", "yes", "True or False"),
    ("BILLING_AUTOMATIC_TAX", 2, "True or False"),
    ("BILLING_TRY_NEXT_ON_CONFIRMATION", "never", "True or False"),
    ("BILLING_PAST_DUE_STOPS", [True], "True or False"),
    ("BILLING_RETRY_DAYS", [0, 1], "rising"),
    ("BILLING_RETRY_DAYS", [3, 1], "rising"),
    ("BILLING_RETRY_DAYS", [1, 1], "rising"),
    ("BILLING_RETRY_DAYS", [1, 61], "at most 60"),
    ("BILLING_RETRY_DAYS", [1.5], "days"),
    ("BILLING_RETRY_DAYS", "daily", "days"),
    ("BILLING_RETRY_DAYS", True, "days"),
    ("BILLING_COLLECT_THREADS", 0, "at least 1"),
    ("BILLING_COLLECT_THREADS", "many", "whole number"),
    ("BILLING_STRIPE_RATE", 0, "at least 1"),
    ("BILLING_STRIPE_RATE", 0.5, "whole number"),
    ("BILLING_MAIL_SENDER", "Harbour", "one address"),
    ("BILLING_MAIL_SENDER", "a@harbour.example\nBcc: b@harbour.example", "one address"),
    ("BILLING_MAIL_SENDER", ("Harbour", "a@harbour.example"), "must be text"),
]


@pytest.mark.parametrize(("key", "value", "fix"), WRONG)
def test_wrong_value_is_refused_with_the_key_and_the_fix(key: str, value: Any, fix: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(**{key: value})

    assert key in str(refused.value)
    assert fix in str(refused.value)


@pytest.mark.parametrize("key", ["sk_live_canary", "rk_live_canary"])
def test_live_key_is_refused_with_another_api_base(key: str) -> None:
    with pytest.raises(SettingsError, match="STRIPE_API_BASE") as refused:
        read(STRIPE_SECRET_KEY=key, STRIPE_API_BASE="http://127.0.0.1:4242")

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("key", sorted(SECRETS))
def test_refusal_does_not_repeat_the_secret(key: str) -> None:
    wrong = "canary"

    with pytest.raises(SettingsError) as refused:
        read(**{key: wrong})

    assert wrong not in str(refused.value)


def test_refused_address_is_not_repeated_as_it_may_hold_a_password() -> None:
    with pytest.raises(SettingsError) as refused:
        read(BILLING_BASE_URL="https://me:canary@app.example.com")

    assert "canary" not in str(refused.value)


def test_repr_tells_no_secret() -> None:
    settings = read(**SECRETS)

    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)
    assert "canary" not in settings.key_digest


def test_settings_cannot_be_changed_later() -> None:
    settings = read()

    with pytest.raises(FrozenInstanceError):
        settings.currency = "eur"  # type: ignore[misc]


def test_key_digest_tells_keys_apart_and_is_stable() -> None:
    digests = [read(STRIPE_SECRET_KEY=f"sk_test_{n}").key_digest for n in (1, 2, 1)]

    assert digests[0] != digests[1]
    assert digests[0] == digests[2]
    assert len(digests[0]) == 64


def test_init_app_stops_the_start_and_leaves_the_app_as_it_was() -> None:
    app = Flask(__name__)
    app.config["STRIPE_SECRET_KEY"] = "pk_test_1"

    with pytest.raises(SettingsError, match="STRIPE_SECRET_KEY"):
        billing.init_app(app)

    assert "billing" not in app.extensions
    assert "billing" not in app.blueprints
