"""Keys are UUIDs of version 7: unique, and ordered by the time they were made."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import RFC_4122

import time_machine

from flask_billing.ids import uuid7


def test_key_is_a_uuid_of_version_7() -> None:
    key = uuid7()

    assert key.version == 7
    assert key.variant == RFC_4122


def test_later_keys_sort_behind_earlier_ones() -> None:
    with time_machine.travel(datetime(2026, 11, 30, 23, 59, tzinfo=UTC), tick=False) as clock:
        keys = []
        for _ in range(100):
            keys.append(uuid7())
            clock.shift(0.001)

    assert keys == sorted(keys)
    assert [str(key) for key in keys] == sorted(str(key) for key in keys)


def test_key_begins_with_the_milliseconds_of_its_making() -> None:
    before = time.time_ns() // 1_000_000

    key = uuid7()

    assert before <= key.int >> 80 <= time.time_ns() // 1_000_000


def test_keys_of_one_millisecond_are_different() -> None:
    with time_machine.travel(datetime(2026, 11, 30, tzinfo=UTC), tick=False):
        keys = {uuid7() for _ in range(10_000)}

    assert len(keys) == 10_000
