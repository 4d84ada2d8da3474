"""Our own catalogs hold every message, and nothing that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from flask_billing.web import i18n

WEB = Path(i18n.__file__).parent
TRANSLATIONS = WEB / "translations"
LANGUAGES = sorted(path.name for path in TRANSLATIONS.iterdir() if path.is_dir())
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS = {
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "billing_gettext": None,
    "billing_ngettext": (1, 2),
}


def messages() -> Iterator[str]:
    for found in extract_from_dir(WEB, METHODS, keywords=KEYWORDS, comment_tags=()):
        message = found[2]
        yield message if isinstance(message, str) else message[0]


def catalog(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=None)


def ids(of: Catalog) -> set[str]:
    return {m.id if isinstance(m.id, str) else m.id[0] for m in of if m.id}


def forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def test_template_of_the_catalogs_holds_every_message() -> None:
    assert ids(catalog(TRANSLATIONS / "flask_billing.pot")) == set(messages())


@pytest.mark.parametrize("language", LANGUAGES)
def test_translation_is_whole_and_compiled(language: str) -> None:
    directory = TRANSLATIONS / language / "LC_MESSAGES"
    source = catalog(directory / "flask_billing.po")
    with (directory / "flask_billing.mo").open("rb") as file:
        compiled = read_mo(file)

    assert ids(source) == set(messages())
    assert all(message.string for message in source if message.id)
    assert not any(message.fuzzy for message in source if message.id)
    assert not any(list(message.check()) for message in source if message.id)
    assert ids(compiled) == ids(source)
    assert all(forms(compiled[m.id]) == forms(m) for m in source if m.id)
