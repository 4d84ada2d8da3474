"""Makes databases for the tests on the servers of this machine, and drops them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import (
    MetaData,
    Table,
    create_engine,
    inspect,
    literal,
    make_url,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection


class UnreachableError(Exception):
    """No server lets the tests in; the message says which and what to do."""


@dataclass
class DatabaseServer:
    """A server on which the tests make one database, and empty it for each test."""

    title: ClassVar[str]
    variable: ClassVar[str]
    defaults: ClassVar[tuple[str, ...]]

    #: Tells its database from another of the same process.
    purpose: str = "test"

    _admin: URL | None = field(default=None, init=False)
    _refusal: str | None = field(default=None, init=False)
    _database: str | None = field(default=None, init=False)

    def fresh_database(self, kept: MetaData | None = None) -> str:
        """The URL of an empty database. It is the same one in each test.

        :param kept: Tables that may be there, with nothing in them: making them takes longer than
            many a test.
        """
        admin = self._reach()
        if self._database is None:
            name = f"flask_billing_{self.purpose}_{os.getpid()}"
            with _connect(admin) as connection:
                connection.execute(text(f"CREATE DATABASE {name}{self._options}"))
                self._hurry(connection, name)
            self._database = name
        elif not (kept is not None and self._clear(admin, self._database, kept)):
            self._empty(admin, self._database)
        return admin.set(database=self._database).render_as_string(hide_password=False)

    def _clear(self, admin: URL, name: str, kept: MetaData) -> bool:
        """Delete all rows; `False` where there are other tables than those to be kept."""
        with _connect(admin.set(database=name)) as connection:
            self._end_others(connection, name)
            columns = _columns(connection)
            if not _are_as_made(columns, kept):
                return False
            connection.rollback()
            with connection.execution_options(isolation_level="READ COMMITTED").begin():
                filled = _filled(connection, [kept.tables[name] for name in columns])
                for table in reversed(kept.sorted_tables):
                    if table.name in filled:
                        connection.execute(table.delete())
                self._count_anew(connection)
        return True

    def _count_anew(self, connection: Connection) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        if self._admin is not None and self._database is not None:
            with _connect(self._admin) as connection:
                self._end_others(connection, self._database)
                connection.execute(text(f"DROP DATABASE {self._database}"))
            self._database = None

    def _reach(self) -> URL:
        if self._admin is None and self._refusal is None:
            self._find()
        if self._admin is None:
            raise UnreachableError(self._refusal)
        return self._admin

    def _find(self) -> None:
        given = os.environ.get(self.variable)
        urls = [make_url(url) for url in ([given] if given else self.defaults)]
        for url in urls:
            try:
                with _connect(url):
                    self._admin = url
                    return
            except DBAPIError as error:
                reason = str(error.orig).strip().splitlines()[0]
        self._refusal = (
            f"{self.title} tests (no server lets them in at {urls[0].host}:{urls[0].port}; "
            f"run `make services` or set {self.variable}): {reason}"
        )

    _options: ClassVar[str] = ""

    def _hurry(self, connection: Connection, name: str) -> None:
        """Have a database not wait for the disk, where that can be said of one alone."""

    def _empty(self, admin: URL, name: str) -> None:
        raise NotImplementedError

    def _end_others(self, connection: Connection, name: str) -> None:
        raise NotImplementedError


class PostgreSQL(DatabaseServer):
    title = "PostgreSQL"
    variable = "FLASK_BILLING_TEST_POSTGRESQL"
    defaults = (
        "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
        "postgresql+psycopg://flask_billing_test:flask_billing_test@127.0.0.1:5432/postgres",
    )

    def _hurry(self, connection: Connection, name: str) -> None:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))

    def _empty(self, admin: URL, name: str) -> None:
        with _connect(admin.set(database=name)) as connection:
            self._end_others(connection, name)
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))

    def _count_anew(self, connection: Connection) -> None:
        connection.execute(
            text(
                "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences"
                " WHERE schemaname = 'public' AND last_value IS NOT NULL"
            )
        )

    def _end_others(self, connection: Connection, name: str) -> None:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = :name AND pid <> pg_backend_pid()"
            ),
            {"name": name},
        )


class MariaDB(DatabaseServer):
    title = "MariaDB"
    variable = "FLASK_BILLING_TEST_MARIADB"
    defaults = (
        "mariadb+pymysql://root@127.0.0.1:3306/",
        "mariadb+pymysql://flask_billing_test:flask_billing_test@127.0.0.1:3306/",
    )
    _options = " CHARACTER SET utf8mb4"

    def _empty(self, admin: URL, name: str) -> None:
        with _connect(admin) as connection:
            self._end_others(connection, name)
            connection.execute(text(f"DROP DATABASE {name}"))
            connection.execute(text(f"CREATE DATABASE {name}{self._options}"))

    def _count_anew(self, connection: Connection) -> None:
        counting = connection.scalars(
            text(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = database() AND auto_increment > 1"
            )
        )
        for table in counting.all():
            connection.execute(text(f"ALTER TABLE `{table}` AUTO_INCREMENT = 1"))

    def _end_others(self, connection: Connection, name: str) -> None:
        threads = connection.scalars(
            text(
                "SELECT id FROM information_schema.processlist"
                " WHERE db = :name AND id <> connection_id()"
            ),
            {"name": name},
        )
        for thread in threads.all():
            connection.execute(text(f"KILL {int(thread)}"))


#: Of each table the columns, and whether they may be null.
Columns = dict[str, dict[str, bool]]


def _columns(connection: Connection) -> Columns:
    """Return the columns of each table that is there."""
    found = inspect(connection).get_multi_columns()
    return {
        table: {each["name"]: each["nullable"] for each in columns}
        for (_, table), columns in found.items()
    }


def _are_as_made(columns: Columns, kept: MetaData) -> bool:
    """Return whether each table that is there is to be kept, with the columns it is made with."""
    return all(
        name in kept.tables
        and found == {each.name: bool(each.nullable) for each in kept.tables[name].columns}
        for name, found in columns.items()
    )


def _filled(connection: Connection, tables: list[Table]) -> set[str]:
    """Return the names of the tables that hold rows."""
    queries = [
        select(literal(table.name)).where(select(literal(1)).select_from(table).exists())
        for table in tables
    ]
    return set(connection.scalars(union_all(*queries))) if queries else set()


@contextmanager
def _connect(url: URL) -> Iterator[Connection]:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"connect_timeout": 5},
    )
    with engine.connect() as connection:
        yield connection
