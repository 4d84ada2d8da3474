"""How far away a moment is, as the pages say it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from flask_billing import clock
from flask_billing.web.times import distance
from tests.web.spending import at

NOW = at(11, 22, 12)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (at(10, 8, 8) - NOW, "1 month ago"),
        (timedelta(days=-61), "2 months ago"),
        (timedelta(days=-29), "4 weeks ago"),
        (timedelta(hours=-10, seconds=1), "10 hours ago"),
        (timedelta(days=-364), "11 months ago"),
        (timedelta(days=-366), "1 year ago"),
        (timedelta(hours=-23), "23 hours ago"),
        (timedelta(seconds=-1), "1 second ago"),
        (timedelta(0), "in 0 seconds"),
        (timedelta(minutes=5), "in 5 minutes"),
        (timedelta(days=2), "in 2 days"),
    ],
)
def test_distance_is_never_a_month_too_far(app: Flask, by: timedelta, said: str) -> None:
    with app.test_request_context(), clock.moved(lambda: NOW):
        assert distance(NOW + by) == said
