"""Runs Harbour beside a local Stripe, with accounts to try: `python -m example_app.demo`.

What people do in it is kept in a folder; remove `instance/demo` to begin afresh.
"""

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask
from flask_migrate import upgrade
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from example_app import create_app
from example_app.seed import ADA, GRACE, PASSWORD, seed
from flask_billing.sandbox import DEFAULT_WEBHOOK_SECRET, Sandbox

HOST = "127.0.0.1"
PORTS = {"PORT": 5000, "SANDBOX_PORT": 4242}

CARDS = {
    "4242 4242 4242 4242": "is saved at once",
    "4000 0025 0000 3155": "the bank asks to confirm it",
    "4000 0027 6000 3184": "the bank asks to confirm it, and every later charge",
    "4000 0000 0000 0002": "is declined",
    "4000 0000 0000 9995": "is declined for insufficient funds",
    "4000 0000 0000 0341": "is saved, and declined when it is charged",
}


class QuietHandler(WSGIRequestHandler):
    """Leaves the terminal to what the demo has to say."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit code."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as stack:
            _serve(stack, options)
    except KeyboardInterrupt:
        click.echo("\nStopped. Run it again and everything is as you left it.")
        return 0
    except PortTaken as taken:
        click.echo(taken, err=True)
        return 1


class PortTaken(Exception):
    """Another program listens where the demo was to listen.

    :param ports: Where it was to, by the variables that say so.
    """

    def __init__(self, ports: Mapping[str, int], variable: str) -> None:
        port = ports[variable]
        others = {**ports, variable: port + 1}
        chosen = [f"{name}={at}" for name, at in others.items() if at != PORTS[name]]
        super().__init__(
            f"Port {port} is taken by another program. Choose another one: "
            f"{' '.join([*chosen, 'make demo'])}"
        )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m example_app.demo", description="Run Harbour beside a local Stripe."
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("PORT", str(PORTS["PORT"])),
        help="of the app (PORT)",
    )
    parser.add_argument(
        "--sandbox-port",
        type=int,
        default=os.environ.get("SANDBOX_PORT", str(PORTS["SANDBOX_PORT"])),
        help="of the local Stripe (SANDBOX_PORT)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(Flask("example_app").instance_path, "demo"),
        help="where everything is kept",
    )
    return parser.parse_args(arguments)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _serve(stack: ExitStack, options: argparse.Namespace) -> NoReturn:
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    ports = {"PORT": options.port, "SANDBOX_PORT": options.sandbox_port}
    listener = stack.enter_context(closing(_listen(ports, "PORT")))
    _listen(ports, "SANDBOX_PORT").close()
    sandbox = stack.enter_context(
        Sandbox(str(folder / "stripe.sqlite3"), port=options.sandbox_port)
    )
    url = f"http://{HOST}:{options.port}"
    os.environ |= _settings(folder, url, sandbox.url)
    app = _make_app()
    server = _make_server(app, listener)
    stack.callback(server.server_close)
    sandbox.webhooks.register(f"{url}/billing/webhooks/stripe", DEFAULT_WEBHOOK_SECRET)
    # As a deployment does: of all that there is, it asks for what the app deals with.
    app.test_cli_runner().invoke(args=["billing", "webhook-endpoint", "check", "--fix"])
    sandbox.webhooks.start()
    stack.callback(sandbox.webhooks.stop)
    stack.callback(_stop, _start_worker())
    _explain(url, sandbox.url, os.environ["DEMO_LETTERS"])
    server.serve_forever()
    raise KeyboardInterrupt  # Werkzeug's server keeps the one of Ctrl-C to itself.


def _listen(ports: Mapping[str, int], variable: str) -> socket.socket:
    try:
        return socket.create_server((HOST, ports[variable]))
    except OSError:
        raise PortTaken(ports, variable) from None


def _settings(folder: Path, url: str, stripe_url: str) -> dict[str, str]:
    """Return what a deployment would have in its environment."""
    return {
        "SECRET_KEY": _secret_key(folder / "secret_key"),
        "DATABASE_URL": f"sqlite:///{folder.absolute() / 'harbour.sqlite3'}",
        "STRIPE_SECRET_KEY": "sk_test_harbour",
        "STRIPE_API_BASE": stripe_url,
        "STRIPE_WEBHOOK_SECRET": DEFAULT_WEBHOOK_SECRET,
        "BILLING_BASE_URL": url,
        "DEMO_CLOCK": str(folder.absolute() / "clock"),
        "DEMO_LETTERS": str(folder.absolute() / "letters.txt"),
        "PROXY_HOPS": "0",
    }


def _make_app() -> Flask:
    app = create_app()
    with app.app_context():
        upgrade()
        seed()
    return app


def _start_worker() -> subprocess.Popen[bytes]:
    """Start what finishes what was interrupted and tries again, as a deployment would.

    It is ended by us alone: Ctrl-C, which reaches it too, could come before it is ready for that.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "example_app", "billing", "run"],
            stdout=subprocess.DEVNULL,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    worker.wait()


def _secret_key(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()


def _make_server(app: Flask, listener: socket.socket) -> BaseWSGIServer:
    host, port = listener.getsockname()
    return make_server(
        host, port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno()
    )


def _explain(url: str, stripe_url: str, letters: str) -> None:
    cards = "\n".join(f"  {number}  {what}" for number, what in CARDS.items())
    click.echo(
        f"""\
Harbour       {url}
Local Stripe  {stripe_url}
Letters       {letters}
              has what people would be sent, such as receipts

Sign in as    {ADA} (who is staff) or {GRACE}
Password      {PASSWORD}

What to see   Analytical Engine: three months of usage and paid invoices, credit, spending alerts
              Compiler (Grace's): an amount carried to the next month, and a discount
              Loom (Ada's): an invoice that is past due, as its card is declined
              Notes (Ada's): no payment method yet, so no server can be created
              Month-end: moves the clock there, and charges what was used until then

Test cards (any later expiry date, any security code)
{cards}

Ctrl-C stops both."""
    )


if __name__ == "__main__":
    sys.exit(main())
