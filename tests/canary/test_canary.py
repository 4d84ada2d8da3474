"""Nothing personal and nothing secret is left of a journey but at Stripe and before its person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlsplit

import pytest

from tests.canary.canaries import (
    CARDS,
    DETAILS,
    HOLDER,
    PERSONAL,
    PHONE,
    PLANTED,
    SECRET,
    found,
)
from tests.canary.telling import told_by

if TYPE_CHECKING:
    from requests import Response

    from tests.canary.conftest import Traces

pytestmark = pytest.mark.database

MEANT_FOR_IT = re.compile(r"/projects/\d+/billing(/details|/payment-methods/[^/]+/remove)?")
CHECKOUT = "/c/pay/"


def anything(text: str, traces: Traces) -> list[str]:
    """Whatever a text holds that it may not."""
    return found(text, *PERSONAL, *SECRET, *traces.secrets, CHECKOUT)


def is_page(response: Response) -> bool:
    """Whether people are meant to find their own details here."""
    is_html = response.headers.get("Content-Type", "").startswith("text/html")
    return is_html and MEANT_FOR_IT.fullmatch(urlsplit(response.url).path) is not None


def is_way_to_checkout(response: Response) -> bool:
    """Whether it is the redirect that brings the person to the processor's page."""
    return response.url.endswith("/billing/payment-methods") and CHECKOUT in response.headers.get(
        "Location", ""
    )


def test_no_table_holds_anything(traces: Traces) -> None:
    assert {name: anything(dump, traces) for name, dump in traces.tables.items()} == {
        name: [] for name in traces.tables
    }


def test_file_of_the_database_holds_nothing_in_its_free_pages_either(traces: Traces) -> None:
    long = [canary for canary in (*PERSONAL, *SECRET, *traces.secrets) if len(canary) > 5]

    assert found(traces.file, *long, CHECKOUT) == []


def test_no_log_holds_anything(traces: Traces) -> None:
    assert [line for line in traces.log.splitlines() if anything(line, traces)] == []


def test_no_command_prints_anything(traces: Traces) -> None:
    assert anything(traces.commands, traces) == []


def test_no_session_and_no_flash_message_holds_anything(traces: Traces) -> None:
    assert [session for session in traces.sessions if anything(str(session), traces)] == []


def test_no_header_and_no_redirect_holds_anything(traces: Traces) -> None:
    leaks = [
        (response.url, header)
        for response, header in traces.headers
        if anything(header, traces) and not is_way_to_checkout(response)
    ]

    assert leaks == []


def test_way_to_checkout_says_nothing_but_the_way(traces: Traces) -> None:
    ways = [response for response in traces.responses if is_way_to_checkout(response)]

    assert len(ways) == 3
    for way in ways:
        address = way.headers["Location"]
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+{CHECKOUT}cs_\w+", address)
        assert "no-store" in way.headers["Cache-Control"]
        headers = [header for response, header in traces.headers if response is way]
        assert anything("\n".join(headers).replace(address, ""), traces) == []
        assert anything(way.text.replace(address, ""), traces) == []


def test_no_page_holds_anything_that_is_not_meant_for_it(traces: Traces) -> None:
    leaks = {
        response.url: held
        for response in traces.responses
        if not is_page(response)
        and not is_way_to_checkout(response)
        and (held := anything(response.text, traces))
    }

    assert leaks == {}


def test_no_page_at_all_holds_a_secret_or_the_number_of_a_card(traces: Traces) -> None:
    leaks = {
        response.url: held
        for response in traces.responses
        if not is_way_to_checkout(response)
        and (held := found(response.text, *SECRET, *traces.secrets, CHECKOUT))
    }

    assert leaks == {}


def test_no_address_and_no_idempotency_key_at_stripe_holds_anything(traces: Traces) -> None:
    assert anything(traces.keys, traces) == []


# From here on: the search itself. What it looks for was there, and it finds what is there.


def test_canaries_were_on_the_pages_meant_for_them(traces: Traces) -> None:
    pages = " ".join(response.text for response in traces.responses if is_page(response))
    shown = [value for name, value in DETAILS.items() if name not in {"country", "tax_id_type"}]

    assert found(pages, *shown) == shown
    assert found(pages, HOLDER["name"], HOLDER["line1"]) == [HOLDER["name"], HOLDER["line1"]]
    assert found(pages, "0505", "0005", "3155", "jcb") == ["0505", "0005", "3155", "jcb"]
    assert traces.phones == [PHONE]
    assert len(traces.secrets) > len(CARDS)


def test_everything_that_could_leak_was_recorded(traces: Traces) -> None:
    assert "cus_" in traces.tables["billing_info"]
    assert "pm_" in traces.tables["payment_method"]
    assert "cs_" in traces.tables["setup_session"]
    assert "customer.updated" in traces.tables["billing_event"]
    assert "A webhook was refused (signature)." in traces.log
    assert any("/billing/staff/events/evt_" in response.url for response in traces.responses)
    for spoken in (
        "sqlalchemy.engine",
        "urllib3",
        "raised: Stripe did not answer",
        "GatewayRefusal",
    ):
        assert spoken in traces.log
    assert any("_flashes" in session for session in traces.sessions)
    assert "The settings are valid" in traces.commands
    assert "Traceback" not in traces.commands


def test_search_finds_what_was_planted(traces: Traces) -> None:
    pages = [response for response in traces.responses if not is_page(response)]
    places = {
        "table": traces.tables["server"],
        "log": traces.log,
        "session": str(traces.sessions),
        "header": str([header for _, header in traces.headers]),
        "page": " ".join(response.text for response in pages),
        "error": told_by(ValueError(PLANTED)),
    }

    assert [place for place, text in places.items() if found(text, PLANTED) != [PLANTED]] == []


@pytest.mark.parametrize("canary", [*PERSONAL, *SECRET])
def test_search_finds_each_canary_in_company(canary: str) -> None:
    line = f'INSERT INTO t VALUES (\'{canary}\')", {{"k": "{canary.upper()}"}} HTTP/1.1" 200 17'

    assert found(line, canary) == [canary]
    assert found(f"/?q={quote_plus(canary)}&n=1", canary) == [canary]
    assert found('47471 0x20710 1505050 "GET / HTTP/1.1" 200 2071', canary) == []
