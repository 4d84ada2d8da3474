"""The pages in the host's own clothes: base template, single blocks, languages."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from jinja2 import ChoiceLoader, DictLoader

from tests.web.conftest import Person

BASE = """<!doctype html><html lang="en"><head>
<title>{% block title %}Harbour{% endblock %}</title>{% block head %}<meta name="own">{% endblock %}
</head><body><nav>{{ _("Home") }}</nav><main>{% block content %}{% endblock %}</main></body></html>
"""


def give_templates(app: Flask, **templates: str) -> None:
    """Put templates where the host's own are found: before those of the package."""
    own = {name.replace("__", "/") + ".html": text for name, text in templates.items()}
    assert app.jinja_loader is not None
    app.jinja_loader = ChoiceLoader([DictLoader(own), app.jinja_loader])


class TestInTheLayoutOfTheHost:
    """`BILLING_LAYOUT` names a base with the blocks title, head and content."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"BILLING_LAYOUT": "base.html"}

    def test_pages_fill_the_blocks_of_the_host(self, app: Flask, person: Person) -> None:
        app.jinja_env.globals["_"] = {"Home": "Zuhause"}.__getitem__
        give_templates(app, base=BASE)

        page = person.page().text

        assert "<title>Billing · Harbour</title>" in page
        assert '<meta name="own">' in page
        assert "billing.css" in page
        assert "<nav>Zuhause</nav>" in page
        assert "billing-body" not in page


def test_single_block_can_be_replaced(app: Flask, person: Person) -> None:
    give_templates(
        app,
        billing__index='{% extends "billing/_index.html" %}'
        "{% block billing_resources %}<p>ours</p>{% endblock %}",
    )

    page = person.page().text

    assert "<p>ours</p>" in page
    assert "Billable right now" not in page
    assert "Payment methods" in page


def test_pages_need_no_script_and_no_inline_style(person: Person) -> None:
    person.save_card()

    for path in ("", "/details"):
        page = person.page(path).text
        assert "<script" not in page
        assert "style=" not in page
        assert "<style" not in page
        assert " onclick" not in page


def test_pages_speak_the_language_that_the_browser_asks_for(person: Person) -> None:
    page = person.page(headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}).text

    assert '<html lang="de">' in page
    assert "Zahlungsmittel" in page
    assert "Payment methods" not in page


@pytest.mark.parametrize("wish", ["", "fr", "xx-nonsense", "*"])
def test_pages_speak_english_where_the_wish_is_not_known(person: Person, wish: str) -> None:
    page = person.page(headers={"Accept-Language": wish}).text

    assert "Payment methods" in page


def test_host_with_flask_babel_decides_the_language(app: Flask, person: Person) -> None:
    Babel(app, locale_selector=lambda: "de")

    page = person.page(headers={"Accept-Language": "en"}).text

    assert "Zahlungsmittel" in page


def test_host_with_flask_babel_can_bring_a_language_of_its_own(
    app: Flask, person: Person, tmp_path: Any
) -> None:
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo

    catalog = Catalog(locale="fr", domain="flask_billing")
    catalog.add("Payment methods", "Moyens de paiement")
    directory = tmp_path / "fr" / "LC_MESSAGES"
    directory.mkdir(parents=True)
    with (directory / "flask_billing.mo").open("wb") as file:
        write_mo(file, catalog)
    Babel(app, locale_selector=lambda: "fr", default_translation_directories=str(tmp_path))

    page = person.page().text

    assert "Moyens de paiement" in page
    assert "Billing details" in page


def test_locale_of_the_host_that_has_no_translation_still_names_countries(
    app: Flask, person: Person
) -> None:
    Babel(app, locale_selector=lambda: "pt_BR")
    person.save_card()

    page = person.page().text

    assert "Reino Unido" in page
    assert '<html lang="en">' in page
