"""Runs Harbour as it is deployed, by its own WSGI server.

A process bills one SQLAlchemy object, and the other tests have another: so Harbour gets its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serve(database: str, stripe: str, log: Path) -> Iterator[str]:
    """Serve Harbour on a new database; give its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    env = os.environ | {
        "BILLING_BASE_URL": url,
        "DATABASE_URL": database,
        "PROXY_HOPS": "1",
        "SECRET_KEY": "a secret of the tests",
        "SIGN_IN_LIMIT_PER_ACCOUNT": "3",
        "SIGN_IN_LIMIT_PER_ADDRESS": "6",
        "SIGN_IN_WINDOW": "100000000",
        "STRIPE_API_BASE": stripe,
        "STRIPE_SECRET_KEY": "sk_test_harbour",
    }
    upgrade = [sys.executable, "-m", "flask", "--app", "example_app.wsgi", "db", "upgrade"]
    subprocess.run(upgrade, env=env, check=True, timeout=120)
    bind = f"fd://{listener.fileno()}"
    server = [sys.executable, "-m", "gunicorn", "example_app.wsgi:app", "--bind", bind]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*server, "--threads", "4", "--no-control-socket"],
            env=env,
            pass_fds=[listener.fileno()],
            stderr=output,
            stdout=output,
        )
    listener.close()
    try:
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
