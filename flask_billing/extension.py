"""The one object that a host touches; hooks and wiring only."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import Blueprint, current_app, request

from flask_billing import cli, guard, mixins, payment_methods, projects, web
from flask_billing.errors import PaymentMethodRequired
from flask_billing.models import MODELS, map_onto, set_livemode_source
from flask_billing.settings import Settings
from flask_billing.state import EXTENSION, GuardRule, Hooks, State, current, state_of_app

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_billing.gateways import Gateway

__all__ = ["Billing"]

ProjectLoader = TypeVar("ProjectLoader", bound=Callable[[str], Any])
CanManage = TypeVar("CanManage", bound=Callable[[Any], bool])
StaffRequired = TypeVar("StaffRequired", bound=Callable[[], bool])
Rule = TypeVar("Rule", bound=GuardRule)
View = TypeVar("View", bound=Callable[..., Any])


class Billing:
    """Adds billing to Flask apps.

    :param db: The host's Flask-SQLAlchemy object; the billing tables are mapped beside its own,
        so make this object before the models that refer to them.
    :raises RuntimeError: Another `db` was given before; a process has one.
    """

    def __init__(self, db: SQLAlchemy) -> None:
        self.db = db
        self._hooks = Hooks()
        host_model: Any = db.Model
        map_onto(host_model.registry, MODELS)
        set_livemode_source(_livemode_of_app)
        _listen_once()

    def init_app(self, app: Flask) -> None:
        """Set billing up for `app`: settings, the pages, the commands and one error handler.

        Works before or after `db.init_app` and speaks to nobody.

        :raises flask_billing.settings.SettingsError: A setting can't work.
        """
        settings = Settings.from_config(app.config)
        app.extensions[EXTENSION] = State(self.db, settings, self._hooks, _make_gateway)
        app.register_blueprint(web.make_blueprint(settings))
        app.register_error_handler(PaymentMethodRequired, web.handle_payment_method_required)
        app.jinja_env.globals.setdefault("billing_can_create", _can_create)
        app.cli.add_command(cli.group)

    def project_loader(self, load: ProjectLoader) -> ProjectLoader:
        """Register what finds a project by the text in a URL, for the person who asks.

        It returns `None` where there is none to see (404), and may raise `Forbidden` (403).
        """
        self._hooks.project_loader = load
        return load

    def can_manage(self, ask: CanManage) -> CanManage:
        """Register what says whether the person may change a project's billing; default: nobody."""
        self._hooks.can_manage = ask
        return ask

    def staff_required(self, ask: StaffRequired) -> StaffRequired:
        """Register what says whether the person is staff; default: nobody."""
        self._hooks.staff_required = ask
        return ask

    def guard_rule(self, rule: Rule) -> Rule:
        """Register a rule ``(project, model, count)`` that the guard asks before payment methods.

        It returns `True` (may create), `False` (must not, even with a payment method) or `None`
        (no opinion). The first rule with an opinion decides; none is asked about free kinds and
        internal projects. It runs inside the transaction that
        creates, so it must be quick and must not write.
        """
        self._hooks.guard_rules.append(rule)
        return rule

    @overload
    def payment_method_required(self, view: Blueprint) -> Blueprint: ...
    @overload
    def payment_method_required(self, view: View) -> View: ...
    @overload
    def payment_method_required(self, *, model: type[Any]) -> Callable[[View], View]: ...

    def payment_method_required(self, view: Any = None, *, model: type[Any] | None = None) -> Any:
        """Stop people before they fill in a form whose result the guard would refuse.

        Decorates a view, or takes a blueprint, whose URLs hold `project_id`::

            @bp.get("/projects/<int:project_id>/servers/new")
            @billing.payment_method_required(model=Server)
            def new_server(project_id): ...

        :raises PaymentMethodRequired: The project may not create; answered by a redirect to the
            billing page, or by 402 to an API client.
        """
        if isinstance(view, Blueprint):
            view.before_request(lambda: _stop_early(model))
            return view
        if view is None:
            return lambda decorated: self._guarded_view(decorated, model)
        return self._guarded_view(view, model)

    def _guarded_view(self, view: View, model: type[Any] | None) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            _stop_early(model)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return guarded  # type: ignore[return-value]


_listening = False


def _listen_once() -> None:
    global _listening
    if not _listening:
        _listening = True
        mixins.listen()
        guard.listen()
        payment_methods.listen()


def _livemode_of_app() -> bool:
    state = state_of_app()
    return state is not None and state.settings.livemode


def _make_gateway(settings: Settings) -> Gateway:
    # Imported here: the SDK takes a quarter of a second, and an app with billing off needs none.
    from flask_billing.gateways.stripe import StripeGateway

    return StripeGateway(settings)


def _can_create(project: Any, model: type[Any] | None = None) -> bool:
    return guard.decide(project, model).allowed


def _stop_early(model: type[Any] | None) -> None:
    project_id = (request.view_args or {}).get("project_id")
    if project_id is None or not current().settings.enabled:
        return
    project = projects.load(str(project_id))
    if not guard.decide(project, model).allowed:
        resource = guard.words_for(model) if model else None
        raise PaymentMethodRequired(project_key=projects.key_of(project), resource=resource)
