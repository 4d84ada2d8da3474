"""Starts receivers and workers in processes of their own, and kills them at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

#: The host's handlers by their names, and the event types that they are for.
HANDLERS = {"steady": "payment_method.*", "stumbling": "payment_method.*", "watching": "customer.*"}


class SharedClock:
    """A clock that is moved for this process and all of the crew, through a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ahead = 0.0
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        new = self.path.with_suffix(".new")
        new.write_text(str(self._ahead))
        new.replace(self.path)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)


class Crew:
    """The processes of the host; :func:`hired` makes one."""

    def __init__(self, program: subprocess.Popen[str], url: str, log: Path) -> None:
        self.url = url
        self.log = log
        self.kills = 0
        self._program = program
        self._roles: dict[int, str] = {}
        self._lock = threading.Lock()

    def start(self, role: str) -> None:
        with self._lock:
            self._roles[int(self._tell(f"start {role}"))] = role

    def replace_one(self, draws: random.Random) -> None:
        """Kill somebody at whatever they are doing, and start another in their place."""
        pid = draws.choice(sorted(self._roles))
        self.kills += 1
        self.start(self.kill(pid))

    @contextmanager
    def frozen(self, role: str, draws: random.Random) -> Iterator[None]:
        """Keep somebody from going on, at whatever they are doing, while the block runs."""
        pid = draws.choice(sorted(pid for pid, their in self._roles.items() if their == role))
        self._send("freeze", pid)
        try:
            yield
        finally:
            self._send("wake", pid)

    def _send(self, command: str, pid: int) -> None:
        with self._lock:
            self._tell(f"{command} {pid}")

    def kill(self, pid: int) -> str:
        with self._lock:
            ended = int(self._tell(f"kill {pid}"))
            assert ended == signal.SIGKILL, self.log.read_text()
            return self._roles.pop(pid)

    def dismiss(self) -> None:
        for pid in sorted(self._roles):
            self.kill(pid)

    def _tell(self, command: str) -> str:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(f"{command}\n")
        self._program.stdin.flush()
        return self._program.stdout.readline()


@contextmanager
def hired(folder: Path, clock: SharedClock, **options: Any) -> Iterator[Crew]:
    """Start the program that starts the others; all of them end with the block."""
    log = folder / "crew.log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("w") as errors:
        options |= {"socket": listener.fileno(), "clock": str(clock.path)}
        program = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.hostile.host", json.dumps(options)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            pass_fds=[listener.fileno()],
        )
        with program:
            try:
                assert program.stdout is not None
                assert program.stdout.readline() == "ready\n", log.read_text()
                address, port = listener.getsockname()
                yield Crew(program, f"http://{address}:{port}", log)
            finally:
                assert program.stdin is not None
                program.stdin.close()
                try:
                    program.wait(30)
                except subprocess.TimeoutExpired:
                    program.kill()
                    raise
