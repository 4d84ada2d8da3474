"""Takes the processor's notifications in over HTTP; nobody signs in here, the signature counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import RequestEntityTooLarge

from flask_billing import events
from flask_billing.errors import EventRefused
from flask_billing.state import current

if TYPE_CHECKING:
    from flask import Blueprint

    from flask_billing.settings import Settings

__all__ = ["ENDPOINT", "add_webhook", "wake"]

ENDPOINT = "webhook"
#: How many events a web worker processes after one response, at most.
_AFTER_RESPONSE = 5


def add_webhook(blueprint: Blueprint, settings: Settings) -> None:
    """Add the view at `BILLING_WEBHOOK_PATH`, and keep CSRF protection away from it."""
    blueprint.add_url_rule(
        settings.webhook_path, ENDPOINT, webhook, methods=["POST"], strict_slashes=False
    )
    # Runs before every before_request function, so it works whichever of the two extensions was
    # initialised first.
    blueprint.url_value_preprocessor(_exempt)


def _exempt(endpoint: str | None, values: dict[str, Any] | None) -> None:
    protection: Any = current_app.extensions.get("csrf")
    if endpoint is not None and endpoint.endswith(f".{ENDPOINT}") and protection is not None:
        protection.exempt(current_app.view_functions[endpoint])


def webhook() -> Response:
    """Verify, store and answer; 200 only once the event is committed, so that none is lost."""
    state = current()
    if not state.settings.webhook_secrets:
        current_app.logger.error("A webhook came, but STRIPE_WEBHOOK_SECRET is not set.")
        return _answer(503, "Webhooks are not set up here.")
    try:
        is_new = events.receive(_body(), request.headers.get("Stripe-Signature", ""))
    except RequestEntityTooLarge:
        return _answer(413, "Too large.")
    except EventRefused as refusal:
        current_app.logger.warning("A webhook was refused (%s).", refusal.reason)
        return _answer(refusal.status, str(refusal))
    except SQLAlchemyError as error:
        # The processor sends it again. Not the error's text: it holds the statement's parameters.
        current_app.logger.critical("A webhook could not be stored: %s.", type(error).__name__)
        return _answer(503, "Try again later.")
    response = _answer(200, "Stored.")
    if is_new:
        wake(response)
    return response


def _body() -> bytes:
    """Return the raw body.

    :raises RequestEntityTooLarge: It is over the limit; of a body without a length that shows once
        one byte more has been read.
    """
    most = current().settings.webhook_max_bytes
    request.max_content_length = most + 1
    body = request.get_data()
    if len(body) > most:
        raise RequestEntityTooLarge
    return body


def _answer(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, content_type="text/plain; charset=utf-8")


def wake(response: Response) -> None:
    """See that somebody processes what was stored, as `BILLING_EVENT_PROCESSING` says."""
    state = current()
    if state.settings.event_processing == "after_response":
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(_work(app))
        return
    try:
        state.wake_workers()
    except Exception as error:  # noqa: BLE001 - workers look by themselves, and the event is stored
        current_app.logger.warning("No worker could be woken: %s.", type(error).__name__)


def _work(app: Any) -> Callable[[], None]:
    def work() -> None:
        with app.app_context():
            try:
                events.process(limit=_AFTER_RESPONSE)
            except Exception as error:  # noqa: BLE001 - the answer has been given
                app.logger.warning("Events could not be processed: %s.", type(error).__name__)

    return work
