"""Reads moments and months from the command line, such as `2h` or `2026-10`, and writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from flask_billing import clock
from flask_billing.periods import Span, month_named

__all__ = ["DATE", "MOMENT", "MONTH", "written"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_AGO = re.compile(r"([0-9]{1,6})([mhdw])")


class _Moment(click.ParamType[datetime]):
    """How long ago, or when; a moment without a zone is UTC."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return _read(value)
        except (OverflowError, ValueError):
            self.fail(f"{value!r} is no moment. Write 30m, 2h, 3d, 1w or 2026-05-01T12:00.")


def _read(text: str) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class _Date(_Moment):
    """When, and never how long ago: `3d` might be meant as in three days."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, str) and _AGO.fullmatch(value):
            self.fail(f"{value!r} is no date. Write 2026-05-01 or 2026-05-01T12:00 (UTC).")
        return super().convert(value, param, ctx)


class _Month(click.ParamType[Span]):
    """A month, such as 2026-10."""

    name = "month"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, Span):
            return value
        try:
            return month_named(value)
        except ValueError as error:
            self.fail(str(error))


MOMENT = _Moment()
DATE = _Date()
MONTH = _Month()


def written(moment: datetime) -> str:
    """Return a moment as every command prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
