"""Refuses to create billable resources for projects that cannot pay."""

from __future__ import annotations

from flask_billing.guard.decisions import Decision, decide, refusal
from flask_billing.guard.hooks import listen
from flask_billing.guard.resources import models, of_model, words_for

__all__ = ["Decision", "decide", "listen", "models", "of_model", "refusal", "words_for"]
