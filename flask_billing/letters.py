"""What is sent to people, and what a notifier of the host's has to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

__all__ = ["Letter", "Notifier", "Recipient"]


@dataclass(frozen=True)
class Recipient:
    """A person who is written to.

    :ivar language: Such as ``"de"`` or ``"pt-BR"``; `None` for the app's default.
    """

    email: str = field(repr=False)
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A notification as one person gets it. Send it and forget it: it holds personal data.

    :ivar notification_id: Of the row of :class:`~flask_billing.Notification`, which all letters of
        one call share.
    :ivar kind: Such as ``"receipt"``.
    :ivar email: The one address that it goes to.
    :ivar subject: One line.
    :ivar text: The whole letter in plain text; `html` says the same.
    :ivar language: What it is written in, as HTML names it.
    """

    notification_id: UUID
    kind: str
    project_key: str | None = None
    invoice_id: UUID | None = None
    email: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str = "en"


class Notifier(Protocol):
    """Hands letters over to whatever delivers them; set it as `billing.notifier`.

    It is called outside of any transaction and at most once for each notification, unless it
    raises :exc:`~flask_billing.NotTaken`. What it did is not known after any other exception, so
    the notification is then never sent again.
    """

    def send(self, letters: Sequence[Letter]) -> int:
        """Hand over the letters of one notification, one for each recipient, at least one.

        :returns: How many were taken.
        :raises flask_billing.NotTaken: None of them was, for sure.
        """
