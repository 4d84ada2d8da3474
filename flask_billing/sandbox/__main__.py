"""Runs the sandbox from the command line: `python -m flask_billing.sandbox --port 4242`."""

import argparse

from .engine.engine import DEFAULT_WEBHOOK_SECRET
from .server import serve


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m flask_billing.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4242, help="port to listen on")
    parser.add_argument("--database", help="SQLite file that keeps the state")
    parser.add_argument(
        "--allow-remote", action="store_true", help="let other machines reach the sandbox"
    )
    parser.add_argument("--webhook-url", help="endpoint on this machine that gets all events")
    parser.add_argument(
        "--webhook-secret", default=DEFAULT_WEBHOOK_SECRET, help="what its events are signed with"
    )
    given = parser.parse_args()
    try:
        serve(
            given.host,
            given.port,
            given.database,
            allow_remote=given.allow_remote,
            webhook=(given.webhook_url, given.webhook_secret) if given.webhook_url else None,
            ready=lambda url: print(f"The sandbox answers at {url}", flush=True),  # noqa: T201
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
