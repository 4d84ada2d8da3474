"""Which events are still to be sent to which webhook endpoints, and when."""

from typing import NamedTuple

from .store import Obj, Scope, Store


class Delivery(NamedTuple):
    """One event on its way to one endpoint.

    :param attempts: How often it was sent.
    :param held: It was dropped or delayed before, or asked for again.
    """

    seq: int
    event: str
    endpoint: str
    attempts: int
    held: bool


class Outbox:
    """The deliveries of a store; those of a database file survive a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def endpoints_for(self, scope: Scope, event_type: str) -> list[Obj]:
        """Give the enabled endpoints of a scope that want events of a type."""
        enabled = self._store.find(scope, "webhook_endpoint", {"status": "enabled"})
        return [
            endpoint
            for endpoint in reversed(enabled)
            # One for connected accounts hears nothing of its own.
            if not endpoint["_connect"] and {"*", event_type} & set(endpoint["enabled_events"])
        ]

    def add(self, event: str, endpoint: str, due: float) -> None:
        """Have an event sent to an endpoint."""
        self._store.execute(
            "INSERT INTO delivery (event, endpoint, due) VALUES (?, ?, ?)", (event, endpoint, due)
        )

    def add_again(self, event: str, endpoint: str, due: float) -> None:
        """Have an event sent once more, with all its attempts before it."""
        self._store.execute(
            "INSERT INTO delivery (event, endpoint, due, held) VALUES (?, ?, ?, 1) "
            "ON CONFLICT (event, endpoint) DO UPDATE "
            "SET due = excluded.due, held = 1, attempts = 0, state = 'waiting'",
            (event, endpoint, due),
        )
        self._count(event)

    def take(self, now: float) -> Delivery | None:
        """Take the first delivery that is due, so that no other thread sends it.

        What failed or was held back comes after what was not sent yet.
        """
        with self._store.transaction():
            rows = self._store.execute(
                "SELECT seq, event, endpoint, attempts, held FROM delivery "
                "WHERE state = 'waiting' AND due <= ? "
                "ORDER BY attempts + held, COALESCE(place, seq) LIMIT 1",
                (now,),
            )
            if not rows:
                return None
            self._store.execute("UPDATE delivery SET state = 'sending' WHERE seq = ?", rows[0][:1])
        seq, event, endpoint, attempts, held = rows[0]
        return Delivery(seq, event, endpoint, attempts, held=bool(held))

    def put_back(self, delivery: Delivery, due: float) -> None:
        """Send it later, as it is."""
        self._store.execute(
            "UPDATE delivery SET state = 'waiting', held = 1, due = ? WHERE seq = ?",
            (due, delivery.seq),
        )

    def retry(self, delivery: Delivery, due: float) -> None:
        """Count a failed attempt, and send it again later."""
        self._store.execute(
            "UPDATE delivery SET state = 'waiting', attempts = attempts + 1, due = ? WHERE seq = ?",
            (due, delivery.seq),
        )

    def finish(self, delivery: Delivery, state: str) -> None:
        """Close a delivery as `delivered`, `failed` or `dropped`, and count what is left."""
        with self._store.transaction():
            self._store.execute(
                "UPDATE delivery SET state = ?, attempts = attempts + ?, "
                "succeeded = MAX(succeeded, ?) WHERE seq = ?",
                (state, state != "dropped", state == "delivered", delivery.seq),
            )
            self._count(delivery.event)

    def _count(self, event: str) -> None:
        self._store.execute(
            "UPDATE object SET body = json_set(body, '$.pending_webhooks', "
            "(SELECT COUNT(*) FROM delivery WHERE event = object.id AND NOT succeeded)) "
            "WHERE id = ?",
            (event,),
        )

    def waiting(self) -> list[tuple[int, int]]:
        """Give number and place of all that is still to be sent, in its order."""
        rows = self._store.execute(
            "SELECT seq, COALESCE(place, seq) AS at FROM delivery WHERE state = 'waiting' "
            "ORDER BY at"
        )
        return [(seq, place) for seq, place in rows]

    def place(self, order: list[tuple[int, int]]) -> None:
        """Give deliveries, by number, new places in the order."""
        with self._store.transaction():
            for seq, place in order:
                self._store.execute("UPDATE delivery SET place = ? WHERE seq = ?", (place, seq))

    def open_count(self) -> int:
        """Count what is still to be sent or being sent."""
        sql = "SELECT COUNT(*) FROM delivery WHERE state IN ('waiting', 'sending')"
        count: int = self._store.execute(sql)[0][0]
        return count

    def dropped(self) -> list[str]:
        """Give the ids of the events that were dropped and not asked for again."""
        rows = self._store.execute(
            "SELECT event FROM delivery WHERE state = 'dropped' GROUP BY event ORDER BY MIN(seq)"
        )
        return [event for (event,) in rows]

    def next_due(self) -> float | None:
        """Give when the next delivery is to be sent."""
        rows = self._store.execute("SELECT MIN(due) FROM delivery WHERE state = 'waiting'")
        moment: float | None = rows[0][0]
        return moment

    def recover(self) -> None:
        """Send again what was being sent when the sandbox was last ended."""
        self._store.execute("UPDATE delivery SET state = 'waiting' WHERE state = 'sending'")
