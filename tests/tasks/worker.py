"""The host of the tests as a Celery worker imports it: its settings come from the environment."""

from __future__ import annotations

import json
import os

from flask_billing.tasks import BEAT_SCHEDULE
from tests.host import create_app
from tests.tasks.brokers import connect

settings = json.loads(os.environ["HOST_SETTINGS"])
app = create_app(os.environ["HOST_DATABASE"], **settings)
celery = connect(
    app,
    os.environ["HOST_BROKER"],
    task_default_queue=os.environ["HOST_QUEUE"],
    # Nobody wants to wait for the minute to end.
    beat_schedule={name: entry | {"schedule": 0.5} for name, entry in BEAT_SCHEDULE.items()},
)
celery.set_default()
