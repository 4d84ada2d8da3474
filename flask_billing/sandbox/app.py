"""The sandbox as one WSGI app: the API, the hosted pages and the controls."""

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, redirect, url_for
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as BaseResponse

from . import control_payments, resources
from .control import control
from .engine.api import Api, Dropped
from .engine.engine import Engine
from .hosted import invoice_pages
from .hosted.pages import pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["control_payments", "create_app", "invoice_pages", "resources"]


def create_app(engine: Engine) -> "WSGIApplication":
    """Make the WSGI app of an engine."""
    api = Api(engine)
    site = _make_site(engine)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith("/v"):
            return site(environ, start_response)
        try:
            return api.respond(Request(environ))(environ, start_response)
        except Dropped:
            _hang_up(environ)
            raise

    return app


def _make_site(engine: Engine) -> Flask:
    site = Flask("flask_billing.sandbox", static_folder=None)
    site.extensions["sandbox"] = engine
    site.register_blueprint(pages)
    site.register_blueprint(control)

    @site.get("/")
    def home() -> BaseResponse:
        return redirect(url_for("control.read_clock"))

    return site


def _hang_up(environ: "WSGIEnvironment") -> None:
    connection: socket.socket | None = environ.get("werkzeug.socket") or environ.get(
        "gunicorn.socket"
    )
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
