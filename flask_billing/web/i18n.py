"""Speaks the reader's language: our own gettext domain, beside the host's and never in its way.

Where the host uses Flask-Babel, its locale holds, and its translation directories may add languages
as `flask_billing.mo`. Elsewhere the browser's wish is matched against the languages that we ship.
Where there is no request, as for letters, :func:`speaking` says which language it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.support import NullTranslations, Translations
from flask import current_app, request

__all__ = ["DOMAIN", "N_", "gettext", "language", "locale", "ngettext", "speaking"]

DOMAIN = "flask_billing"
DIRECTORY = Path(__file__).parent / "translations"


_spoken: ContextVar[Locale | None] = ContextVar("flask_billing_spoken", default=None)


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
    spoken = _spoken.get()
    if spoken is not None:
        return spoken
    if _host_translates():
        from flask_babel import get_locale

        chosen: Locale | None = get_locale()
        return chosen or Locale("en")
    return Locale.parse(request.accept_languages.best_match(_shipped(), default="en"))


@contextmanager
def speaking(name: str | None) -> Iterator[None]:
    """Speak a language while a `with` block runs, whoever asks.

    :param name: Such as ``"de"`` or ``"pt-BR"``; for `None`, and for one that does not exist, the
        default of the host's Flask-Babel, or English.
    """
    token = _spoken.set(_known(name) or _host_default())
    try:
        yield
    finally:
        _spoken.reset(token)


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


def _known(name: str | None) -> Locale | None:
    try:
        return Locale.parse(name.replace("-", "_")) if name else None
    except (UnknownLocaleError, ValueError):
        return None


def _host_default() -> Locale:
    if not _host_translates():
        return Locale("en")
    from flask_babel import get_babel

    default: Locale = get_babel().instance.default_locale
    return default


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
