"""Posts to webhook endpoints on this machine, without following redirects."""

import http.client
import ipaddress
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

# What an endpoint says is not kept; reading some of it lets it end in peace.
_READ = 65_536


class Sender:
    """Posts, and hangs up on all endpoints when it is told to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[http.client.HTTPConnection] = set()

    def post(
        self, url: str, body: bytes, headers: dict[str, str], time_limit: float
    ) -> tuple[int | None, str | None]:
        """Give the status of the answer, or `None` and why there was none."""
        parts = urlsplit(url)
        if not is_loopback(parts.hostname):
            return None, "not_local"
        try:
            with self._connection(parts, time_limit) as connection:
                target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
                connection.request("POST", target, body, headers)
                answer = connection.getresponse()
                with answer:
                    answer.read(_READ)
                return answer.status, None
        except TimeoutError:
            return None, "timeout"
        except (OSError, ValueError, http.client.HTTPException):
            return None, "connection"

    @contextmanager
    def _connection(
        self, parts: SplitResult, time_limit: float
    ) -> "Iterator[http.client.HTTPConnection]":
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=time_limit)
        with self._lock:
            self._open.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def hang_up(self) -> None:
        """Break off everything that is being sent."""
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine."""
    if host is None or host == "localhost" or host.endswith(".localhost"):
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
