"""Names what keeps people from being told: for `flask billing check` and whoever looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, func, select

from flask_billing import clock
from flask_billing.models import Notification, table_of
from flask_billing.state import Hooks, current

__all__ = ["Concern", "concerns_of_rows", "concerns_of_setup"]

#: Longer than every back-off but the longest ones: by then somebody should look.
_PATIENCE = timedelta(hours=1)
#: How long one that did not arrive is named.
_NAMED_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Concern:
    """What somebody should know of, and whether it is a problem or a hint."""

    is_problem: bool
    text: str


def concerns_of_setup() -> Iterator[Concern]:
    """Yield what the host has left open, so that nobody is told or nobody can follow a link."""
    state = current()
    if state.hooks.notifier is None:
        yield Concern(
            state.settings.livemode,
            "Notifications are written to the log and sent to nobody. Set billing.notifier, such "
            "as to flask_billing.notifying.mail.MailNotifier().",
        )
    if state.hooks.members_emails is Hooks.members_emails:
        yield Concern(
            False,
            "Only the billing e-mail is told. Say who a project's people are, with "
            "@billing.members_emails.",
        )
    if state.settings.base_url is None:
        yield Concern(False, "Notifications have no links: BILLING_BASE_URL is not set.")


def concerns_of_rows(connection: Connection) -> Iterator[Concern]:
    """Yield what is late, what was given up, and what may or may not have arrived."""
    table = table_of(Notification).c
    now = clock.now()
    count = select(func.count()).where(table.livemode == current().settings.livemode)
    late = connection.scalar(
        count.where(table.state.in_(("pending", "sending")), table.created_at < now - _PATIENCE)
    )
    if late:
        yield Concern(
            True,
            f"Notifications that have waited for over an hour: {late}. See that 'flask billing "
            "run' is always at work, and that the mail server and Stripe can be reached.",
        )
    ended = count.where(table.ended_at > now - _NAMED_FOR)
    failed = connection.scalar(ended.where(table.state == "failed"))
    if failed:
        yield Concern(
            True,
            f"Notifications of the last seven days that could not be delivered: {failed}. The log "
            "says why, and billing_notification of what; tell these people yourself.",
        )
    unknown = connection.scalar(ended.where(table.state == "unknown"))
    if unknown:
        yield Concern(
            False,
            "Notifications of the last seven days of which nobody knows whether they arrived: "
            f"{unknown}. They are not sent again.",
        )
