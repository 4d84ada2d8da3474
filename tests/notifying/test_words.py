"""Every kind says in its reader's language what happened, what it means, and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask_babel import Babel

from flask_billing import Letter, Recipient, clock
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.notifying import KINDS, Facts
from flask_billing.periods import Span
from flask_billing.state import current
from tests.host import create_app

BASE = "https://app.example.com"
INVOICE = UUID("0197f000-0000-7000-8000-000000000001")
OCTOBER = Span(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
NOW = datetime(2026, 11, 3, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "notification_id": INVOICE,
    "role": "members",
    "project_key": "7",
    "period": OCTOBER,
    "amount": 310_050,
    "currency": "usd",
}
CARD = PaymentMethodDetails(
    stripe_id="pm_1",
    type="card",
    customer_id="cus_1",
    brand="visa",
    last4="4242",
    exp_month=11,
    exp_year=2026,
)
OF_KIND: dict[str, dict[str, Any]] = {
    "receipt": {"invoice_id": INVOICE},
    "payment_failed": {
        "invoice_id": INVOICE,
        "retry_at": datetime(2026, 11, 4, tzinfo=UTC),
        "until": datetime(2026, 11, 10, tzinfo=UTC),
        "stops": True,
    },
    "action_required": {"invoice_id": INVOICE, "needs": "confirmation"},
    "past_due": {"invoice_id": INVOICE, "stops": True},
    "method_expiring": {"method": CARD, "period": None, "amount": None, "currency": None},
    "spending_alert": {"limit": 300_000, "stops": True},
}


@pytest.fixture
def app(sqlite_url: str) -> Flask:
    return create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_words", BILLING_BASE_URL=BASE)


def letter(app: Flask, kind: str, language: str | None = None, **facts: Any) -> Letter:
    """Return a letter as somebody gets it."""
    told = Facts(kind=kind, **PLAIN | OF_KIND[kind] | facts)
    with app.app_context(), clock.moved(lambda: NOW):
        return current().write_letter(told, Recipient("ada@example.com", language))


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_failed_payment_says_what_to_do_and_until_when(app: Flask) -> None:
    found = letter(app, "payment_failed", project_label="North")

    assert found.subject == "Payment failed: 3,100.50 USD for October 2026"
    assert plain(found.text) == (
        "North\n\n"
        "The payment of 3,100.50 USD for October 2026 was declined.\n\n"
        "Pay the invoice now, or add another payment method: it is tried at once.\n\n"
        "Otherwise it is tried again on Nov 4.\n\n"
        "If it is not paid by Nov 10, nothing new can be created from then on.\n\n"
        f"Pay now: {BASE}/projects/7/billing/invoices/{INVOICE}\n\n"
        "You get this message because you are a member of the project.\n"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_kind_is_whole_in_every_language(app: Flask, kind: str, language: str) -> None:
    found = letter(app, kind, language)
    other = letter(app, kind, {"en": "de", "de": "en"}[language])

    assert found.language == language
    assert f'<html lang="{language}">' in found.html
    assert f'href="{BASE}/projects/7/billing' in found.html
    assert f"{BASE}/projects/7/billing" in found.text
    for text in (found.subject, found.text):
        assert text.strip()
        assert not any(sign in text for sign in ("%(", "None", "{{", "!"))
    assert found.subject != other.subject
    # Not a sentence was left in the other language.
    assert not set(found.text.split("\n\n")) & set(other.text.split("\n\n"))


@pytest.mark.parametrize(
    ("needs", "subject", "page"),
    [
        ("confirmation", "Confirm your payment", f"/invoices/{INVOICE}"),
        ("payment_method", "Add a payment method", ""),
        ("address", "Complete your billing address", "/details"),
    ],
)
def test_what_only_the_owner_can_give_is_asked_for(
    app: Flask, needs: str, subject: str, page: str
) -> None:
    found = letter(app, "action_required", needs=needs)

    assert found.subject == f"{subject}: 3,100.50 USD for October 2026"
    assert f": {BASE}/projects/7/billing{page}\n" in found.text


def test_amounts_and_dates_are_written_as_the_reader_does(app: Flask) -> None:
    found = letter(app, "past_due", "de", due_at=datetime(2026, 11, 2, tzinfo=UTC))
    in_yen = letter(app, "receipt", amount=3100, currency="jpy")

    assert "3.100,50 USD" in plain(found.text)
    assert "Oktober 2026" in found.text
    assert "2. Nov" in found.text
    assert "3,100 JPY" in in_yen.subject


def test_dates_are_meant_in_utc(app: Flask) -> None:
    found = letter(app, "payment_failed", retry_at=datetime.fromisoformat("2026-11-05T01:00+02:00"))

    assert "again on Nov 4." in found.text


def test_method_that_runs_out_is_named(app: Flask) -> None:
    found = letter(app, "method_expiring")

    assert "Visa ending in 4242 is valid until November 2026." in found.text


@pytest.mark.parametrize(
    ("language", "subject", "sentence"),
    [
        (
            "en",
            "A payment method has expired",
            "Visa ending in 4242 was valid until October 2026.",
        ),
        (
            "de",
            "Ein Zahlungsmittel ist abgelaufen",
            "Visa mit den letzten Ziffern 4242 war bis Oktober 2026 gültig.",
        ),
    ],
)
def test_letter_that_comes_late_says_that_the_method_has_run_out(
    app: Flask, language: str, subject: str, sentence: str
) -> None:
    found = letter(app, "method_expiring", language, method=replace(CARD, exp_month=10))

    assert found.subject == subject
    assert sentence in plain(found.text)
    assert sentence in plain(found.html)


def test_limits_are_told_as_what_they_are(app: Flask) -> None:
    limit, alert = letter(app, "spending_alert"), letter(app, "spending_alert", stops=False)

    assert "nothing new can be created" in limit.text
    assert "nothing new can be created" not in alert.text


def test_host_that_lets_debtors_go_on_does_not_threaten_them(app: Flask) -> None:
    late, failed = letter(app, "past_due", stops=False), letter(app, "payment_failed", stops=False)

    assert "can be created" not in late.text + failed.text


def test_billing_email_learns_why_it_is_written_to(app: Flask) -> None:
    assert "the billing e-mail of the project" in letter(app, "receipt", role="billing").text


def test_without_an_address_of_the_site_there_is_no_link(sqlite_url: str) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_words")

    found = letter(app, "past_due")

    assert "http" not in found.text
    assert "href" not in found.html
    assert "Pay now" not in found.text


# Who decides about the language


@pytest.mark.parametrize("wished", [None, "xx", "tlh-KX-nonsense", "../../etc"])
def test_no_wish_and_a_nonsensical_one_give_the_default(app: Flask, wished: str | None) -> None:
    assert letter(app, "receipt", wished).subject.startswith("Receipt for")


def test_default_is_the_one_of_the_hosts_babel_whoever_asks_for_pages(sqlite_url: str) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_words", BABEL_DEFAULT_LOCALE="de")

    def of_reader() -> str:
        raise AssertionError("There is no reader.")

    Babel(app, locale_selector=of_reader)

    assert letter(app, "receipt").language == "de"
    assert letter(app, "receipt", "en-GB").subject.startswith("Receipt for")


# What the host and its people write


def test_names_that_people_chose_are_text_and_never_markup(app: Flask) -> None:
    found = letter(app, "receipt", project_label="<b>North</b> & Co")

    assert "<b>North</b> & Co" in found.text
    assert "&lt;b&gt;North&lt;/b&gt; &amp; Co" in found.html


def write(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "templates" / "billing" / "mail" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_host_replaces_the_look_of_all_or_one_part_of_one_kind(app: Flask, tmp_path: Path) -> None:
    app.root_path = str(tmp_path)
    app.jinja_loader.searchpath[:] = [str(tmp_path / "templates")]  # type: ignore[union-attr]
    write(tmp_path, "message.html", "<p>Ours: {{ billing_message.subject }}</p>")
    write(tmp_path, "receipt.subject.txt", "Paid:\r\nBcc: eve@example.com\n\u202ename")
    write(tmp_path, "past_due.txt", "{{ billing_message.step.url }} & more")

    receipt, late = letter(app, "receipt"), letter(app, "past_due")

    assert receipt.subject == "Paid: Bcc: eve@example.com name"
    assert receipt.html.startswith("<p>Ours: Receipt for")
    assert late.text == f"{BASE}/projects/7/billing/invoices/{INVOICE} & more\n"
    assert late.subject.startswith("Past due")
