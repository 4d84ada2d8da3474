"""`python -m example_app.demo`: everything runs, says where, and keeps what was done."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.example_app.visitor import Visitor, new_project, sign_in

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
        self.process.send_signal(how)
        rest, self.errors = self.process.communicate(timeout=30)
        self.said += rest


@contextmanager
def demo(folder: Path, app_port: int, sandbox_port: int) -> Iterator[Demo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "example_app.demo", "--folder", str(folder)],
        env=os.environ | {"PORT": str(app_port), "SANDBOX_PORT": str(sandbox_port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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
