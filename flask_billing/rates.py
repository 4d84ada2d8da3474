"""Unit prices as the host's file tells them: immutable, each from a date on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

__all__ = ["Rate", "RateBook", "RatesError"]

#: Names the rates among all things that have such an id (RFC 9562, section 6.6).
_NAMESPACE = UUID("5f2a8d0c-6c43-4a7e-9a44-3d1f0f0f7a11")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
# Eight digits, because SQLite keeps prices as whole numbers of up to 2 to the 63rd.
_PRICE = re.compile(r"[0-9]{1,8}(\.[0-9]{1,10})?")
_UNITS = ("minute", "count")
#: From how many times as dear, or as cheap, a new price looks like a mistake.
_JUMP = 5
_KEYS = frozenset({"name", "unit", "unit_price", "currency", "active_from", "description", "group"})
_NEEDED = _KEYS - {"description", "group"}


class RatesError(ValueError):
    """The file can't be used; the message names the rate and the fix."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit costs from a moment on; a price change is another rate of the same name.

    :ivar unit: ``"minute"`` (of a record), or ``"count"`` (of usage events).
    :ivar unit_price: In major units, for one unit of quantity and one minute or event.
    :ivar group: What it is summed up under; its name where the file says nothing.
    """

    id: UUID
    name: str
    unit: str
    unit_price: Decimal
    currency: str
    active_from: datetime
    description: str
    group: str


class RateBook:
    """The rates of an app, by name, currency and date.

    :raises RatesError: Two of them hold from the same moment, or change the unit of a name.
    """

    def __init__(self, rates: Iterable[Rate] = ()) -> None:
        self._rates = sorted(rates, key=lambda rate: (rate.name, rate.currency, rate.active_from))
        self._versions: dict[tuple[str, str], list[Rate]] = {}
        self._units: dict[str, str] = {}
        self._ids = {rate.id: rate for rate in self._rates}
        for rate in self._rates:
            self._add(rate)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RateBook) and self._rates == other._rates

    def __hash__(self) -> int:
        return hash(tuple(self._rates))

    def __iter__(self) -> Iterator[Rate]:
        return iter(self._rates)

    def __len__(self) -> int:
        return len(self._rates)

    @classmethod
    def load(cls, path: Path) -> RateBook:
        """Read the rates from a TOML file.

        :raises RatesError: It can't be read, or a rate in it can't be meant.
        """
        try:
            with path.open("rb") as file:
                written = tomllib.load(file)
        except OSError as error:
            raise RatesError(f"{path} can't be read ({error.strerror}).") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RatesError(f"{path} is no TOML: {error}") from None
        rates = written.pop("rate", [])
        if written or not isinstance(rates, list):
            raise RatesError(f"{path} must hold [[rate]] tables and nothing else.")
        return cls(_rate(place, entry) for place, entry in enumerate(rates, 1))

    def at(self, name: str, currency: str, moment: datetime) -> Rate | None:
        """Return the rate of a name that holds at a moment; `None` where there is none (yet)."""
        holding = None
        for rate in self._versions.get((name, currency), ()):
            if rate.active_from > moment:
                break
            holding = rate
        return holding

    def currencies(self, name: str) -> list[str]:
        """Return the currencies in which there is a rate of a name."""
        return [currency for known, currency in self._versions if known == name]

    def versions(self, name: str, currency: str) -> list[Rate]:
        """Return the rates of a name, oldest first."""
        return list(self._versions.get((name, currency), ()))

    def until(self, rate: Rate) -> datetime | None:
        """Return when another takes the place of a rate; `None` where none does."""
        versions = self._versions[rate.name, rate.currency]
        later = (other.active_from for other in versions if other.active_from > rate.active_from)
        return next(later, None)

    def unit_of(self, name: str) -> str | None:
        """Return ``"minute"`` or ``"count"``; `None` where there is no rate of the name."""
        return self._units.get(name)

    def by_id(self, rate_id: UUID) -> Rate | None:
        """Return a rate by its id, such as a row has it."""
        return self._ids.get(rate_id)

    def words_for(self, rate_id: UUID, name: str) -> str:
        """Return what customers read of a rate: its name, where the file has no such rate."""
        rate = self._ids.get(rate_id)
        return name if rate is None else rate.description

    def suspicions(self) -> Iterator[str]:
        """Yield what looks like a mistake: prices that jump, and currencies that are missing."""
        for versions in self._versions.values():
            for old, new in pairwise(versions):
                if not old.unit_price / _JUMP <= new.unit_price <= old.unit_price * _JUMP:
                    yield (
                        f"{new.name} ({new.currency}) jumps from {old.unit_price:f} to "
                        f"{new.unit_price:f} on {new.active_from:%Y-%m-%d}."
                    )
        every = {rate.currency for rate in self._rates}
        for name in self._units:
            for currency in sorted(every - set(self.currencies(name))):
                yield (
                    f"{name} has no price in {currency}, as others have: no project that is billed "
                    f"in {currency} can use it."
                )

    def _add(self, rate: Rate) -> None:
        versions = self._versions.setdefault((rate.name, rate.currency), [])
        if versions and versions[-1].active_from == rate.active_from:
            raise RatesError(
                f"{rate.name} ({rate.currency}) has two prices from {rate.active_from:%Y-%m-%d} "
                "on. A price change is another entry with a later date."
            )
        if self._units.setdefault(rate.name, rate.unit) != rate.unit:
            raise RatesError(f"{rate.name} is counted in minutes and in events. Use two names.")
        versions.append(rate)


def _rate(place: int, entry: Mapping[str, Any]) -> Rate:
    """Return the rate that a table of the file describes."""
    if not isinstance(entry, dict):
        raise RatesError(f"Rate {place} is no table.")
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RatesError(
            f"Rate {place} needs a name of letters, digits and the characters . _ / -, at most "
            "100 of them."
        )
    if missing := sorted(_NEEDED - set(entry)):
        raise RatesError(f"{name} lacks {', '.join(missing)}.")
    if unknown := sorted(set(entry) - _KEYS):
        raise RatesError(f"{name} has {', '.join(unknown)}, which no rate has.")
    currency = _matching(entry, name, "currency", r"[a-z]{3}", "three small letters, such as eur")
    active_from = _moment(entry["active_from"], name)
    named = {"description": name, "group": name} | entry
    return Rate(
        id=uuid5(_NAMESPACE, f"{name} {currency} {active_from.isoformat()}"),
        name=name,
        unit=_matching(entry, name, "unit", "|".join(_UNITS), '"minute" or "count"'),
        unit_price=_price(entry["unit_price"], name),
        currency=currency,
        active_from=active_from,
        description=_description(named["description"], name),
        group=_matching(named, name, "group", _NAME.pattern, "a name such as servers"),
    )


def _matching(entry: Mapping[str, Any], name: str, key: str, pattern: str, wanted: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise RatesError(f"{name}: {key} must be {wanted}.")
    return value


def _description(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or not value.isprintable():
        raise RatesError(f"{name}: description must be one line of text, of at most 200 letters.")
    return value


def _price(value: Any, name: str) -> Decimal:
    if not isinstance(value, str) or not _PRICE.fullmatch(value):
        raise RatesError(
            f'{name}: unit_price must be a decimal in quotes, such as "0.0003843751", with at most '
            "8 digits before the point and 10 after it."
        )
    return Decimal(value)


def _moment(value: Any, name: str) -> datetime:
    """Return when a rate begins to hold; a date begins at midnight in UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(), UTC)
    if not isinstance(value, datetime):
        raise RatesError(f"{name}: active_from must be a date, such as 2026-10-01 (UTC).")
    if value.tzinfo is None:
        raise RatesError(f"{name}: active_from needs a zone, as in 2026-10-01T00:00:00Z.")
    if not 2000 <= value.year <= 2999:
        raise RatesError(f"{name}: active_from must be a date between 2000 and 2999.")
    return value.astimezone(UTC)
