"""Harbour: servers and databases for projects, an example of a SaaS that bills its projects.

Begin with `models` (what is billable), `tenancy` (who may see and manage billing) and `resources`
(how little the views have to know about it).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, redirect, url_for
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from example_app import (
    api,
    auth,
    demo_clock,
    demo_letters,
    errors,
    month_end,
    projects,
    resources,
    security,
    tenancy,
    tokens,
)
from example_app.extensions import billing, csrf, db, migrate
from example_app.forms import ConfirmForm
from example_app.settings import from_environment


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the app.

    :param config: Settings that count more than those of the environment.
    :raises RuntimeError: without a `SECRET_KEY`.
    """
    app = Flask("example_app")
    app.config.from_mapping(from_environment(app.instance_path))
    app.config.from_mapping(config or {})
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("Set SECRET_KEY to a long random text; it signs the sessions.")
    base_url = app.config.get("BILLING_BASE_URL") or ""
    app.config["SESSION_COOKIE_SECURE"] = base_url.startswith("https://")
    Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    _trust_proxies(app)

    db.init_app(app)
    migrate.init_app(app, db)
    csrf.init_app(app)
    billing.init_app(app)
    demo_clock.init_app(app)
    demo_letters.init_app(app)
    security.init_app(app)
    errors.init_app(app)
    _register_views(app)
    return app


def _trust_proxies(app: Flask) -> None:
    hops = app.config["PROXY_HOPS"]
    if hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )


def _register_views(app: Flask) -> None:
    app.url_map.converters["id"] = tenancy.IdConverter
    for module in (auth, projects, resources, tokens, api, month_end):
        app.register_blueprint(module.blueprint)
    # A program proves itself with its token at each request, so nobody else's page can act for it.
    csrf.exempt(api.blueprint)

    @app.get("/")
    def home() -> Response:
        signed_in = auth.current_user() is not None
        return redirect(url_for("projects.index" if signed_in else "auth.sign_in"))

    @app.context_processor
    def add_session() -> dict[str, Any]:
        return {
            "current_user": auth.current_user,
            "current_membership": tenancy.current_membership,
            "has_month_end": month_end.is_for_them,
            "sign_out_form": ConfirmForm,
        }
