"""Sends lines as a file for spreadsheets, row by row, and harmless in any of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize
from uuid import UUID

from flask import Response, stream_with_context

from flask_billing.money import EXACT, to_major_units
from flask_billing.web.presenters.rates import ShownRate, rates_of

__all__ = ["BATCH", "COLUMNS", "send"]

#: How many lines are read at once.
BATCH = 1000

#: The columns of the file. They are for programs: in English, with plain numbers and UTC.
COLUMNS = (
    "kind",
    "resource_type",
    "resource_id",
    "slot",
    "rate",
    "description",
    "quantity",
    "minutes",
    "free_quantity",
    "from",
    "until",
    "discount_percent",
    "gross",
    "net",
    "amount",
    "currency",
    "state",
)
#: What a spreadsheet takes for the beginning of a formula, also in its full-width form
#: (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def send(batches: Iterable[Iterable[Any]], name: str, currency: str, state: str) -> Response:
    """Return lines as a file that is read while it is sent.

    :param batches: Lines, some at a time: each batch may cost a statement, and none stays in
        memory.
    :param name: What the file is called, without its ending.
    :param state: Told in each row: "final", "not final" or "void".
    """
    response = Response(
        stream_with_context(_written(batches, currency, state)), mimetype="text/csv"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _written(batches: Iterable[Iterable[Any]], currency: str, state: str) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for batch in batches:
        lines = list(batch)
        rates = rates_of(line.rate_id for line in lines)
        text = io.StringIO()
        csv.writer(text).writerows([*_cells(line, rates, currency), state] for line in lines)
        yield text.getvalue()


def _cells(line: Any, rates: Mapping[UUID | None, ShownRate], currency: str) -> list[Any]:
    """Return a line's own cells, as in `COLUMNS`; only text can be mistaken for a formula."""
    rate = rates.get(line.rate_id)
    return [
        line.kind,
        _harmless(line.resource_type),
        _harmless(line.resource_id),
        _harmless(line.slot),
        _harmless(rate.name if rate else ""),
        _harmless(rate.description if rate else ""),
        _plain(line.quantity),
        line.minutes,
        _plain(line.free_quantity),
        _moment(line.started_at),
        _moment(line.ended_at),
        _plain(line.discount_percent),
        _plain(line.gross),
        _plain(line.net),
        to_major_units(line.amount, currency),
        currency,
    ]


def _harmless(text: str | None) -> str:
    text = text or ""
    return f"'{text}" if normalize("NFKC", text[:1]).startswith(_FORMULA) else text


def _plain(value: Any) -> str:
    return "" if value is None else format(value.normalize(EXACT), "f")


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()
