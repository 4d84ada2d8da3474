"""Refuses what the unit of work does not see of metered models, unless it is put off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.orm import ORMExecuteState

from flask_billing.metering import resources
from flask_billing.state import current

__all__ = ["deferred", "refuse_bulk", "refuse_statement"]

_deferred: ContextVar[bool] = ContextVar("flask_billing_metering_deferred", default=False)


@contextmanager
def deferred() -> Iterator[None]:
    """Let bulk statements on metered models pass while the block runs.

    What the unit of work does meanwhile is metered as ever; the rest has no records until
    `flask billing reconcile metering --mend` has run.
    """
    token = _deferred.set(True)
    try:
        yield
    finally:
        _deferred.reset(token)


def refuse_statement(state: ORMExecuteState) -> None:
    """Refuse an INSERT, UPDATE or DELETE of a metered model; of SQLAlchemy's `do_orm_execute`."""
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    if state.bind_mapper is not None and not _deferred.get():
        model = resources.concerned(state.bind_mapper)
        if model is not None:
            _refuse(model)


def refuse_bulk(statement: Any, execution_options: Mapping[str, Any]) -> None:
    """Refuse what `bulk_save_objects` and its like write, outside of any flush."""
    if not isinstance(statement, Insert | Update) or _deferred.get():
        return
    # Only the ORM's own persistence brings this; the host's Core statements have none.
    cache = execution_options.get("compiled_cache")
    if cache is None:
        return
    table: Any = statement.table
    for mapper in resources.named(getattr(table, "schema", None), table.name):
        if cache is mapper.base_mapper._compiled_cache:
            _refuse(mapper.class_.__name__)


def _refuse(model: str) -> None:
    if current().settings.enabled:
        raise RuntimeError(
            f"{model} is metered, and a bulk statement on it is not seen row by row. Do it inside "
            "'with billing.metering_deferred():', and run 'flask billing reconcile metering "
            "--mend' after it."
        )
