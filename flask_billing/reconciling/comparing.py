"""Goes through everything here and at the processor, and says what differs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask_billing import sync
from flask_billing.reconciling import customers, sessions
from flask_billing.reconciling.looks import Look, Walk, settled
from flask_billing.reconciling.places import count, infos, place_of, rows_after
from flask_billing.reconciling.places import sessions as open_sessions
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["compare"]


def compare(*, fix: bool = False, after: str | None = None) -> Iterator[Walk]:
    """Yield the walks through billing info, customers and setup sessions, of this mode and account.

    Commits the session. A list alone decides nothing: with `fix`, whatever seems to differ is asked
    for anew under a stamp of its own, and compared once more.

    :param after: The `place` of the last look that was done, to go on behind it.
    :raises ValueError: `after` names no place.
    :raises GatewayError: The processor did not answer, or not to this key.
    """
    require_clean()
    begin = place_of(after)
    # So that the rows of another account are not taken for missing there.
    sync.account_id()
    walks: dict[str, Any] = {
        "billing_info": _infos,
        "customer": _customers,
        "setup_session": _sessions,
    }
    kinds = list(walks)
    for kind in kinds[kinds.index(begin.kind) :]:
        yield walks[kind](begin.after if kind == begin.kind else None, fix=fix)


def _infos(after: UUID | None, *, fix: bool) -> Walk:
    def looks() -> Iterator[Look]:
        for info_id, customer_id in rows_after(query, after):
            differing = partial(customers.differing, info_id, customer_id)
            fixing = partial(customers.fix, info_id, customer_id) if fix else None
            yield Look(str(info_id), settled(differing, fixing))

    query = infos()
    return Walk("billing info", looks(), count(query, after))


def _customers(after: str | None, *, fix: bool) -> Walk:
    def looks() -> Iterator[Look]:
        for customer in current().gateway.customers(after=after):
            differing = partial(customers.not_written, customer)
            found = settled(differing, customers.take_over if fix else None)
            yield Look(customer.stripe_id, found)

    return Walk("customers at Stripe", looks())


def _sessions(after: UUID | None, *, fix: bool) -> Walk:
    def looks() -> Iterator[Look]:
        for row_id, stripe_id in rows_after(query, after):
            differing = partial(sessions.differing, row_id, stripe_id)
            fixing: Any = (lambda d: sessions.bring_up(d.id, d.stripe_id)) if fix else None
            yield Look(stripe_id, settled(differing, fixing))

    query = open_sessions()
    return Walk("setup sessions", looks(), count(query, after))
