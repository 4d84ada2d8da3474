"""Runs Harbour beside a local Stripe, with accounts to try: `python -m example_app.demo`.

What people do in it is kept in a folder; remove `instance/demo` to begin afresh.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import click
from flask import Flask
from flask_migrate import upgrade
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from example_app import create_app
from example_app.seed import ADA, GRACE, PASSWORD, seed
from flask_billing.sandbox import Sandbox

HOST = "127.0.0.1"

CARDS = {
    "4242 4242 4242 4242": "is saved at once",
    "4000 0025 0000 3155": "the bank asks to confirm it",
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
    """Another program listens where the demo was to listen."""

    def __init__(self, port: int, variable: str) -> None:
        super().__init__(
            f"Port {port} is taken by another program. Choose another one: "
            f"{variable}={port + 1} make demo"
        )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m example_app.demo", description="Run Harbour beside a local Stripe."
    )
    parser.add_argument(
        "--port", type=int, default=os.environ.get("PORT", "5000"), help="of the app (PORT)"
    )
    parser.add_argument(
        "--sandbox-port",
        type=int,
        default=os.environ.get("SANDBOX_PORT", "4242"),
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
    listener = stack.enter_context(closing(_listen(options.port, "PORT")))
    _listen(options.sandbox_port, "SANDBOX_PORT").close()
    sandbox = stack.enter_context(
        Sandbox(str(folder / "stripe.sqlite3"), port=options.sandbox_port)
    )
    url = f"http://{HOST}:{options.port}"
    app = _make_app(folder, url, sandbox.url)
    server = _make_server(app, listener)
    stack.callback(server.server_close)
    _explain(url, sandbox.url)
    server.serve_forever()
    raise KeyboardInterrupt  # Werkzeug's server keeps the one of Ctrl-C to itself.


def _listen(port: int, variable: str) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        raise PortTaken(port, variable) from None


def _make_app(folder: Path, url: str, stripe_url: str) -> Flask:
    app = create_app(
        {
            "SECRET_KEY": _secret_key(folder / "secret_key"),
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder.absolute() / 'harbour.sqlite3'}",
            "STRIPE_SECRET_KEY": "sk_test_harbour",
            "STRIPE_API_BASE": stripe_url,
            "BILLING_BASE_URL": url,
            "PROXY_HOPS": 0,
        }
    )
    with app.app_context():
        upgrade()
        seed()
    return app


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


def _explain(url: str, stripe_url: str) -> None:
    cards = "\n".join(f"  {number}  {what}" for number, what in CARDS.items())
    click.echo(
        f"""\
Harbour       {url}
Local Stripe  {stripe_url}

Sign in as    {ADA} or {GRACE}
Password      {PASSWORD}

Test cards (any later expiry date, any security code)
{cards}

Ctrl-C stops both."""
    )


if __name__ == "__main__":
    sys.exit(main())
