"""Keeps the sandbox's objects in one SQLite database, in memory or in a file."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

Obj = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    livemode INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_kind ON object (account, livemode, kind, seq);
CREATE INDEX IF NOT EXISTS object_customer
    ON object (account, livemode, kind, json_extract(body, '$.customer'), seq);
CREATE INDEX IF NOT EXISTS object_invoice
    ON object (account, livemode, kind, json_extract(body, '$.invoice'), seq);
CREATE TABLE IF NOT EXISTS reply (
    account TEXT NOT NULL,
    livemode INTEGER NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (account, livemode, key)
);
CREATE TABLE IF NOT EXISTS job (due INTEGER NOT NULL, action TEXT NOT NULL, id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_due ON job (due);
CREATE TABLE IF NOT EXISTS clock_job (
    clock TEXT NOT NULL,
    due INTEGER NOT NULL,
    action TEXT NOT NULL,
    id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS clock_job_due ON clock_job (clock, due);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    due REAL NOT NULL,
    place INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    succeeded INTEGER NOT NULL DEFAULT 0,
    UNIQUE (event, endpoint)
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, due);
"""


class Scope(NamedTuple):
    """Whose objects these are: keys of one account and mode see no others."""

    account: str
    livemode: bool


class Store:
    """All state of one sandbox. One transaction runs at a time, whichever thread it is on.

    :param path: The database file; `None` keeps everything in memory.
    """

    def __init__(self, path: str | None = None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None
        )
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _SCHEMA)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all of what happens inside, or nothing of it when it raises."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget all objects, stored replies, jobs and deliveries."""
        with self.transaction():
            for table in ("object", "reply", "job", "clock_job", "setting", "delivery"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608

    # Objects

    def insert(self, scope: Scope, obj: Obj) -> None:
        """Add a new object."""
        self.execute(
            "INSERT INTO object (id, account, livemode, kind, body) VALUES (?, ?, ?, ?, ?)",
            (obj["id"], *scope, obj["object"], json.dumps(obj)),
        )

    def update(self, obj: Obj) -> None:
        """Write an object's new state."""
        self.execute("UPDATE object SET body = ? WHERE id = ?", (json.dumps(obj), obj["id"]))

    def remove(self, object_id: str) -> None:
        """Drop an object for good."""
        self.execute("DELETE FROM object WHERE id = ?", (object_id,))

    def locate(self, object_id: str) -> tuple[Scope, Obj] | None:
        """Give an object and whose it is, whoever asks."""
        rows = self.execute("SELECT account, livemode, body FROM object WHERE id = ?", (object_id,))
        if not rows:
            return None
        account, livemode, body = rows[0]
        return Scope(account, bool(livemode)), json.loads(body)

    def position(self, scope: Scope, kind: str, object_id: str) -> int | None:
        """Give an object's place in the order of creation."""
        rows = self.execute(
            "SELECT seq FROM object WHERE id = ? AND account = ? AND livemode = ? AND kind = ?",
            (object_id, *scope, kind),
        )
        return rows[0][0] if rows else None

    def find(
        self,
        scope: Scope,
        kind: str,
        where: Mapping[str, Any] | None = None,
        *,
        extra: tuple[str, ...] = (),
        values: tuple[Any, ...] = (),
        oldest_first: bool = False,
        limit: int = -1,
    ) -> list[Obj]:
        """Give objects of a kind, newest first, whose fields have the given values.

        :param extra: Further SQL conditions, with `values` for their question marks.
        """
        conditions, arguments = _conditions(scope, kind, where or {})
        order = "ASC" if oldest_first else "DESC"
        every = " AND ".join([*conditions, *extra])
        sql = f"SELECT body FROM object WHERE {every} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        rows = self.execute(sql, (*arguments, *values, limit))
        return [json.loads(body) for (body,) in rows]

    def count(self, scope: Scope, kind: str, where: Mapping[str, Any]) -> int:
        """Count the objects of a kind whose fields have the given values."""
        conditions, arguments = _conditions(scope, kind, where)
        sql = f"SELECT COUNT(*) FROM object WHERE {' AND '.join(conditions)}"  # noqa: S608
        number: int = self.execute(sql, tuple(arguments))[0][0]
        return number

    # Jobs and settings

    def schedule(
        self, due: int, action: str, object_id: str, test_clock: str | None = None
    ) -> None:
        """Have `action` done to an object when the clock, or its test clock, reaches `due`."""
        if test_clock is None:
            self.execute("INSERT INTO job VALUES (?, ?, ?)", (due, action, object_id))
        else:
            row = (test_clock, due, action, object_id)
            self.execute("INSERT INTO clock_job VALUES (?, ?, ?, ?)", row)

    def take_due(self, now: int) -> list[tuple[str, str]]:
        """Take out the actions whose time has come, in their order."""
        rows = self.execute(
            "SELECT rowid, action, id FROM job WHERE due <= ? ORDER BY due, rowid", (now,)
        )
        for row_id, _, _ in rows:
            self.execute("DELETE FROM job WHERE rowid = ?", (row_id,))
        return [(action, object_id) for _, action, object_id in rows]

    def take_next_of(self, test_clock: str, until: int) -> tuple[int, str, str] | None:
        """Take out the first action that a test clock comes to on its way to a moment."""
        rows = self.execute(
            "SELECT rowid, due, action, id FROM clock_job WHERE clock = ? AND due <= ? "
            "ORDER BY due, rowid LIMIT 1",
            (test_clock, until),
        )
        if not rows:
            return None
        row_id, due, action, object_id = rows[0]
        self.execute("DELETE FROM clock_job WHERE rowid = ?", (row_id,))
        return due, action, object_id

    def next_due(self) -> int | None:
        """Give when the next action is to be done."""
        moment: int | None = self.execute("SELECT MIN(due) FROM job")[0][0]
        return moment

    def keep_setting(self, name: str, value: Any) -> None:
        """Keep a value over restarts."""
        self.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    def setting(self, name: str) -> Any:
        """Give a kept value, or `None`."""
        rows = self.execute("SELECT value FROM setting WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def execute(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        """Run one statement and give its rows."""
        with self._lock:
            return self._db.execute(sql, arguments).fetchall()


def _conditions(scope: Scope, kind: str, where: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    conditions = ["account = ? AND livemode = ? AND kind = ?"]
    arguments: list[Any] = [*scope, kind]
    for path, value in where.items():
        conditions.append(f"json_extract(body, '$.{path}') = ?")
        arguments.append(value)
    return conditions, arguments
