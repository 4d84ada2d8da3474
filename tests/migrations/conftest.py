"""Databases made by the revisions alone, and hosts that keep them in a history of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, event

from tests.host import db
from tests.migrations.hosts import Host
from tests.migrations.revisions import upgrade_to_head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

assert db.metadata.tables  # the models are mapped


@pytest.fixture
def engine(database_url: str) -> Engine:
    """An empty database that keeps its foreign keys."""
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", keep_foreign_keys)
    return engine


@pytest.fixture
def migrated(engine: Engine) -> Engine:
    """A database with the billing tables, made by the revisions."""
    with engine.begin() as connection:
        upgrade_to_head(connection)
    return engine


@pytest.fixture
def make_host(tmp_path: Path, run_python: Callable[[str], str]) -> Callable[..., Host]:
    """Writes a host app into a folder of its own; see :class:`Host` for what can be chosen."""

    def make(url: str, **choices: Any) -> Host:
        return Host(tmp_path, run_python, url, choices)

    return make


def keep_foreign_keys(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
