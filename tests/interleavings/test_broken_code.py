"""The plays of the real code find what is wrong with a weaker rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete

from flask_billing import PaymentMethod, payment_methods, sync
from flask_billing.events import built_in
from flask_billing.payment_methods import adopting
from flask_billing.sandbox import Sandbox
from flask_billing.transactions import begin
from tests.host import db
from tests.interleavings.scenarios import (
    MOST_SWITCHES,
    attached_and_detached,
    attached_and_expired,
    attached_twice,
    removed,
    renewed,
    returned,
)
from tests.interleavings.schedules import all_plays

pytestmark = pytest.mark.concurrency


def assert_found_wrong(app: Flask, sandbox: Sandbox, scenario: Any, how: str) -> None:
    with pytest.raises(AssertionError, match=how):
        for _ in all_plays(lambda: scenario(app, sandbox), MOST_SWITCHES[scenario]):
            pass


@pytest.mark.parametrize("scenario", [renewed, attached_and_expired])
def test_stamp_after_the_fetch_is_found_wrong(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, scenario: Any
) -> None:
    ask = sync.ask

    def ask_then_stamp(stripe_id: str) -> sync.Answer:
        answer = ask(stripe_id)
        return replace(answer, stamp=sync.take_stamp())

    monkeypatch.setattr(sync, "ask", ask_then_stamp)

    assert_found_wrong(app, stripe_sandbox, scenario, "The rows end as")


def test_deleting_what_is_gone_is_found_wrong(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete_row(method_id: UUID, info_id: UUID, stamp: int) -> bool:
        begin(info_id)
        older = (PaymentMethod.id == method_id, PaymentMethod.stamp < stamp)
        deleted = db.session.execute(delete(PaymentMethod).where(*older))
        db.session.commit()
        return bool(deleted.rowcount)

    def adopt(info_id: UUID, answer: sync.Answer) -> None:
        adopting._insert(info_id, answer, None)
        assert answer.details is not None
        sync.payment_method(answer.details.stripe_id)

    monkeypatch.setattr(sync, "write_removal", delete_row)
    # Without what is done with a row that is expected to be there still.
    monkeypatch.setattr(payment_methods, "adopt", adopt)

    assert_found_wrong(app, stripe_sandbox, attached_twice, "Came back after it was gone")


@pytest.mark.parametrize("scenario", [attached_and_detached, attached_and_expired])
def test_no_second_look_is_found_wrong(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, scenario: Any
) -> None:
    def adopt(info_id: UUID, answer: sync.Answer) -> None:
        adopting._insert(info_id, answer, None)

    monkeypatch.setattr(payment_methods, "adopt", adopt)

    assert_found_wrong(app, stripe_sandbox, scenario, "The rows end as")


def test_no_look_after_what_the_page_saved_is_found_wrong(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(built_in, "_finish", payment_methods.finish)

    assert_found_wrong(app, stripe_sandbox, returned, "The rows end as")


def test_verb_that_does_not_ask_again_is_found_wrong(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "payment_method", lambda stripe_id: None)

    assert_found_wrong(app, stripe_sandbox, removed, "came back before the card was gone")
