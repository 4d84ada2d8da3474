"""Lists the countries of a postal address in the reader's language."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from babel import Locale

__all__ = ["country_name", "country_names"]

#: Codes of CLDR that are no country of a postal address: groupings, outliers and test locales.
_NO_COUNTRY = {"CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "UN", "XA", "XB", "ZZ"}


@lru_cache(maxsize=32)
def country_names(locale: Locale) -> tuple[tuple[str, str], ...]:
    """Return pairs of code and name, sorted by name as a reader of `locale` expects."""
    names = [
        (code, name)
        for code, name in locale.territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
    ]
    return tuple(sorted(names, key=lambda pair: sorting_key(pair[1])))


def country_name(code: str, locale: Locale) -> str:
    """Return the name of a country, or its code where the name is not known."""
    name: str = locale.territories.get(code, code)
    return name


def sorting_key(name: str) -> str:
    """Return what `name` is sorted by: letters without their accents."""
    letters = unicodedata.normalize("NFKD", name)
    return "".join(c for c in letters if not unicodedata.combining(c)).casefold()
