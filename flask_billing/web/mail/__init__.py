"""Puts notifications into words: a subject, plain text and HTML, in the reader's language."""

from __future__ import annotations

from flask_billing.web.mail.writing import write_letter

__all__ = ["write_letter"]
