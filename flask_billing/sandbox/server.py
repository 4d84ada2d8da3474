"""Runs the sandbox: in a thread for tests, or on a port until Ctrl-C."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from .app import create_app
from .engine.clock import Clock
from .engine.engine import DEFAULT_SECRET_KEY, Engine
from .engine.faults import DOWN, Fault
from .engine.requests import RequestLog
from .players import Players
from .webhooks import Webhooks


class _QuietHandler(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Keep URLs, which may hold what a test calls private, out of the logs."""


class _Server(ThreadedWSGIServer):
    """A threaded server that leaves no thread and no socket behind."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that broke off."""

    def server_close(self) -> None:
        """Hang up on browsers that keep a connection open without asking for anything."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue
        super().server_close()


class Sandbox(Players):
    """A local Stripe on a free loopback port, for as long as the `with` block runs.

    :param database: The SQLite file that keeps its state; `None` keeps it in memory.
    :param accounts: Which secret key belongs to which account id; by default every well-formed
        key belongs to one account.
    :param latency: Seconds that each API call takes.
    """

    def __init__(
        self,
        database: str | None = None,
        accounts: dict[str, str] | None = None,
        latency: float = 0.0,
        *,
        port: int = 0,
    ) -> None:
        self.engine = Engine(database, accounts, latency)
        self._server = make_server(self.engine, "127.0.0.1", port)
        # Looks often whether it is to end, as a test suite makes many of these.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self.secret_key = next(iter(accounts or {DEFAULT_SECRET_KEY: ""}))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.engine.stopping.set()
        self.engine.webhooks.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.engine.close()

    @property
    def url(self) -> str:
        """The address for `STRIPE_API_BASE`."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def clock(self) -> Clock:
        """The sandbox's time."""
        return self.engine.clock

    @property
    def requests(self) -> RequestLog:
        """The API calls that came in."""
        return self.engine.requests

    @property
    def webhooks(self) -> Webhooks:
        """What is sent to webhook endpoints; nothing is until `deliver()` or `start()`."""
        return self.engine.webhooks

    @property
    def latency(self) -> float:
        """Seconds that each API call takes."""
        return self.engine.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.engine.latency = seconds

    def fail(
        self,
        call: str,
        *,
        how: str,
        nth: int = 1,
        times: int = 1,
        seconds: float = 0.0,
        **error: Any,
    ) -> None:
        """Have the n-th such call from now go wrong, such as `POST /v1/customers/*`.

        :param how: `refuse`, `timeout_before`, `timeout_after`, `error_500`, `error_500_after`,
            `error_503`, `rate_limit` or `slow`.
        :param error: For `refuse`: `status`, `code`, `param`, `message` and further error fields.
        """
        self.engine.faults.add(Fault(call, how, nth, times, seconds, error))

    def begin_outage(self, how: str = DOWN) -> None:
        """Have every call go wrong until `end_outage`.

        :param how: As for `fail`; unless given, a 503 that no idempotency key remembers.
        """
        self.engine.faults.begin_outage(how)

    def end_outage(self) -> None:
        """Answer again; what `fail` scripted still holds."""
        self.engine.faults.end_outage()

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forwards."""
        self.engine.clock.advance(seconds)

    def reset(self) -> None:
        """Forget all objects, faults, requests and deliveries, and go back to real time."""
        self.engine.reset()


def make_server(engine: Engine, host: str, port: int) -> BaseWSGIServer:
    """Bind a threaded server for an engine; a port that is taken is an `OSError`."""
    # Werkzeug ends the process when a port is taken; a socket of our own raises.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError:
        engine.close()
        raise
    with listener:
        return _Server(host, port, create_app(engine), _QuietHandler, fd=listener.fileno())


def serve(
    host: str = "127.0.0.1",
    port: int = 4242,
    database: str | None = None,
    *,
    allow_remote: bool = False,
    ready: Callable[[str], object] = lambda url: None,
    webhook: tuple[str, str] | None = None,
) -> None:
    """Serve until Ctrl-C, and send events to the webhook endpoints in the background.

    :param allow_remote: Serve on an address that other machines reach. Raises `ValueError` for
        such an address without it: whoever reaches the sandbox controls it.
    :param ready: Called with the address once the sandbox answers there.
    :param webhook: Address and secret of an endpoint to register first, for events of all types.
        Raises `ValueError` for an address that Stripe would refuse.
    """
    if not allow_remote and not _is_loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines, and the sandbox lets everybody in. Use "
            "127.0.0.1, or allow remote access explicitly."
        )
    engine = Engine(database)
    server = make_server(engine, host, port)
    try:
        if webhook is not None:
            engine.webhooks.register(*webhook)
        engine.webhooks.start()
        ready(f"http://{f'[{host}]' if ':' in host else host}:{server.port}")
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        engine.stopping.set()
        engine.webhooks.stop()
        server.server_close()
        engine.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
