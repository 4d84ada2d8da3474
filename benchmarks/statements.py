"""Listens to what an engine sends to its database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

__all__ = ["Sent", "heard"]

#: The text of a statement, and its parameters as the driver got them.
Sent = tuple[str, Any]


@contextmanager
def heard(engine: Engine) -> Iterator[list[Sent]]:
    """Collect the statements that are sent while the block runs."""
    sent: list[Sent] = []

    def listen(connection: Any, cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        sent.append((text, parameters))

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", listen)
