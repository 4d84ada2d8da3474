"""The countries that the address form offers."""

import re

from babel import Locale

# Regions of the locale data that are no countries with addresses of their own.
_NO_COUNTRIES = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}


def names() -> dict[str, str]:
    """Give the English names of all countries by ISO 3166 code, sorted by name."""
    named = {
        code: name
        for code, name in Locale("en").territories.items()
        if re.fullmatch("[A-Z]{2}", code) and code not in _NO_COUNTRIES
    }
    return dict(sorted(named.items(), key=lambda entry: entry[1]))
