r"""The Alembic environment in which revisions of the billing tables are written.

No host runs it: `flask billing install-migrations` copies the revisions into the host's history.
To write one: upgrade an empty database, then autogenerate against the changed models::

    alembic -c migrations/alembic.ini -x database=sqlite:///scratch.sqlite upgrade head
    alembic -c migrations/alembic.ini -x database=sqlite:///scratch.sqlite \
        revision --autogenerate --rev-id fb0042_what_changes -m "What changes."
"""

from __future__ import annotations

from logging.config import fileConfig
from typing import TYPE_CHECKING, Any, Literal

from alembic import context
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.orm import registry
from sqlalchemy.pool import NullPool

from flask_billing.models import MODELS, UTCDateTime, map_onto
from flask_billing.models.types import ExactAmount, Fixed

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

billing = registry()
map_onto(billing, MODELS)


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own type as SQLAlchemy's: a revision imports nothing that may change later."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen.imports.add("from sqlalchemy.dialects import mysql")
        return 'sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")'
    if kind == "type" and isinstance(item, Fixed):
        return f'sa.Numeric(38, {item.places}).with_variant(sa.BigInteger(), "sqlite")'
    if kind == "type" and isinstance(item, ExactAmount):
        return 'sa.Numeric(48, 24).with_variant(sa.String(64), "sqlite")'
    return False


def database() -> str:
    """Return the URL that `-x database=` gives."""
    url = context.get_x_argument(as_dictionary=True).get("database")
    if not isinstance(url, str):
        raise CommandError("Name a database: alembic -c ... -x database=sqlite:///scratch.sqlite")
    return url


def run() -> None:
    """Run what Alembic was asked for, on a database or, offline, as SQL text."""
    options: dict[str, Any] = {"target_metadata": billing.metadata, "render_item": render_item}
    if context.is_offline_mode():
        context.configure(url=database(), literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
        return
    with create_engine(database(), poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
run()
