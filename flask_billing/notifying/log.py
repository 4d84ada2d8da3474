"""The notifier that a host has until it sets another: a line in the log, without addresses."""

from __future__ import annotations

from collections.abc import Sequence

from flask import current_app

from flask_billing.letters import Letter

__all__ = ["LogNotifier"]


class LogNotifier:
    """Writes one line for each notification, with ids and the number of recipients."""

    def send(self, letters: Sequence[Letter]) -> int:
        """Take all letters, and send none."""
        first = letters[0]
        current_app.logger.info(
            "Notification %s (%s) of project %s, invoice %s, has %d recipients. It is not sent: "
            "billing.notifier is not set.",
            first.notification_id,
            first.kind,
            first.project_key,
            first.invoice_id,
            len(letters),
        )
        return len(letters)
