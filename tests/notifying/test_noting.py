"""A notification is noted with what it tells of, once, and never in the way of it."""

from __future__ import annotations

import threading

import pytest

from flask_billing import Notification, notifying, projects
from tests.events.world import World, statements
from tests.host import db
from tests.notifying.outbox import new_invoice, new_project, note, rows


def test_one_note_is_for_members_and_billing_email(each_world: World) -> None:
    invoice = new_invoice(new_project(each_world))

    with statements() as sent:
        notifying.note(
            db.session,
            "past_due",
            "past_due-1",
            project_key=invoice.project_key,
            invoice_id=invoice.id,
            amount=3100,
            currency="usd",
        )
    db.session.commit()

    assert len([each for each in sent if "INSERT" in each]) == 1
    told = [
        (row.role, row.kind, row.state, row.attempts, row.amount, row.currency) for row in rows()
    ]
    assert told == [
        (role, "past_due", "pending", 0, 3100, "usd") for role in ("members", "billing")
    ]
    assert {row.invoice_id for row in rows()} == {invoice.id}


def test_second_note_of_a_happening_is_nothing_and_breaks_nothing(each_world: World) -> None:
    one, other = new_invoice(new_project(each_world)), new_invoice(new_project(each_world))
    note(one, "receipt")
    first = [row.id for row in rows()]

    one.state = "paid"
    note(one, "receipt")
    note(other, "receipt")

    assert [row.id for row in rows() if row.invoice_id == one.id] == first
    assert len(rows()) == 4
    db.session.refresh(one)
    assert one.state == "paid"


def test_note_that_is_rolled_back_was_never_made(each_world: World) -> None:
    invoice = new_invoice(new_project(each_world))

    notifying.note(projects.connection(), "receipt", "receipt-1", project_key=invoice.project_key)
    db.session.rollback()

    assert rows() == []
    note(invoice, "receipt")
    assert len(rows()) == 2


@pytest.mark.concurrency
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_the_same_note_at_once_is_made_once(crowded: World, ends: str) -> None:
    invoice = new_invoice(new_project(crowded))
    key, invoice_id, noting = invoice.project_key, invoice.id, threading.Event()
    db.session.commit()

    def other() -> None:
        with crowded.app.app_context():
            connection = projects.connection()
            noting.set()
            notifying.note(connection, "receipt", "r", project_key=key, invoice_id=invoice_id)
            db.session.commit()

    notifying.note(db.session, "receipt", "r", project_key=key, invoice_id=invoice_id)
    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert noting.wait(60)
    getattr(db.session, ends)()
    thread.join(60)

    assert not thread.is_alive()
    assert [row.role for row in rows()] == ["members", "billing"]


def test_unknown_kind_and_endless_topic_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="kind 'recipe'"):
        notifying.note(db.session, "recipe", "r", project_key="1")
    with pytest.raises(ValueError, match="1 to 200 characters"):
        notifying.note(db.session, "receipt", "r" * 201, project_key="1")

    assert db.session.query(Notification).count() == 0
