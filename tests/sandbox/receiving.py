"""An endpoint that verifies what it gets with the real SDK."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import stripe
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "whsec_of_the_test"


class Receiver:
    """Answers 200 to what verifies and 400 to the rest, or what `answers` says, in turn.

    `meanwhile` is called with each event that verified, before it is answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.refused: list[str] = []
        self.answers: list[int] = []
        self.meanwhile: Callable[[dict[str, Any]], object] = lambda _: None

    @property
    def types(self) -> list[str]:
        return [body["type"] for body in self.bodies]

    @Request.application
    def app(self, request: Request) -> Response:
        body = request.get_data()
        header = request.headers.get("Stripe-Signature", "")
        try:
            stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=300)
        except stripe.SignatureVerificationError as error:
            self.refused.append(str(error))
            return Response(status=400)
        self.bodies.append(json.loads(body))
        self.headers.append(header)
        self.meanwhile(self.bodies[-1])
        status = self.answers.pop(0) if self.answers else 200
        return Response(status=status, headers={"Location": "/elsewhere"})


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Serve a receiver on a free port."""
    receiver = Receiver()
    server = make_server("127.0.0.1", 0, receiver.app, threaded=True)
    receiver.url = f"http://127.0.0.1:{server.port}/hooks"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
