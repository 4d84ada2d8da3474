"""The real code on PostgreSQL ends in the processor's truth in every order of its steps."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_billing.sandbox import Sandbox
from tests.interleavings.scenarios import MOST_SWITCHES
from tests.interleavings.schedules import all_plays

pytestmark = pytest.mark.concurrency


@pytest.mark.parametrize("scenario", MOST_SWITCHES)
def test_rows_end_in_the_processors_truth(
    app: Flask, stripe_sandbox: Sandbox, scenario: Any
) -> None:
    plays = list(all_plays(lambda: scenario(app, stripe_sandbox), MOST_SWITCHES[scenario]))

    # Fewer would mean that somebody does not stop at the gates any more.
    assert len(plays) >= 20
    assert len(set(map(tuple, plays))) == len(plays)
