"""What has to be known of an invoice to write what became of it, and to tell of it."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

__all__ = ["Known"]


class Known(Protocol):
    """An invoice, whoever looks at it."""

    @property
    def invoice_id(self) -> UUID: ...

    @property
    def project_key(self) -> str: ...

    @property
    def currency(self) -> str: ...

    @property
    def info_id(self) -> UUID | None:
        """Who pays it."""

    @property
    def state(self) -> str:
        """How far its collecting is."""
