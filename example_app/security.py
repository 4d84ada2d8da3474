"""The headers that tell browsers what our pages may do."""

from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.wrappers import Response

#: Where payment methods are saved, and where invoices are paid.
PROCESSOR_PAGES = "https://checkout.stripe.com https://invoice.stripe.com"


def content_security_policy(stripe_api_base: str | None) -> str:
    """Return a policy without any script.

    "Add payment method" and "Pay on Stripe's page" are forms whose answer redirects to the
    processor, and browsers apply `form-action` to that redirect too: so the origins of its pages
    have to be in it. A local stand-in for Stripe serves these pages itself.
    """
    pages = PROCESSOR_PAGES
    if stripe_api_base:
        parts = urlsplit(stripe_api_base)
        pages = f"{parts.scheme}://{parts.netloc}"
    return "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            f"form-action 'self' {pages}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def init_app(app: Flask) -> None:
    """Add the headers to every response."""
    policy = content_security_policy(app.config.get("STRIPE_API_BASE"))

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if response.mimetype == "text/html":
            # A shared computer's back button must not show what was seen before signing out.
            response.headers["Cache-Control"] = "no-store"
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        return response
