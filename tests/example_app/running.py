"""Runs the demo as a person does, and reads what it keeps."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """How many invoices, also unpaid ones, and running records each project has; what is parked."""
    of_each = "SELECT project.name, count(*) FROM {} JOIN project ON project_key = project.id {}"
    queries = [
        of_each.format("billing_invoice", "GROUP BY 1 ORDER BY 1"),
        of_each.format("billing_invoice", "WHERE due > 0 AND state <> 'paid' GROUP BY 1"),
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


def free_ports() -> tuple[int, int]:
    """Return two ports on which nothing listens."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]
