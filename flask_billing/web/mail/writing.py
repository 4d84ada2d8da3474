"""Writes a letter from its wording, with templates that the host can replace.

They are rendered without the host's context processors, which expect a request and somebody who is
signed in. Everything that they get is in `billing_message`.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from flask import current_app

from flask_billing.letters import Letter, Recipient
from flask_billing.web import i18n
from flask_billing.web.mail.messages import Message, message_of

if TYPE_CHECKING:
    from flask_billing.notifying import Facts

__all__ = ["write_letter"]


def write_letter(facts: Facts, recipient: Recipient) -> Letter:
    """Return what a person reads, in their language."""
    with i18n.speaking(recipient.language):
        message = message_of(facts)
        return Letter(
            notification_id=facts.notification_id,
            kind=facts.kind,
            project_key=facts.project_key,
            invoice_id=facts.invoice_id,
            email=recipient.email,
            subject=_one_line(_rendered(message, "subject.txt")),
            text=_rendered(message, "txt").strip() + "\n",
            html=_rendered(message, "html"),
            language=message.language,
        )


def _rendered(message: Message, part: str) -> str:
    names = [f"billing/mail/{message.kind}.{part}", f"billing/mail/message.{part}"]
    return current_app.jinja_env.select_template(names).render(billing_message=message)


def _one_line(text: str) -> str:
    """Return a text as a header can hold it: no line breaks, and nothing that can't be seen."""
    words = " ".join(text.split())
    return "".join(letter for letter in words if unicodedata.category(letter) not in {"Cc", "Cf"})
