"""Compares what runs with what lives, because hosts also write and delete by SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Mapper, Session

from flask_billing import transactions
from flask_billing.metering import resources
from flask_billing.metering.reconciling.drifts import Drift
from flask_billing.metering.reconciling.gone import gone_projects, orphans, projects_back, unknown
from flask_billing.metering.reconciling.living import living_rows
from flask_billing.metering.resources import kind_of

__all__ = ["Drift", "Reconciled", "reconcile"]


@dataclass
class Reconciled:
    """How many things were looked at, and how many of the drifts were mended or left."""

    looked: int = 0
    mended: int = 0
    left: int = 0


def reconcile(
    project_key: str | None = None,
    *,
    mend: bool = False,
    tell: Callable[[Drift], None] = lambda drift: None,
    progress: Callable[[int], None] = lambda looked: None,
) -> Reconciled:
    """Compare every running record with its resource; commits page by page where it mends.

    What is mended is opened and closed now: what was used before is not known.

    :param project_key: Compare the resources of this project alone.
    :param tell: Called with each drift.
    :param progress: Called after each page with how many things were looked at.
    :raises RuntimeError: The session has unsaved changes.
    """
    factory = transactions.require_clean().session_factory
    done = Reconciled()
    for looked, drifts in _pages(factory, project_key, mend=mend):
        for drift in drifts:
            done.mended += drift.mended
            done.left += not drift.mended
            tell(drift)
        done.looked += looked
        progress(done.looked)
    return done


def _pages(
    factory: Callable[[], Session], project_key: str | None, *, mend: bool
) -> Iterator[tuple[int, list[Drift]]]:
    """Yield how many things were looked at and what was found, a page at a time."""
    yield from gone_projects(factory, project_key, mend=mend)
    yield from projects_back(factory, project_key, mend=mend)
    for mapper in resources.mappers():
        yield from living_rows(factory, mapper, project_key, mend=mend)
    kinds: dict[str, list[Mapper[Any]]] = defaultdict(list)
    for mapper in resources.mappers():
        kinds[kind_of(mapper)].append(mapper)
    for kind, mappers in kinds.items():
        yield from orphans(factory, kind, mappers, project_key, mend=mend)
    yield 0, unknown(factory, kinds)
