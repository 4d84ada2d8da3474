"""Stripe's error shape, and the errors that any endpoint can answer with."""

from typing import Any


class Problem(Exception):
    """An answer that is an error.

    :param keep: What the endpoint wrote before it failed stays written, as after a decline.
    :param more: Further fields of the error object, such as `decline_code` or `payment_intent`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keep: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keep = keep
        self.error: dict[str, Any] = {"type": type, "message": message, **more}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self.error["param"] = param

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": self.error}


def missing_object(
    kind: str, object_id: str, *, param: str = "id", other_mode: str | None = None
) -> Problem:
    """Say that an object does not exist: 404 for the id in the path, 400 for a parameter."""
    words = kind.replace(".", " ").replace("_", " ")
    message = f"No such {words}: '{object_id}'"
    if other_mode is not None:
        message += f"; a similar object exists in {other_mode} mode, but this key is of the other."
    status = 404 if param == "id" else 400
    return Problem(message, status=status, code="resource_missing", param=param)


def unknown_url(method: str, path: str) -> Problem:
    """Say that no endpoint answers to this method and path."""
    return Problem(
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove "
        "the trailing slash. If you are trying to retrieve an object, pass a non-empty id.",
        status=404,
    )


def server_error() -> Problem:
    """Say that the server failed; the outcome of the call is then unknown to its caller."""
    return Problem(
        "An error occurred on the sandbox's side. Retry with the same idempotency key.",
        status=500,
        type="api_error",
    )


def unavailable() -> Problem:
    """Say that the call did not get as far as the API, so that no key keeps this answer."""
    return Problem(
        "The sandbox is not available. Retry with the same idempotency key.",
        status=503,
        type="api_error",
    )
