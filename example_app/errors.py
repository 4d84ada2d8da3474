"""Error pages for people and problem documents for programs."""

from flask import Flask, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import Forbidden, HTTPException
from werkzeug.wrappers import Response

from example_app.api import problem
from example_app.extensions import db


def show_error(error: HTTPException) -> Response | tuple[str, int]:
    """Answer an error in the way that the one who asked can read."""
    # What failed may have left the transaction broken, and the page looks up who is signed in.
    db.session.rollback()
    if request.path.startswith("/api/"):
        return problem(error)
    return render_template("error.html", error=error), error.code or 500


def show_forbidden(error: Forbidden) -> Response | tuple[str, int]:
    """Say who may, where nothing was said: so do the billing pages, of what is for owners."""
    if error.description == Forbidden.description:
        error.description = "Only an owner of this project can do that. Ask one of them."
    return show_error(error)


def show_csrf_error(error: CSRFError) -> tuple[str, int]:
    """Explain a form that was sent without its token, or long after it was opened."""
    error.description = "This form was open for too long. Go back, reload the page and try again."
    return render_template("error.html", error=error), 400


def init_app(app: Flask) -> None:
    """Register the handlers; more specific ones, like the billing extension's, come first."""
    app.register_error_handler(HTTPException, show_error)
    app.register_error_handler(Forbidden, show_forbidden)
    app.register_error_handler(CSRFError, show_csrf_error)
