"""Speaks the reader's language: our own gettext domain, beside the host's and never in its way.

Where the host uses Flask-Babel, its locale holds, and its translation directories may add languages
as `flask_billing.mo`. Elsewhere the browser's wish is matched against the languages that we ship.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.support import NullTranslations, Translations
from flask import current_app, request

__all__ = ["DOMAIN", "N_", "gettext", "language", "locale", "ngettext"]

DOMAIN = "flask_billing"
DIRECTORY = Path(__file__).parent / "translations"


def N_(message: str) -> str:  # noqa: N802 - the name by which gettext's tools know it
    """Mark `message` for translation without translating it yet."""
    return message


def gettext(message: str, **variables: Any) -> str:
    """Return `message` in the reader's language, with `variables` filled in."""
    translated = _translations().ugettext(message)
    return translated % variables if variables else translated


def ngettext(singular: str, plural: str, num: int, **variables: Any) -> str:
    """Return the form that belongs to `num`, in the reader's language; `num` is filled in too."""
    return _translations().ungettext(singular, plural, num) % {"num": num, **variables}


def locale() -> Locale:
    """Return the reader's locale."""
    if _host_translates():
        from flask_babel import get_locale

        chosen: Locale | None = get_locale()
        return chosen or Locale("en")
    return Locale.parse(request.accept_languages.best_match(_shipped(), default="en"))


def language() -> str:
    """Return the language that our messages are in, as HTML names it."""
    spoken = isinstance(_translations(), Translations)
    return str(locale()).replace("_", "-") if spoken else "en"


def _translations() -> NullTranslations:
    chosen = locale()
    directories = [str(DIRECTORY)]
    if _host_translates():
        directories += current_app.extensions["babel"].translation_directories
    return _catalog(str(chosen), tuple(directories))


def _host_translates() -> bool:
    if "babel" not in current_app.extensions:
        return False
    try:
        import flask_babel
    except ImportError:
        return False
    return hasattr(flask_babel, "get_locale")


@lru_cache
def _shipped() -> tuple[str, ...]:
    """Return the languages that we have, English first: it wins where the reader has no wish."""
    return ("en", *sorted(path.parts[-3] for path in DIRECTORY.glob(f"*/LC_MESSAGES/{DOMAIN}.mo")))


@lru_cache(maxsize=64)
def _catalog(name: str, directories: tuple[str, ...]) -> NullTranslations:
    found = [
        Translations.load(directory, [name, name.partition("_")[0]], DOMAIN)
        for directory in directories
    ]
    catalogs = [catalog for catalog in found if isinstance(catalog, Translations)]
    merged = Translations()
    for catalog in catalogs:
        merged.merge(catalog)
    return merged if catalogs else NullTranslations()
