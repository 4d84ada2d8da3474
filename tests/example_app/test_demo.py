"""`python -m example_app.demo`: everything runs, says where, and keeps what was done."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.example_app.visitor import Page, Visitor, leave_a_card, new_project, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDING = "Ctrl-C stops both."


@dataclass
class Demo:
    """A running demo, and what it has said so far."""

    process: subprocess.Popen[str]
    said: str
    errors: str = ""

    @property
    def addresses(self) -> list[str]:
        return re.findall(r"http://127\.0\.0\.1:\d+", self.said)

    @property
    def password(self) -> str:
        return re.search(r"Password +(\S+)", self.said)[1]  # type: ignore[index]

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        if how == signal.SIGTERM:
            self.process.terminate()
        elif self.process.poll() is None:
            # As a terminal does, which asks the worker that the demo has started, too.
            os.killpg(self.process.pid, how)
        rest, self.errors = self.process.communicate(timeout=30)
        self.said += rest


def told(folder: Path) -> list[list[tuple[object, ...]]]:
    """How many invoices and running records each project has, and how many are parked."""
    of_each = "SELECT project.name, count(*) FROM {} JOIN project ON project_key = project.id {}"
    queries = [
        of_each.format("billing_invoice", "GROUP BY 1 ORDER BY 1"),
        of_each.format("billing_record", "WHERE ended_at IS NULL GROUP BY 1 ORDER BY 1"),
        "SELECT count(*) FROM billed_project WHERE parked_reason IS NOT NULL",
    ]
    with closing(sqlite3.connect(folder / "harbour.sqlite3")) as connection:
        return [connection.execute(query).fetchall() for query in queries]


@contextmanager
def demo(folder: Path, app_port: int, sandbox_port: int) -> Iterator[Demo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "example_app.demo", "--folder", str(folder)],
        env=os.environ | {"PORT": str(app_port), "SANDBOX_PORT": str(sandbox_port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if ENDING in line:
            break
    running = Demo(process, said)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.stop(signal.SIGKILL)


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two ports on which nothing listens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


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

    invoices, records, parked = seen[0]
    assert invoices == [("Analytical Engine", 3), ("Compiler", 3)]
    assert records == [("Analytical Engine", 4), ("Compiler", 3)]
    assert parked == [(0,)]
    assert seen[0] == seen[1]
    assert (first.process.returncode, first.errors) == (0, "")
    assert (second.process.returncode, second.errors) == (0, "")


def test_demo_leaves_no_process_behind(tmp_path: Path, ports: tuple[int, int]) -> None:
    with demo(tmp_path, *ports) as running:
        running.stop(signal.SIGTERM)

        with pytest.raises(ProcessLookupError):
            os.killpg(running.process.pid, 0)


@pytest.mark.parametrize("taken", ["PORT", "SANDBOX_PORT"])
def test_taken_port_is_named(tmp_path: Path, ports: tuple[int, int], taken: str) -> None:
    port = ports[0] if taken == "PORT" else ports[1]

    with socket.create_server(("127.0.0.1", port)), demo(tmp_path, *ports) as running:
        running.process.wait(timeout=30)
        running.stop()

    assert running.process.returncode == 1
    assert running.errors == (
        f"Port {port} is taken by another program. "
        f"Choose another one: {taken}={port + 1} make demo\n"
    )
