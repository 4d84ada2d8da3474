"""`python -m example_app.demo`: everything runs, says where, and keeps what was done."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from stripe import StripeClient
from stripe import api_version as stripe_version

from flask_billing.periods import month_of
from tests.example_app.running import demo, free_ports, told
from tests.example_app.visitor import (
    Page,
    Visitor,
    enroll,
    leave_a_card,
    new_project,
    save_card,
    sign_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOVE = "Move the clock to the end of the month"


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two ports on which nothing listens."""
    return free_ports()


@pytest.fixture
def person() -> Iterator[Visitor]:
    visitor = Visitor("", "127.0.0.1")
    yield visitor
    visitor.session.close()


def test_demo_says_where_it_is_and_lets_the_demo_accounts_in(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]

        done = sign_in(person, "ada@example.com", running.password)
        page = person.follow(done)

        assert running.addresses == [f"http://127.0.0.1:{port}" for port in ports]
        assert "4242 4242 4242 4242" in running.said
        assert "Analytical Engine" in page.text


def test_demo_stops_quietly_and_keeps_what_was_done(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    with demo(tmp_path, *ports) as first:
        person.url = first.addresses[0]
        sign_in(person, "grace@example.com", first.password)
        new_project(person, "A Project of the First Run")
        person.session.close()
        first.stop()

    with demo(tmp_path, *ports) as second:
        page = person.get("/projects")
        person.session.close()
        second.stop(signal.SIGTERM)

    assert (first.process.returncode, first.errors) == (0, "")
    assert (second.process.returncode, second.errors) == (0, "")
    assert "A Project of the First Run" in page.text


def test_card_is_there_though_the_person_never_comes_back_from_the_payment_page(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    warning = "Servers and databases need a payment method."
    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]
        sign_in(person, "grace@example.com", running.password)
        person.email = "grace@example.com"
        project = new_project(person)
        before = Page(person.get(project)).text

        leading_back = leave_a_card(person, person.get(f"{project}/billing"))

        until = time.monotonic() + 20
        while warning in Page(person.get(project)).text and time.monotonic() < until:
            time.sleep(0.05)
        after = Page(person.get(project)).text
        billing = Page(person.get(f"{project}/billing")).text
        person.session.close()
        running.stop()

    assert leading_back.is_redirect
    assert warning in before
    assert warning not in after
    assert "4242" in billing
    assert running.process.returncode == 0
    assert "Traceback" not in running.errors


def test_staff_of_the_demo_sees_what_arrived_from_stripe(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]
        sign_in(person, "ada@example.com", running.password)

        page = person.get("/billing/staff/events")
        links = [values.get("href") for tag, values in Page(person.get("/projects")).tags]

    assert page.status_code == 200
    assert "/billing/staff/events" in links


def test_projects_of_the_demo_have_three_months_behind_them(
    tmp_path: Path, ports: tuple[int, int]
) -> None:
    with demo(tmp_path, *ports) as first:
        first.stop()
    seen = [told(tmp_path)]
    with demo(tmp_path, *ports) as second:
        second.stop()
    seen.append(told(tmp_path))

    invoices, unpaid, records, parked = seen[0]
    assert invoices == [("Analytical Engine", 3), ("Compiler", 3), ("Loom", 1)]
    assert unpaid == [("Loom", 1)]
    assert records == [("Analytical Engine", 4), ("Compiler", 3)]
    assert parked == [(0,)]
    assert seen[0] == seen[1]
    assert (first.process.returncode, first.errors) == (0, "")
    assert (second.process.returncode, second.errors) == (0, "")


def test_clock_of_the_demo_is_moved_to_the_end_of_the_month_and_stays_there(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    first_day = f"{month_of(datetime.now(UTC)).end:%B %Y}"
    second_day = f"{month_of(month_of(datetime.now(UTC)).end).end:%B %Y}"
    with demo(tmp_path, *ports) as first:
        person.url = first.addresses[0]
        sign_in(person, "grace@example.com", first.password)
        page = person.get("/demo/month-end")
        after = Page(person.follow(person.submit(page, MOVE)))
        person.session.close()
        first.stop()
    seen = told(tmp_path)

    with demo(tmp_path, *ports) as second:
        page = person.get("/demo/month-end")
        further = Page(person.follow(person.submit(page, MOVE)))
        person.session.close()
        second.stop()

    assert f"It is 1 {first_day}." in after.text
    assert "Invoices collected: 2 paid, 1 declined." in after.text
    assert seen[:2] == [
        [("Analytical Engine", 4), ("Compiler", 4), ("Loom", 1)],
        [("Loom", 1)],
    ]
    assert f"In this demo it is 1 {first_day}" in Page(page).text
    assert f"It is 1 {second_day}." in further.text
    assert told(tmp_path)[0] == [("Analytical Engine", 5), ("Compiler", 5), ("Loom", 1)]
    assert (first.errors, second.errors) == ("", "")


def test_invoice_that_its_owner_has_to_confirm_says_so(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]
        enroll(person, "new@example.com")
        project = new_project(person)
        # A whole month lies before it then.
        person.submit(person.get("/demo/month-end"), MOVE)
        challenge = save_card(person, person.get(f"{project}/billing"), "4000 0027 6000 3184")
        person.follow(person.submit(challenge, "Complete authentication"))
        form = person.get(f"{project}/servers/new")
        person.submit(form, "Create server", name="web-1", size="standard-8")

        page = person.follow(person.submit(person.get("/demo/month-end"), MOVE))

        person.session.close()
        running.stop()

    assert "1 waiting for their owner" in Page(page).text
    assert "to be confirmed to the bank" in Page(page).text


def test_demo_is_sent_what_it_deals_with_and_shows_the_letters(
    tmp_path: Path, ports: tuple[int, int]
) -> None:
    letters = tmp_path / "letters.txt"
    with demo(tmp_path, *ports) as running:
        url, stripe_url = running.addresses
        client = StripeClient("sk_test_harbour", base_addresses={"api": stripe_url})
        [endpoint] = client.v1.webhook_endpoints.list().data
        written = eventually(lambda: letters.exists() and "Receipt" in letters.read_text())
        running.stop()

    assert endpoint.url == f"{url}/billing/webhooks/stripe"
    assert endpoint.api_version == stripe_version
    assert "*" not in endpoint.enabled_events
    assert str(letters) in running.said
    assert written


def test_worker_is_heard_soon_after_the_clock_was_moved(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    def is_heard() -> bool:
        return "No worker is at work" not in Page(person.get("/billing/staff/invoices")).text

    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]
        sign_in(person, "ada@example.com", running.password)
        at_first = eventually(is_heard)
        person.submit(person.get("/demo/month-end"), MOVE)

        afterwards = eventually(is_heard)

        person.session.close()
        running.stop()

    assert at_first
    assert afterwards


def eventually(is_so: Callable[[], bool]) -> bool:
    """Wait for what the worker is to do, for less long than it leaves between two of its words."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_clock_is_moved_by_who_pays_and_by_staff_alone(
    tmp_path: Path, ports: tuple[int, int], person: Visitor
) -> None:
    with demo(tmp_path, *ports) as running:
        person.url = running.addresses[0]
        enroll(person, "new@example.com")

        asked = person.post("/demo/month-end")
        links = [values.get("href") for tag, values in Page(person.get("/projects")).tags]
        without_token = person.session.post(f"{person.url}/demo/month-end", timeout=30)
        person.session.cookies.clear()
        signed_out = person.get("/demo/month-end")
        person.session.close()
        running.stop()

    assert asked.status_code == 403
    assert "/demo/month-end" not in links
    assert without_token.status_code == 400
    assert signed_out.headers["Location"] == "/sign-in?next=/demo/month-end"
    assert told(tmp_path)[0] == [("Analytical Engine", 3), ("Compiler", 3), ("Loom", 1)]


def test_nobody_moves_the_clock_of_an_app_that_is_no_demo(
    sign_up: Callable[[], Visitor],
) -> None:
    owner = sign_up()
    new_project(owner)

    assert owner.get("/demo/month-end").status_code == 404
    assert owner.post("/demo/month-end").status_code == 404
    assert "Month-end" not in Page(owner.get("/projects")).text


def test_clock_of_an_app_that_talks_to_stripe_itself_is_not_moved(tmp_path: Path) -> None:
    environment = {"SECRET_KEY": "a secret", "DEMO_CLOCK": str(tmp_path / "clock")}
    command = [sys.executable, "-c", "import example_app.wsgi"]

    started = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )

    assert started.returncode == 1
    assert "DEMO_CLOCK is for the demo alone" in started.stderr


def test_demo_leaves_no_process_behind(tmp_path: Path, ports: tuple[int, int]) -> None:
    with demo(tmp_path, *ports) as running:
        running.stop(signal.SIGTERM)

        with pytest.raises(ProcessLookupError):
            os.killpg(running.process.pid, 0)


@pytest.mark.parametrize("taken", ["PORT", "SANDBOX_PORT"])
def test_taken_port_is_named(tmp_path: Path, ports: tuple[int, int], taken: str) -> None:
    port = ports[0] if taken == "PORT" else ports[1]
    others = dict(zip(("PORT", "SANDBOX_PORT"), ports, strict=True)) | {taken: port + 1}
    chosen = " ".join(f"{name}={other}" for name, other in others.items())

    with socket.create_server(("127.0.0.1", port)), demo(tmp_path, *ports) as running:
        running.process.wait(timeout=30)
        running.stop()

    assert running.process.returncode == 1
    assert running.errors == (
        f"Port {port} is taken by another program. Choose another one: {chosen} make demo\n"
    )


def test_usual_port_is_not_named(tmp_path: Path, ports: tuple[int, int]) -> None:
    with socket.create_server(("127.0.0.1", ports[0])), demo(tmp_path, ports[0], 4242) as running:
        running.process.wait(timeout=30)
        running.stop()

    assert running.errors.endswith(f"Choose another one: PORT={ports[0] + 1} make demo\n")
