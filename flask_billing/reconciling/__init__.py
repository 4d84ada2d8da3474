"""Compares our rows with the processor's objects, and brings the rows up to them."""

from __future__ import annotations

from flask_billing.reconciling.comparing import compare
from flask_billing.reconciling.looks import Difference, Look, Walk
from flask_billing.reconciling.pacing import paced
from flask_billing.reconciling.refreshing import KINDS, refresh

__all__ = ["KINDS", "Difference", "Look", "Walk", "compare", "paced", "refresh"]
