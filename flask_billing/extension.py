"""The one object that a host touches; hooks and wiring only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import Blueprint, current_app, request

from flask_billing import cli, events, guard, metering, mixins, payment_methods, projects, web
from flask_billing.errors import PaymentMethodRequired
from flask_billing.models import MODELS, map_onto, set_livemode_source
from flask_billing.settings import Settings, SettingsError
from flask_billing.state import EXTENSION, GuardRule, Hooks, State, current, state_of_app

if TYPE_CHECKING:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_billing.gateways import Gateway
    from flask_billing.letters import Notifier, Recipient

__all__ = ["Billing"]

ProjectLoader = TypeVar("ProjectLoader", bound=Callable[[str], Any])
CanManage = TypeVar("CanManage", bound=Callable[[Any], bool])
MembersEmails = TypeVar("MembersEmails", bound="Callable[[str], Iterable[str | Recipient]]")
StaffRequired = TypeVar("StaffRequired", bound=Callable[[], bool])
Actor = TypeVar("Actor", bound=Callable[[], object])
Rule = TypeVar("Rule", bound=GuardRule)
Handler = TypeVar("Handler", bound=Callable[[events.Notice], None])
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

        :raises flask_billing.SettingsError: A setting can't work.
        """
        settings = Settings.from_config(app.config, app.root_path)
        state = State(self.db, settings, self._hooks, _make_gateway)
        state.write_letter = web.write_letter
        if settings.event_processing == "celery":
            state.wake_workers = _celery_waker()
        app.extensions[EXTENSION] = state
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

    def actor(self, ask: Actor) -> Actor:
        """Register what gives your id of the person who asks, for the audit log; default: none.

        An id such as ``42`` or ``"staff-7"``, or `None`. It is kept for ever, so no name and no
        e-mail: those are refused.
        """
        self._hooks.actor = ask
        return ask

    def members_emails(self, ask: MembersEmails) -> MembersEmails:
        """Register what gives the e-mail addresses of a project's people; default: none.

        It gets the project's key as text, outside of any request, when a notification is sent, and
        returns addresses, or :class:`~flask_billing.Recipient` with a language. The project may be
        gone by then. It must not write.
        """
        self._hooks.members_emails = ask
        return ask

    @property
    def notifier(self) -> Notifier | None:
        """What delivers notifications; by default a line in the log says that it would."""
        return self._hooks.notifier

    @notifier.setter
    def notifier(self, notifier: Notifier | None) -> None:
        self._hooks.notifier = notifier

    def guard_rule(self, rule: Rule) -> Rule:
        """Register a rule ``(project, model, count)`` that the guard asks before payment methods.

        It returns `True` (may create), `False` (must not, even with a payment method) or `None`
        (no opinion). The first rule with an opinion decides; none is asked about free kinds and
        internal projects. It runs inside the transaction that
        creates, so it must be quick and must not write.
        """
        self._hooks.guard_rules.append(rule)
        return rule

    def on(self, pattern: str, *, name: str | None = None) -> Callable[[Handler], Handler]:
        """Register a handler of events from the processor.

        ::

            @billing.on("payment_method.detached")
            def tell_owner(notice): ...

        It runs after our own rows are written, once to its end for each event. It gets ids and our
        rows (:class:`~flask_billing.Notice`), and must not commit: what it does in the session is
        committed together with the note that it was done. An exception undoes it, and it is tried
        again.

        :param pattern: An event type, a family such as ``"customer.*"``, or ``"*"``.
        :param name: Under which it is remembered what it has dealt with; by default its module and
            name, so give one that stays before you rename it.
        :raises ValueError: No event can have such a type.
        """

        def registered(handler: Handler) -> Handler:
            events.register(self._hooks, pattern, handler, name)
            return handler

        return registered

    def record_usage(
        self,
        project: Any,
        rate: str,
        quantity: Decimal | int,
        event_id: str,
        at: datetime | None = None,
        resource: Any = None,
    ) -> metering.UsageResult:
        """Record a usage event in the session's transaction, which is yours to commit.

        ::

            billing.record_usage(project, "api.call", 1, event_id=request_id)

        The parameters are those of :class:`~flask_billing.UsageRow`. A repeated event is no error
        but a ``"duplicate"``; what can't be recorded is ``"refused"``, with its reason.

        :raises TypeError: A value is of a type that can't be meant, such as a float.
        :raises ValueError: `at` has no zone.
        """
        return metering.record_usage(project, rate, quantity, event_id, at, resource)

    def record_usage_batch(
        self, rows: Iterable[metering.UsageRow | Mapping[str, Any]]
    ) -> list[metering.UsageResult]:
        """Record usage events together, in a few statements however many they are.

        Each row is judged by itself: one that is refused keeps out no other.

        :param rows: At most 10,000.
        :returns: A result for each row, in their order.
        :raises TypeError: A value is of a type that can't be meant, such as a float.
        :raises ValueError: An `at` has no zone, or there are too many rows.
        """
        return metering.record_usage_batch(rows)

    def metering_deferred(self) -> AbstractContextManager[None]:
        """Let bulk statements on metered models pass while a `with` block runs.

        They raise elsewhere, because nobody sees the rows that they change. After the block, run
        ``flask billing reconcile metering --mend``: it opens and closes the records of them.
        """
        return metering.deferred()

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
        metering.listen_last()
        payment_methods.listen()


def _livemode_of_app() -> bool:
    state = state_of_app()
    return state is not None and state.settings.livemode


def _make_gateway(settings: Settings) -> Gateway:
    # Imported here: the SDK takes a quarter of a second, and an app with billing off needs none.
    from flask_billing.gateways.stripe import StripeGateway

    return StripeGateway(settings)


def _celery_waker() -> Callable[[], None]:
    # Imported here: Celery is an extra. At start-up, so that its worker knows the tasks.
    try:
        from flask_billing.tasks import wake
    except ModuleNotFoundError as missing:
        if missing.name != "celery":
            raise
        raise SettingsError(
            "BILLING_EVENT_PROCESSING is 'celery', but Celery is not installed. Run: pip install "
            '"flask-billing[celery]"'
        ) from None
    return wake


def _can_create(project: Any, model: type[Any] | None = None) -> bool:
    return guard.decide(project, model).allowed


def _stop_early(model: type[Any] | None) -> None:
    project_id = (request.view_args or {}).get("project_id")
    if project_id is None or not current().settings.enabled:
        return
    project = projects.load(str(project_id))
    decision = guard.decide(project, model)
    if not decision.allowed:
        raise guard.refusal(project, model, decision)
