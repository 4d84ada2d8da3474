"""Goes through the living: what of theirs should run and does not, or runs otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Mapper, Session

from flask_billing import projects
from flask_billing.metering import applying
from flask_billing.metering.reconciling.comparing import compare
from flask_billing.metering.reconciling.drifts import (
    PAGE,
    Drift,
    begin_write,
    key_value,
    persistently,
)
from flask_billing.metering.resources import Wanted
from flask_billing.metering.standing import standings

__all__ = ["living_rows"]


def living_rows(
    factory: Callable[[], Session], mapper: Mapper[Any], project_key: str | None, *, mend: bool
) -> Iterator[tuple[int, list[Drift]]]:
    """Yield how many rows of a model were looked at, and what differs of them."""
    key: Any = mapper.primary_key[0]
    rows: Select[Any] = select(mapper).order_by(key).limit(PAGE)
    if project_key is not None:
        of_project = key_value(mapper.columns["project_id"], project_key)
        rows = rows.where(mapper.columns["project_id"] == of_project)
    after: Any = None
    while True:
        with factory() as session:
            page = list(session.scalars(rows if after is None else rows.where(key > after)))
            if not page:
                return
            ids = [mapper.primary_key_from_instance(row)[0] for row in page]
            drifting = compare(session, page)
            places = [i for row, i in zip(page, ids, strict=True) if row in drifting]
            keys = _projects_of(wanted for wanted, _ in drifting.values())
        settle = partial(_settle, factory, mapper, places, keys, mend=mend)
        yield len(ids), persistently(settle) if places else []
        after = ids[-1]


def _settle(
    factory: Callable[[], Session],
    mapper: Mapper[Any],
    ids: Sequence[Any],
    keys: set[str],
    *,
    mend: bool,
) -> list[Drift]:
    """Compare again what seemed to differ, while nobody can change it, and mend it."""
    key: Any = mapper.primary_key[0]
    with factory() as session:
        begin_write(session)
        if mend:
            # In the order in which everyone locks: projects, then rows of the host's.
            standings(projects.connection(session), keys)
        query = select(mapper).where(key.in_(ids)).order_by(key)
        # Tables that are joined beside, which may have no row there, can't be locked.
        rows = list(session.scalars(query.with_for_update(of=mapper.tables)))
        found = compare(session, rows)
        drifts = [drift._replace(mended=mend) for _, told in found.values() for drift in told]
        if mend and found:
            connection = projects.connection(session)
            wanted = [wanted for wanted, _ in found.values()]
            applying.write_down_rates(connection, wanted)
            standings(connection, _projects_of(wanted))
            applying.change(connection, wanted)
            session.commit()
        return drifts


def _projects_of(wanting: Iterable[Wanted]) -> set[str]:
    return {wanted.project_key for wanted in wanting if wanted.project_key is not None}
