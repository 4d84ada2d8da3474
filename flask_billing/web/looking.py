"""Reads at the processor what the page of an invoice shows, side by side and in bounded time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from flask import current_app

from flask_billing import collecting, customers, projects
from flask_billing.customers import LiveDetails
from flask_billing.errors import GatewayError
from flask_billing.gateways import InvoiceDocument
from flask_billing.state import current

if TYPE_CHECKING:
    from uuid import UUID

    from flask_billing.models import InvoiceCollection

__all__ = ["Look", "look_at"]

T = TypeVar("T")

#: Not issued: the processor has nothing to show of it, and nothing was tried.
_NO_DOCUMENT = frozenset({None, "draft", "leaving", "deleted"})
#: Somebody may have paid it there meanwhile.
_MAY_CHANGE = frozenset({"open", "uncollectible"})


@dataclass(frozen=True)
class Look:
    """What the processor says of an invoice while somebody looks at it.

    :ivar live: Of the payment methods that the project may see.
    :ivar missing: The processor did not answer in time, or not with everything.
    """

    live: LiveDetails
    document: InvoiceDocument | None
    missing: bool


def look_at(collection: InvoiceCollection | None, project: Any) -> Look:
    """Return what the processor says, and write what it says of an invoice that may be paid there.

    Never raises for the processor's sake and never takes much longer than `BILLING_PAGE_TIMEOUT`;
    ends the session's transaction. What it shows is read once, at the same time as the rest.
    """
    state = current()
    if (
        collection is None
        or collection.livemode != state.settings.livemode
        or collection.remote_state in _NO_DOCUMENT
    ):
        return Look(LiveDetails(), None, missing=False)
    deadline = monotonic() + state.settings.page_timeout
    invoice_id, stripe_id = collection.invoice_id, collection.stripe_id
    may_change = collection.remote_state in _MAY_CHANGE
    info = projects.visible_billing_info(project)
    state.db.session.commit()
    document = _aside(collecting.document, invoice_id)
    fresh = _aside(collecting.observe, stripe_id) if may_change and stripe_id else None
    live = customers.live_details(info)
    asked: list[Future[Any]] = [document] if fresh is None else [document, fresh]
    wait(asked, timeout=max(0.0, deadline - monotonic()))
    answers = [_answer(one, invoice_id) for one in asked]
    return Look(live=live, document=answers[0], missing=live.missing or None in answers)


def _aside(function: Callable[..., T], *arguments: Any) -> Future[T]:
    """Begin to call a function in a thread, with an app context and a session of its own."""
    app: Any = current_app._get_current_object()  # type: ignore[attr-defined]

    def call() -> T:
        with app.app_context():
            return function(*arguments)

    return current().threads.submit(call)


def _answer(future: Future[T], invoice_id: UUID) -> T | None:
    if not future.done():
        # What has begun goes on, and the next look shows what it wrote.
        future.cancel()
        return None
    try:
        return future.result()
    except GatewayError as error:
        current_app.logger.warning(
            "Details of invoice %s are missing on a page (%s).", invoice_id, error.code
        )
        return None
