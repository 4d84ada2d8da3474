"""Brokers that answer, and ones that do not; and Celery set up as Flask's documentation says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, Task
from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
REDIS = ("Redis", "redis://127.0.0.1:6379/0", 6379)
RABBITMQ = ("RabbitMQ", "amqp://guest:guest@127.0.0.1:5672//", 5672)


def connect(app: Flask, broker: str, **settings: Any) -> Celery:
    """Give an app Celery, with a queue of its own."""

    class FlaskTask(Task):  # type: ignore[misc]
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=FlaskTask, set_as_current=False)
    celery.config_from_object(
        {
            "broker_url": broker,
            "broker_connection_timeout": 1,
            "broker_connection_retry_on_startup": False,
            "task_default_queue": f"flask_billing_test_{uuid4().hex}",
            "task_ignore_result": True,
            "worker_enable_remote_control": False,
            "worker_hijack_root_logger": False,
            "worker_redirect_stdouts": False,
            **settings,
        }
    )
    app.extensions["celery"] = celery
    return celery


def reached(broker: tuple[str, str, int]) -> str:
    """The URL of a broker that answers; the test is skipped where it does not."""
    title, url, port = broker
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        pytest.skip(f"Celery on {title} (there is no server on 127.0.0.1:{port})")
    return url


@contextmanager
def working(app: Flask, celery: Celery, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Let a worker of two processes be at work on an app's queue, and end it in order."""
    settings = ("BILLING_EVENT_PROCESSING", "STRIPE_SECRET_KEY", "STRIPE_API_BASE")
    environment = {
        "HOST_BROKER": celery.conf.broker_url,
        "HOST_DATABASE": app.config["SQLALCHEMY_DATABASE_URI"],
        "HOST_QUEUE": celery.conf.task_default_queue,
        "HOST_SETTINGS": json.dumps({name: app.config[name] for name in settings}),
        "PYTHONPATH": str(ROOT),
    }
    arguments = ("worker", "--concurrency", "2", "--without-mingle", "--without-gossip", *options)
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tests.tasks.worker:celery", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
    queue = celery.conf.task_default_queue
    with celery.connection_for_write() as connection:
        channel = connection.default_channel
        channel.queue_delete(queue)
        if connection.transport_cls == "redis":
            # Kombu deletes less than it made, and nothing of what another process declared.
            keys = (f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")
            channel.client.delete(queue, *keys)
    celery.close()


def forget_taken(celery: Celery) -> None:
    """Take out of Redis what workers had taken and were killed before they began it."""
    queue = celery.conf.task_default_queue.encode()
    with celery.connection_for_write() as connection:
        client = connection.default_channel.client
        for tag, message in client.hgetall("unacked").items():
            if queue in message:
                client.hdel("unacked", tag)
                client.zrem("unacked_index", tag)


@contextmanager
def silent_port() -> Iterator[tuple[int, socket.socket]]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1], listening


def closed_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
