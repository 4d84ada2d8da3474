"""Runs the package's revisions on a connection, without any environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.migration import MigrationContext
from alembic.operations import Operations

from flask_billing.cli.history import own_revisions
from flask_billing.models import MODELS

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection, Table

TABLES: list[Table] = [model.__table__ for model in MODELS]  # type: ignore[misc]


def upgrade_to_head(connection: Connection, engine_name: str = "") -> None:
    for script in own_revisions():
        step(connection, script, "upgrade", engine_name)


def downgrade_to_base(connection: Connection, engine_name: str = "") -> None:
    for script in reversed(own_revisions()):
        step(connection, script, "downgrade", engine_name)


def step(connection: Connection, script: Script, direction: str, engine_name: str = "") -> None:
    with Operations.context(MigrationContext.configure(connection)):
        getattr(script.module, direction)(engine_name)
