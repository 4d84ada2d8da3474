"""What is posted is processed by a worker soon, and in the end whatever the broker does."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from flask import Flask

from flask_billing import events
from flask_billing.tasks import BEAT_SCHEDULE
from tests.tasks.brokers import (
    RABBITMQ,
    REDIS,
    closed_port,
    connect,
    reached,
    silent_port,
    working,
)
from tests.tasks.conftest import Post, States

Eventually = Callable[[Callable[[], bool]], bool]

PASSWORD = "the-broker's-password"


@pytest.mark.parametrize("broker", [REDIS, RABBITMQ], ids=["redis", "rabbitmq"])
def test_posted_event_is_processed_by_a_worker(
    broker: tuple[str, str, int],
    app: Flask,
    customers: list[str],
    post: Post,
    states: States,
    eventually: Eventually,
) -> None:
    with working(app, connect(app, reached(broker))) as worker:
        answers = [
            post(f"evt_{number}", customer).status for number, customer in enumerate(customers)
        ]

        processed = eventually(lambda: set(states().values()) == {"processed"})

    assert answers == ["200 OK"] * 2
    assert processed
    assert list(states()) == ["evt_0", "evt_1"]
    assert worker.returncode == 0


def test_event_whose_wake_up_was_lost_is_processed_when_beat_comes_round(
    app: Flask,
    customers: list[str],
    post: Post,
    states: States,
    eventually: Eventually,
    tmp_path: Path,
) -> None:
    connect(app, f"redis://127.0.0.1:{closed_port()}/0")
    for number, customer in enumerate(customers):
        post(f"evt_{number}", customer)
    celery = connect(app, reached(REDIS))

    with working(app, celery, "--beat", "--schedule", str(tmp_path / "beat")):
        processed = eventually(lambda: set(states().values()) == {"processed"})

    assert processed
    assert len(states()) == 2


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_event_is_stored_while_the_broker_is_down(
    scheme: str,
    app: Flask,
    customers: list[str],
    post: Post,
    states: States,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = closed_port()
    connect(app, f"{scheme}://user:{PASSWORD}@127.0.0.1:{port}//")

    answers = [post(f"evt_{number}", customer).status for number, customer in enumerate(customers)]

    assert answers == ["200 OK"] * 2
    assert eventually(lambda: "Workers could not be woken: OperationalError." in caplog.text)
    assert no_waker_is_left(eventually)
    assert PASSWORD not in caplog.text
    assert str(port) not in caplog.text
    assert states() == {"evt_0": "pending", "evt_1": "pending"}
    with app.app_context():
        assert events.process() == events.ProcessReport(processed=2)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_broker_that_hangs_holds_no_request_and_one_thread_at_most(
    scheme: str, app: Flask, customers: list[str], post: Post, eventually: Eventually
) -> None:
    with silent_port() as (port, listening):
        connect(app, f"{scheme}://127.0.0.1:{port}//")
        begun = time.monotonic()

        answers = [post(f"evt_{number}", customers[0]).status for number in range(10)]

        assert answers == ["200 OK"] * 10
        assert time.monotonic() - begun < 3
        held, _ = listening.accept()
        assert len(wakers()) == 1
        held.close()
    assert no_waker_is_left(eventually)


def test_wake_up_gets_through_after_the_broker_has_cut_the_connection(
    app: Flask,
    customers: list[str],
    post: Post,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    celery = connect(app, reached(RABBITMQ))
    post("evt_1", customers[0])
    sent_first = no_waker_is_left(eventually)
    producer = celery.producer_pool.acquire(block=True)
    producer.channel.connection.transport.sock.shutdown(socket.SHUT_RDWR)
    producer.release()

    post("evt_2", customers[1])

    assert sent_first
    assert no_waker_is_left(eventually)
    with celery.connection_for_write() as connection:
        queue = celery.amqp.default_queue(connection.default_channel)
        waiting = queue.queue_declare(passive=True).message_count
        queue.delete()
    celery.close()
    assert waiting == 2
    assert "woken" not in caplog.text


def test_wake_up_that_is_asked_for_while_one_is_sent_is_sent_too(
    app: Flask, customers: list[str], post: Post, eventually: Eventually
) -> None:
    celery = connect(app, "memory://")
    sending, go_on = threading.Event(), threading.Event()
    sent: list[str] = []

    class Slow:
        def delay(self) -> None:
            sending.set()
            go_on.wait(20)
            sent.append(threading.current_thread().name)

    celery.finalize()
    celery.tasks["flask_billing.process_events"] = Slow()
    post("evt_1", customers[0])
    sending.wait(20)
    for number in (2, 3, 4):
        post(f"evt_{number}", customers[1])

    go_on.set()

    assert no_waker_is_left(eventually)
    assert sent == ["billing-waker"] * 2


def test_many_events_are_processed_after_one_wake_up(
    app: Flask, customers: list[str], states: States, eventually: Eventually
) -> None:
    from flask_billing.gateways import RemoteEvent
    from flask_billing.state import current

    celery = connect(app, "memory://")
    with app.app_context():
        for number in range(205):
            events.store(tax_id_of_a_stranger(f"evt_{number}", RemoteEvent))

        with start_worker(celery, perform_ping_check=False):
            current().wake_workers()
            done = eventually(lambda: set(states().values()) == {"ignored"})

    celery.close()
    assert done
    assert len(states()) == 205


def test_eager_host_sees_the_effect_at_once(
    app: Flask, customers: list[str], post: Post, states: States
) -> None:
    connect(app, "memory://", task_always_eager=True)

    post("evt_1", customers[0])

    assert states() == {"evt_1": "processed"}


def test_missing_celery_app_is_told_and_loses_nothing(
    app: Flask,
    customers: list[str],
    post: Post,
    states: States,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = post("evt_1", customers[0])

    assert answer.status_code == 200
    assert "app.extensions['celery'] is not set" in caplog.text
    assert [r.levelno for r in caplog.records if "woken" in r.message] == [logging.ERROR]
    assert states() == {"evt_1": "pending"}


def test_beat_starts_every_task_often_enough(app: Flask) -> None:
    celery = connect(app, "memory://", beat_schedule=BEAT_SCHEDULE)
    celery.finalize()

    started = {entry["task"] for entry in celery.conf.beat_schedule.values()}

    by_others = {"flask_billing.collect_chunk"}
    ours = {name for name in celery.tasks if name.startswith("flask_billing.")}
    assert started == ours - by_others
    assert max(entry["schedule"].total_seconds() for entry in BEAT_SCHEDULE.values()) <= 3600


def tax_id_of_a_stranger(event_id: str, kind: type) -> object:
    """An event that is looked at, and found to be of a customer that nobody here knows."""
    from flask_billing import clock

    return kind(
        stripe_id=event_id,
        type="customer.tax_id.created",
        livemode=False,
        created_at=clock.now(),
        object_id="txi_1",
        object_type="tax_id",
        customer_id="cus_stranger",
        account_id=None,
        api_version=None,
        idempotency_key=None,
    )


def wakers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "billing-waker"]


def no_waker_is_left(eventually: Eventually) -> bool:
    return eventually(lambda: not wakers())
