"""Sends notifications by e-mail with Flask-Mailman, which the extra `mail` installs."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from flask import current_app

from flask_billing.errors import NotTaken
from flask_billing.letters import Letter
from flask_billing.state import current

__all__ = ["MailNotifier"]

#: In seconds. Flask-Mailman waits for ever unless `MAIL_TIMEOUT` is set.
_TIMEOUT = 30


class MailNotifier:
    """Sends each letter by itself, so that nobody sees who else gets one.

    The app has to have Flask-Mailman's `Mail`, whose settings say how mail leaves it.
    """

    def send(self, letters: Sequence[Letter]) -> int:
        """Send one message for each letter over one connection.

        :raises NotTaken: The mail server can't be reached, or takes none of them.
        """
        messages = [_message(letter) for letter in letters]
        connection = _connection()
        taken = 0
        refusal: NotTaken | None = None
        doubt: Exception | None = None
        for message in messages:
            try:
                connection.open()
            except OSError as error:
                # Refused, timed out, no such name or no such login: this one was not sent.
                refusal = NotTaken(_reason(error))
                break
            try:
                connection.send_messages([message])
                taken += 1
            except (OSError, ValueError) as error:
                if _is_refusal(error):
                    refusal = _refusal_of(error)
                else:
                    doubt = doubt or error
                _close(connection)
        _close(connection)
        if doubt is not None:
            raise doubt
        if not taken and refusal is not None:
            raise refusal
        return taken


def _connection() -> Any:
    mailman = current_app.extensions.get("mailman")
    if mailman is None:
        raise NotTaken("no_mailman")
    return mailman.get_connection(timeout=mailman.timeout or _TIMEOUT)


def _close(connection: Any) -> None:
    # What was taken stays taken, however the server says goodbye.
    with suppress(OSError):
        connection.close()


def _message(letter: Letter) -> Any:
    from flask_mailman import EmailMultiAlternatives

    sender = current().settings.mail_sender or current_app.config.get("MAIL_DEFAULT_SENDER")
    if not sender:
        raise NotTaken("no_sender")
    message = EmailMultiAlternatives(
        letter.subject,
        letter.text,
        sender,
        [letter.email],
        # RFC 3834: out-of-office replies don't answer it.
        headers={"Auto-Submitted": "auto-generated", "Content-Language": letter.language},
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _is_refusal(error: Exception) -> bool:
    """Return whether the server surely did not take a message.

    Where the line went dead, it may have; Flask-Mailman's errors are `OSError` all the same.
    """
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return False
    return isinstance(error, (smtplib.SMTPException, ValueError))


def _refusal_of(error: Exception) -> NotTaken:
    """Return what a refusal means.

    For good: an address or a header that can't be, and a 5xx for the recipient or the message. One
    for the sender is a mistake in the settings, which somebody will mend.
    """
    mendable = isinstance(error, smtplib.SMTPSenderRefused)
    lasting = all(500 <= code < 600 for code in _codes(error))
    return NotTaken(_reason(error), for_good=lasting and not mendable)


def _codes(error: Exception) -> list[int]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    if isinstance(error, smtplib.SMTPResponseException):
        return [error.smtp_code]
    return []


def _reason(error: Exception) -> str:
    return "_".join([type(error).__name__, *map(str, _codes(error))])[:100]
