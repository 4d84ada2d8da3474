"""Two projects can pay by one billing info, where both owners agree."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_billing import MethodNeeded, SharingRefused, payment_methods, projects
from flask_billing.sandbox import Sandbox
from tests.host import Project, Server, billing, db
from tests.payment_methods.journey import MASTERCARD, attached, order, save, start


def test_shared_billing_info_opens_the_guard_for_both(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    save(stripe_sandbox, project)

    project.share_billing_info_with(other)
    db.session.add(Server(project=other))
    db.session.commit()

    assert order(project) == order(other)
    assert projects.sharing_count(project) == projects.sharing_count(other) == 1


def test_both_owners_have_to_agree(
    app: Flask, stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    save(stripe_sandbox, project)
    before = billing._hooks.can_manage
    try:
        for mine in (project.id, other.id):
            billing.can_manage(lambda asked, mine=mine: asked.id == mine)
            with pytest.raises(SharingRefused):
                project.share_billing_info_with(other)
    finally:
        billing.can_manage(before)
    assert other.billing_info_id is None


def test_there_has_to_be_something_to_share(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    save(stripe_sandbox, other)

    with pytest.raises(MethodNeeded):
        project.share_billing_info_with(other)
    assert other.can_create_resources


def test_page_that_was_open_before_sharing_is_closed(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    save(stripe_sandbox, project)
    session_id = start(other)

    project.share_billing_info_with(other)

    with pytest.raises(Exception, match=r"expired|closed|open"):
        stripe_sandbox.complete_checkout(session_id)
    assert payment_methods.complete(other, session_id).state in {"superseded", "expired"}


def test_card_saved_while_sharing_begins_is_not_stranded(
    stripe_sandbox: Sandbox, project: Project, other: Project
) -> None:
    save(stripe_sandbox, project)
    session_id = start(other)
    stripe_sandbox.complete_checkout(session_id, card=MASTERCARD)
    # The race that closing the page can't win: linked between the look and the write.
    other.billing_info_id = project.billing_info_id
    db.session.commit()

    completion = payment_methods.complete(other, session_id)

    assert completion.state == "superseded"
    assert completion.payment_method is not None
    assert completion.payment_method.removed_at is not None
    assert len(order(other)) == len(attached(stripe_sandbox, other)) == 1
