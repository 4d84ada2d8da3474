"""The host is left alone: billing adds its own things and changes none of the host's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest
import stripe
from flask import Blueprint, Flask, abort, render_template_string
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import create_engine, inspect, update
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from flask_billing import Billing, BillingInfo, PaymentMethod, PaymentMethodRequired
from flask_billing.sandbox import Sandbox
from tests.host import Project, Server, billing, create_app, db

KEY = "sk_test_host"
PAYING, POOR = 1, 2


@pytest.fixture
def app(sqlite_url: str) -> Flask:
    """A host with a project that can pay and one that cannot."""
    return filled(create_app(sqlite_url, STRIPE_SECRET_KEY=KEY))


def bare_app(url: str, **config: Any) -> Flask:
    """A host before anyone has set billing up."""
    app = Flask(__name__)
    app.config.update(
        HOST_CAN_MANAGE=True,
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI=url,
        STRIPE_SECRET_KEY=KEY,
    )
    app.config.update(config)
    db.init_app(app)
    return app


def filled(app: Flask) -> Flask:
    with app.app_context():
        db.create_all()
        info = BillingInfo(stripe_id="cus_1")
        db.session.add_all(
            [
                PaymentMethod(stripe_id="pm_1", billing_info=info),
                Project(id=PAYING, name="paying", billing_info=info),
                Project(id=POOR, name="poor"),
            ]
        )
        db.session.commit()
    return app


# What init_app adds


def everything_of(app: Flask) -> dict[str, Any]:
    """What other parts of a host see of an app, in a form that can be compared."""
    return {
        "config": dict(app.config),
        "before": {name: list(hooks) for name, hooks in app.before_request_funcs.items()},
        "after": {name: list(hooks) for name, hooks in app.after_request_funcs.items()},
        "teardown": {name: list(hooks) for name, hooks in app.teardown_request_funcs.items()},
        "teardown context": list(app.teardown_appcontext_funcs),
        "context processors": {
            name: list(found) for name, found in app.template_context_processors.items()
        },
        "filters": dict(app.jinja_env.filters),
        "tests": dict(app.jinja_env.tests),
        "globals": dict(app.jinja_env.globals),
        "extensions of jinja": dict(app.jinja_env.extensions),
        "defaults": {name: list(found) for name, found in app.url_default_functions.items()},
        "loggers": (app.logger.level, list(app.logger.handlers), list(app.logger.filters)),
        "blueprints": dict(app.blueprints),
        "extensions": dict(app.extensions),
        "commands": dict(app.cli.commands),
        "rules": {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()},
    }


def test_init_app_adds_a_blueprint_a_command_group_and_a_template_predicate(
    sqlite_url: str,
) -> None:
    app = bare_app(sqlite_url)
    before = everything_of(app)

    billing.init_app(app)

    after = everything_of(app)
    added = {
        name: set(after[name]) - set(before[name])
        for name in before
        if isinstance(before[name], dict)
    }
    assert added.pop("blueprints") == {"billing"}
    assert added.pop("extensions") == {"billing"}
    assert added.pop("commands") == {"billing"}
    assert added.pop("globals") == {"billing_can_create"}
    assert all(endpoint.startswith("billing.") for endpoint in added.pop("rules"))
    # What is left are hooks of the blueprint, for its own pages.
    for name in ("before", "after", "context processors"):
        assert added.pop(name) == {"billing"}
    assert not any(added.values())
    assert changed(before, after) == {}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What was there before and is not any more, or has another value."""
    found = {}
    for name, value in before.items():
        now = after[name]
        kept = {key: now.get(key) for key in value} if isinstance(value, dict) else now
        if kept != value:
            found[name] = kept
    return found


def test_one_handler_is_added_for_the_packages_own_error_alone(sqlite_url: str) -> None:
    app = bare_app(sqlite_url)

    billing.init_app(app)

    handlers = [error for errors in app.error_handler_spec[None].values() for error in errors]
    assert handlers == [PaymentMethodRequired]


def test_only_our_endpoints_appear_under_our_addresses(app: Flask) -> None:
    ours = {
        (rule.rule, rule.endpoint) for rule in app.url_map.iter_rules() if rule.endpoint != "static"
    }

    home = "/projects/<project_id>/billing"
    deeds = "'retry', 'unpark', 'refund', 'lower', 'write-off', 'void'"
    assert ours == {
        (home, "billing.index"),
        (f"{home}/payment-methods", "billing.add"),
        (f"{home}/return", "billing.complete"),
        (f"{home}/details", "billing.details"),
        (f"{home}/payment-methods/<uuid:payment_method_id>/move", "billing.move"),
        (f"{home}/payment-methods/<uuid:payment_method_id>/remove", "billing.remove"),
        (f"{home}/usage", "billing.usage"),
        (f"{home}/usage.csv", "billing.usage_csv"),
        (f"{home}/invoices", "billing.invoices"),
        (f"{home}/invoices/<uuid:invoice_id>", "billing.invoice"),
        (f"{home}/invoices/<uuid:invoice_id>.csv", "billing.invoice_csv"),
        (f"{home}/invoices/<uuid:invoice_id>/pay", "billing.pay_invoice"),
        (f"{home}/invoices/<uuid:invoice_id>/pay-on-page", "billing.pay_on_page"),
        (f"{home}/alerts", "billing.alerts"),
        (f"{home}/alerts/<uuid:alert_id>/remove", "billing.remove_alert"),
        (f"{home}/credit-code", "billing.credit_code"),
        ("/billing/static/<path:filename>", "billing.static"),
        ("/billing/webhooks/stripe", "billing.webhook"),
        ("/billing/staff", "billing.staff"),
        ("/billing/staff/events", "billing.staff_events"),
        ("/billing/staff/events/<event_id>", "billing.staff_event"),
        ("/billing/staff/events/<event_id>", "billing.staff_repeat"),
        ("/billing/staff/invoices", "billing.staff_invoices"),
        ("/billing/staff/invoices/<uuid:invoice_id>", "billing.staff_invoice"),
        (f"/billing/staff/invoices/<uuid:invoice_id>/<any({deeds}):name>", "billing.staff_act"),
        (
            "/billing/staff/payment-methods/<uuid:payment_method_id>/accept",
            "billing.staff_accept",
        ),
        ("/billing/staff/audit", "billing.staff_audit"),
        ("/billing/staff/health", "billing.staff_health"),
    }


def test_no_table_is_made(sqlite_url: str) -> None:
    app = create_app(sqlite_url, STRIPE_SECRET_KEY=KEY)

    app.test_client().get("/nowhere")

    with app.app_context():
        assert inspect(db.engine).get_table_names() == []


def test_global_key_of_the_sdk_stays_unset(sqlite_url: str, stripe_sandbox: Sandbox) -> None:
    app = create_app(
        sqlite_url, STRIPE_SECRET_KEY=stripe_sandbox.secret_key, STRIPE_API_BASE=stripe_sandbox.url
    )

    app.extensions["billing"].gateway.account_id()

    assert stripe.api_key is None
    assert stripe.api_base == "https://api.stripe.com"
    assert stripe.max_network_retries == 2
    assert stripe.default_http_client is None


def test_application_that_the_host_named_to_stripe_keeps_its_name(
    run_python: Callable[[str], str], stripe_sandbox: Sandbox
) -> None:
    printed = run_python(
        f"""
        import stripe

        stripe.enable_telemetry = False
        stripe.set_app_info("host")
        from tests.host import create_app

        app = create_app(
            "sqlite://",
            STRIPE_SECRET_KEY="sk_test_1",
            STRIPE_API_BASE="{stripe_sandbox.url}",
        )
        app.extensions["billing"].gateway.account_id()
        print(stripe.app_info["name"])
        """
    )

    assert printed.strip() == "host"


def test_name_that_the_host_gave_to_its_templates_stays(sqlite_url: str) -> None:
    app = bare_app(sqlite_url)
    app.jinja_env.globals["billing_can_create"] = "the host's own"

    billing.init_app(app)

    assert app.jinja_env.globals["billing_can_create"] == "the host's own"


def test_pages_of_the_host_get_neither_our_headers_nor_our_names(app: Flask) -> None:
    names = ["billing_layout", "billing_locale", "billing_gettext", "gettext", "_"]
    shop = Blueprint("shop", __name__)

    @shop.context_processor
    def host_names() -> dict[str, str]:
        return {"site": "the host"}

    @shop.get("/shop")
    def index() -> str:
        tests = "".join(f"{{{{ {name} is defined }}}} " for name in names)
        return render_template_string("{{ site }} " + tests)

    app.register_blueprint(shop)

    response = app.test_client().get("/shop")

    assert response.text.split() == ["the", "host", *["False"] * len(names)]
    assert "Cache-Control" not in response.headers
    assert "Referrer-Policy" not in response.headers
    assert "Access-Control-Allow-Origin" not in response.headers


# Errors


class OutOfCredit(HTTPException):
    """The host's own 402."""

    code = 402
    description = "The host's own."


@pytest.fixture(params=["before", "after"])
def app_with_handlers(request: pytest.FixtureRequest, sqlite_url: str) -> Flask:
    """A host that answers errors itself, registered before or after billing was set up."""
    app = bare_app(sqlite_url, PROPAGATE_EXCEPTIONS=False)
    if request.param == "after":
        billing.init_app(app)

    @app.errorhandler(404)
    def missing(error: HTTPException) -> tuple[str, int]:
        return "the host's 404", 404

    @app.errorhandler(OutOfCredit)
    def out_of_credit(error: OutOfCredit) -> tuple[str, int]:
        return "the host's 402", 402

    @app.errorhandler(Exception)
    def broken(error: Exception) -> tuple[str, int]:
        code = error.code if isinstance(error, HTTPException) else None
        return f"the host's {type(error).__name__}", code or 500

    @app.get("/raise/<what>")
    def failing(what: str) -> str:
        if what == "credit":
            raise OutOfCredit
        if what == "guard":
            db.session.add(Server(project_id=POOR))
            db.session.flush()
        if what == "teapot":
            abort(418)
        raise ValueError

    if request.param == "before":
        billing.init_app(app)
    return filled(app)


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/nowhere", 404, "the host's 404"),
        ("/projects/999/billing", 404, "the host's 404"),
        ("/projects/1/billing/nowhere", 404, "the host's 404"),
        ("/projects/forbidden/billing", 403, "the host's Forbidden"),
        ("/raise/credit", 402, "the host's 402"),
        ("/raise/teapot", 418, "the host's ImATeapot"),
        ("/raise/error", 500, "the host's ValueError"),
    ],
)
def test_errors_are_answered_by_the_host(
    app_with_handlers: Flask, path: str, status: int, text: str
) -> None:
    response = app_with_handlers.test_client().get(path)

    assert (response.status_code, response.text) == (status, text)


def test_refusal_of_the_guard_is_answered_by_billing(app_with_handlers: Flask) -> None:
    client = app_with_handlers.test_client()

    page = client.get("/raise/guard")
    problem = client.get("/raise/guard", headers={"Accept": "application/json"})

    assert (page.status_code, page.location.partition("?")[0]) == (303, "/projects/2/billing")
    assert problem.status_code == 402


def test_host_can_answer_the_guard_itself(app: Flask) -> None:
    @app.errorhandler(PaymentMethodRequired)
    def pay_first(error: PaymentMethodRequired) -> tuple[str, int]:
        return f"project {error.project_key} pays first", 402

    @app.get("/servers/new")
    def new_server() -> str:
        db.session.add(Server(project_id=POOR))
        db.session.commit()
        return "never"

    assert app.test_client().get("/servers/new").text == "project 2 pays first"


def test_session_is_usable_after_a_refusal(app: Flask) -> None:
    with app.app_context():
        db.session.add(Server(project_id=POOR))
        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        db.session.rollback()
        db.session.add(Server(project_id=PAYING))
        db.session.commit()

        assert [server.project_id for server in db.session.query(Server)] == [PAYING]


# CSRF


@pytest.fixture(params=["before", "after"])
def protected(
    request: pytest.FixtureRequest, sqlite_url: str, stripe_sandbox: Sandbox
) -> Iterator[Flask]:
    """A host whose forms are all protected, set up before or after billing."""
    app = bare_app(
        sqlite_url, STRIPE_SECRET_KEY=stripe_sandbox.secret_key, STRIPE_API_BASE=stripe_sandbox.url
    )
    parts = [CSRFProtect().init_app, billing.init_app]
    for init_app in parts if request.param == "before" else reversed(parts):
        init_app(app)

    @app.post("/host")
    def host_form() -> str:
        return "sent"

    with app.app_context():
        db.create_all()
        db.session.add(Project(id=POOR, name="poor"))
        db.session.commit()
    yield app
    app.extensions["billing"].threads.shutdown()


def token_on(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


@pytest.mark.parametrize("path", ["/host", f"/projects/{POOR}/billing/payment-methods"])
def test_form_without_a_token_is_refused(protected: Flask, path: str) -> None:
    assert protected.test_client().post(path).status_code == 400


@pytest.mark.parametrize(
    ("path", "status"), [("/host", 200), (f"/projects/{POOR}/billing/payment-methods", 303)]
)
def test_token_of_the_billing_page_is_good_for_every_form(
    protected: Flask, path: str, status: int
) -> None:
    client = protected.test_client()
    token = token_on(client.get(f"/projects/{POOR}/billing").text)

    response = client.post(path, data={"csrf_token": token})

    assert response.status_code == status


def test_our_forms_are_protected_where_the_host_protects_nothing(sqlite_url: str) -> None:
    app = bare_app(sqlite_url)
    billing.init_app(app)
    client = filled(app).test_client()

    response = client.post(f"/projects/{POOR}/billing/payment-methods")

    assert response.status_code == 400


# Apps and databases


def test_apps_of_one_process_have_settings_of_their_own(tmp_path: Any) -> None:
    on = filled(create_app(f"sqlite:///{tmp_path / 'on.sqlite'}", STRIPE_SECRET_KEY=KEY))
    off = filled(create_app(f"sqlite:///{tmp_path / 'off.sqlite'}"))
    moved = filled(
        create_app(
            f"sqlite:///{tmp_path / 'moved.sqlite'}",
            STRIPE_SECRET_KEY=KEY,
            BILLING_URL_PREFIX="/t/<project_id>/pay",
        )
    )

    outcomes = {}
    for name, app in {"on": on, "off": off, "moved": moved, "on again": on}.items():
        with app.app_context():
            db.session.add(Server(project_id=POOR))
            try:
                db.session.commit()
                outcomes[name] = "created"
            except PaymentMethodRequired:
                outcomes[name] = "refused"

    assert outcomes == {
        "on": "refused",
        "off": "created",
        "moved": "refused",
        "on again": "refused",
    }
    pages = [app.test_client().get("/projects/9/billing").status_code for app in (on, off, moved)]
    assert pages == [404, 501, 404]
    assert moved.test_client().get("/t/9/pay").status_code == 404


def test_live_and_test_mode_do_not_see_each_others_methods(sqlite_url: str) -> None:
    filled(create_app(sqlite_url, STRIPE_SECRET_KEY=KEY))

    live = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_live_host")

    with live.app_context():
        assert not db.session.get_one(Project, PAYING).can_create_resources


def test_second_db_of_a_process_is_refused_with_the_reason() -> None:
    with pytest.raises(RuntimeError, match="a process has one 'db'"):
        Billing(SQLAlchemy())


def test_same_db_may_be_given_again() -> None:
    again = Billing(db)

    assert again.db is db


def test_plain_session_inside_an_app_context_is_guarded(app: Flask) -> None:
    with app.app_context(), Session(db.engine) as session:
        session.add(Server(project_id=PAYING))
        session.commit()
        session.add(Server(project_id=POOR))

        with pytest.raises(PaymentMethodRequired):
            session.commit()


def test_engine_of_the_hosts_own_making_is_guarded(app: Flask) -> None:
    engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"])

    with app.app_context(), engine.begin() as connection:
        connection.execute(Server.__table__.insert(), {"project_id": PAYING, "name": "a"})
        with pytest.raises(PaymentMethodRequired):
            connection.execute(Server.__table__.insert(), {"project_id": POOR, "name": "a"})


@pytest.fixture
def session_outside(app: Flask) -> Iterator[Session]:
    """A session on the host's database where no app is around, with one server to work on."""
    with app.app_context():
        db.session.add(Server(id=1, project_id=PAYING))
        db.session.commit()
    with Session(create_engine(app.config["SQLALCHEMY_DATABASE_URI"])) as session:
        yield session


def test_guard_refuses_outside_an_app_context(session_outside: Session) -> None:
    session_outside.add(Server(project_id=PAYING))

    with pytest.raises(RuntimeError, match="app context"):
        session_outside.commit()


def test_core_statement_is_refused_outside_an_app_context(session_outside: Session) -> None:
    statement = Server.__table__.insert().values(project_id=PAYING, name="a")

    with pytest.raises(RuntimeError, match="app context"):
        session_outside.execute(statement)


def test_what_is_not_billable_can_be_written_outside_an_app_context(
    session_outside: Session,
) -> None:
    session_outside.add(Project(name="made by a script"))
    session_outside.commit()

    assert session_outside.query(Project).count() == 3


def test_resource_can_be_changed_and_deleted_outside_an_app_context(
    session_outside: Session,
) -> None:
    session_outside.get_one(Server, 1).name = "renamed"
    session_outside.commit()
    session_outside.execute(update(Server).values(name="renamed again"))
    session_outside.delete(session_outside.get_one(Server, 1))
    session_outside.commit()

    assert session_outside.query(Server).count() == 0


# Other kinds of host, each in a process of its own

IMPORTS = """
import json
import os
from urllib.request import Request, urlopen
from uuid import UUID

import sqlalchemy as sa
import stripe
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_billing import BillableResource, BilledProject, Billing, PaymentMethodRequired
from flask_billing import BillingInfo, PaymentMethod

stripe.enable_telemetry = False
"""

MODERN = """
class Base(DeclarativeBase):
    pass

db = SQLAlchemy(model_class=Base)
billing = Billing(db)
"""

MODELS = """
class Project(BilledProject, db.Model):
    id: Mapped[KEY_TYPE] = mapped_column(KEY_COLUMN, primary_key=True)

class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[KEY_TYPE] = mapped_column(sa.ForeignKey("project.id"))
    project: Mapped[Project] = relationship()
"""

LEGACY = """
db = SQLAlchemy()
billing = Billing(db)

class Project(BilledProject, db.Model):
    id = db.Column(db.Integer, primary_key=True)

class Server(BillableResource, db.Model):
    id = db.Column(db.Integer, primary_key=True)
    project_id = db.Column(db.ForeignKey("project.id"), nullable=False)
    project = db.relationship(Project)
"""

APP = """
@billing.project_loader
def load(project_id):
    return db.session.get(Project, KEY_OF(project_id))

@billing.can_manage
def can_manage(project):
    return True

def make_app(**config):
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="x",
        WTF_CSRF_ENABLED=False,
        SQLALCHEMY_DATABASE_URI="sqlite:///" + os.path.abspath("host.sqlite"),
        STRIPE_SECRET_KEY="sk_test_1",
    )
    app.config.update(config)
    db.init_app(app)
    billing.init_app(app)
    return app
"""

JOURNEY = """
app = make_app(STRIPE_API_BASE=SANDBOX)

@app.post("/projects/<project_id>/servers")
def create_server(project_id):
    db.session.add(Server(project_id=KEY_OF(project_id)))
    db.session.commit()
    return "created", 201

with app.app_context():
    db.create_all()
    db.session.add_all([Project(id=key) for key in KEYS])
    db.session.commit()

client = app.test_client()
with app.test_request_context():
    from flask import url_for
    home = url_for("billing.index", project_id=KEYS[0])
servers = home.removesuffix("/billing") + "/servers"

refused = client.post(servers)
page = client.get(home)
started = client.post(home + "/payment-methods")
session_id = next(p for p in started.location.split("/") if p.startswith("cs_")).partition("?")[0]
filled_in = Request(
    f"{SANDBOX}/_sandbox/checkout/{session_id}/complete",
    data=b"{}",
    headers={"Content-Type": "application/json"},
)
with urlopen(filled_in) as answer:
    back = json.load(answer)["url"]
done = client.get("/" + back.split("/", 3)[3])
created = client.post(servers)
with app.app_context():
    paying, other = (db.session.get(Project, key) for key in KEYS)
    able = [paying.can_create_resources, other.can_create_resources]
    saved = len(paying.payment_methods)
    stored = [server.project_id for server in db.session.scalars(sa.select(Server))]
app.extensions["billing"].threads.shutdown()
print(json.dumps({
    "refused": [refused.status_code, refused.location.partition("?")[0] == home],
    "page": page.status_code,
    "done": [done.status_code, done.location == home],
    "created": created.status_code,
    "able": able,
    "saved": saved,
    "stored": stored == [KEYS[0]],
}))
"""

WHOLE_WAY = {
    "refused": [303, True],
    "page": 200,
    "done": [303, True],
    "created": 201,
    "able": [True, False],
    "saved": 1,
    "stored": True,
}

KEY_KINDS = {
    "int": ("int", "sa.Integer", "int", [1, 11]),
    "bigint": ("int", "sa.BigInteger", "int", [2**60, 2**60 + 1]),
    "uuid": (
        "UUID",
        "sa.Uuid",
        "UUID",
        ["01a3b0d5-0000-7000-8000-000000000001", "01a3b0d5-0000-7000-8000-00000000000a"],
    ),
    "uuid as text": (
        "str",
        "sa.String(36)",
        "str",
        ["01a3b0d5-0000-7000-8000-000000000001", "01a3b0d5-0000-7000-8000-00000000000a"],
    ),
    "text": ("str", "sa.String(80)", "str", ["acme & söhne's 1", "ACME & söhne's 1"]),
    "number as text": ("str", "sa.String(80)", "str", ["01", "1"]),
}


def host(kind: str = "int", *, models: str = MODERN + MODELS) -> str:
    """The source of a host app whose project has a key of this kind."""
    type_, column, make, keys = KEY_KINDS[kind]
    source = models.replace("KEY_TYPE", type_).replace("KEY_COLUMN", column)
    return f"{IMPORTS}\n{source}\nKEY_OF = {make}\nKEYS = [KEY_OF(k) for k in {keys!r}]\n{APP}"


def whole_way(sandbox: Sandbox, source: str) -> str:
    return f"SANDBOX = {sandbox.url!r}\n{source}\n{JOURNEY}"


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_project_may_have_a_key_of_any_type(
    run_python: Callable[[str], str], stripe_sandbox: Sandbox, kind: str
) -> None:
    printed = run_python(whole_way(stripe_sandbox, host(kind)))

    assert json_of(printed) == WHOLE_WAY


def test_text_keys_are_compared_as_they_are(run_python: Callable[[str], str]) -> None:
    script = """
app = make_app()
with app.app_context():
    db.create_all()
    info = BillingInfo(stripe_id="cus_1")
    paying = Project(id="acme", billing_info=info)
    db.session.add_all([PaymentMethod(stripe_id="pm_1", billing_info=info), paying])
    db.session.commit()

not_acme = [
    "ACME", "acme ", " acme", "acme\\0", "acm", "acme' OR '1'='1", "'", "%", "", "a" * 10_000,
    b"acme", 1, None,
]
written = []
with app.app_context():
    for key in not_acme:
        try:
            db.session.execute(sa.insert(Server.__table__).values(project_id=key))
            written.append(repr(key))
        except PaymentMethodRequired:
            db.session.rollback()
    db.session.execute(sa.insert(Server.__table__).values(project_id="acme"))
    db.session.commit()
print(json.dumps(written))
"""

    printed = run_python(host("text") + script)

    assert json_of(printed) == []


def test_host_with_the_legacy_model_class(
    run_python: Callable[[str], str], stripe_sandbox: Sandbox
) -> None:
    printed = run_python(whole_way(stripe_sandbox, host(models=LEGACY)))

    assert json_of(printed) == WHOLE_WAY


def json_of(printed: str) -> Any:
    return json.loads(printed)


def test_host_keeps_its_naming_convention_and_we_keep_our_names(
    run_python: Callable[[str], str], stripe_sandbox: Sandbox
) -> None:
    modern = MODERN.replace(
        "    pass",
        "    metadata = sa.MetaData(naming_convention={\n"
        '        "ix": "host_ix_%(column_0_label)s",\n'
        '        "uq": "host_uq_%(table_name)s_%(column_0_name)s",\n'
        '        "ck": "host_ck_%(table_name)s_%(constraint_name)s",\n'
        '        "fk": "host_fk_%(table_name)s_%(column_0_name)s",\n'
        '        "pk": "host_pk_%(table_name)s",\n'
        "    })",
    )
    names = """
from flask_billing import models
names = {
    table.name: sorted(
        str(thing.name)
        for thing in (*table.constraints, *table.indexes)
        if not isinstance(thing, sa.PrimaryKeyConstraint)
    )
    for table in db.metadata.sorted_tables
}
print(json.dumps(names))
"""
    source = host(models=modern + MODELS)

    way, names_of = run_python(whole_way(stripe_sandbox, source) + names).splitlines()

    assert json_of(way) == WHOLE_WAY
    found = json_of(names_of)
    assert found.pop("server") == ["host_fk_server_project_id"]
    assert found.pop("project") == ["project_billing_info_id_fkey"]
    assert len(found) >= 8
    for table, of_table in found.items():
        assert all(name.startswith(f"{table.removesuffix('s')}_") for name in of_table), of_table


INHERITANCE = """
class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

class Machine(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    project: Mapped[Project] = relationship()
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "machine"}

class Server(Machine):
    id: Mapped[int] = mapped_column(sa.ForeignKey("machine.id"), primary_key=True)
    size: Mapped[str] = mapped_column(sa.String(20), default="small")
    __mapper_args__ = {"polymorphic_identity": "server"}

class Router(Machine):
    __mapper_args__ = {"polymorphic_identity": "router"}

class Probe(Machine):
    billing_free = True
    __mapper_args__ = {"polymorphic_identity": "probe"}
"""

FILLED = """
with app.app_context():
    db.create_all()
    info = BillingInfo(stripe_id="cus_1")
    db.session.add_all([
        PaymentMethod(stripe_id="pm_1", billing_info=info),
        Project(id=1, billing_info=info),
        Project(id=2),
    ])
    db.session.commit()

def attempt(*rows, **options):
    with app.app_context():
        try:
            db.session.add_all(rows)
            db.session.commit()
            return "created"
        except PaymentMethodRequired:
            return "refused"
"""


def test_models_that_inherit_are_guarded_with_their_parents(
    run_python: Callable[[str], str],
) -> None:
    script = f"""
app = make_app()
{FILLED}
outcomes = {{
    model.__name__: [attempt(model(project_id=1)), attempt(model(project_id=2))]
    for model in (Machine, Server, Router, Probe)
}}
with app.app_context():
    for model in (Machine, Server, Router):
        try:
            db.session.bulk_save_objects([model(project_id=2)])
            db.session.commit()
            outcomes[model.__name__].append("created")
        except PaymentMethodRequired:
            db.session.rollback()
            outcomes[model.__name__].append("refused")
    count = sa.select(sa.func.count()).select_from(Machine)
    outcomes["poor"] = db.session.scalar(count.where(Machine.project_id == 2))
    outcomes["paying"] = db.session.scalar(count.where(Machine.project_id == 1))
print(json.dumps(outcomes))
"""

    printed = run_python(host(models=MODERN + INHERITANCE) + script)

    guarded = ["created", "refused", "refused"]
    assert json_of(printed) == {
        "Machine": guarded,
        "Server": guarded,
        "Router": guarded,
        "Probe": ["created", "created"],
        "poor": 1,
        "paying": 4,
    }


TWO_BINDS = """
class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(sa.ForeignKey("project.id"))
    project: Mapped[Project] = relationship()

class Letter(db.Model):
    __bind_key__ = "archive"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int]

class Volume(BillableResource, db.Model):
    __bind_key__ = "archive"
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int]
"""


def test_host_with_two_databases(run_python: Callable[[str], str]) -> None:
    script = f"""
app = make_app(SQLALCHEMY_BINDS={{"archive": "sqlite:///" + os.path.abspath("archive.sqlite")}})
{FILLED}
outcomes = {{
    model.__name__: [attempt(model(project_id=1)), attempt(model(project_id=2))]
    for model in (Server, Letter, Volume)
}}
with app.app_context():
    tables = sa.inspect(db.engines["archive"]).get_table_names()
    outcomes["archive"] = sorted(tables)
    try:
        db.session.execute(sa.insert(Volume).values(project_id=2))
        outcomes["core"] = "created"
    except PaymentMethodRequired:
        outcomes["core"] = "refused"
print(json.dumps(outcomes))
"""

    printed = run_python(host(models=MODERN + TWO_BINDS) + script)

    assert json_of(printed) == {
        "Server": ["created", "refused"],
        "Letter": ["created", "created"],
        "Volume": ["created", "refused"],
        "archive": ["letter", "volume"],
        "core": "refused",
    }


def test_host_without_a_loader_is_told_which_decorator_is_missing(
    run_python: Callable[[str], str],
) -> None:
    script = dedent(
        """
        billing._hooks.project_loader = None
        app = make_app(TESTING=True)
        try:
            app.test_client().get("/projects/1/billing")
        except RuntimeError as error:
            print(error)
        """
    )

    assert "@billing.project_loader" in run_python(host() + script)


TWO_TENANTS = """
class A(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

class B(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
"""

KEY_OF_TWO_COLUMNS = """
class A(BilledProject, db.Model):
    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[int] = mapped_column(primary_key=True)
"""


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("", "Found: none"),
        (TWO_TENANTS, "Found: A, B"),
        (KEY_OF_TWO_COLUMNS, "primary key of one column"),
    ],
)
def test_host_with_no_one_tenant_model_is_told_so(
    run_python: Callable[[str], str], models: str, message: str
) -> None:
    source = IMPORTS + MODERN + models
    script = "from flask_billing import projects\ntry:\n    projects.primary_key()\n"
    script += "except RuntimeError as error:\n    print(error)\n"

    assert message in run_python(source + script)


def test_resource_without_a_project_id_is_told_so(run_python: Callable[[str], str]) -> None:
    models = """
class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)

app = Flask(__name__)
app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", STRIPE_SECRET_KEY="sk_test_1")
db.init_app(app)
billing.init_app(app)
with app.app_context():
    db.create_all()
    db.session.add(Server())
    try:
        db.session.commit()
    except RuntimeError as error:
        print(error)
"""

    printed = run_python(IMPORTS + MODERN + models)

    assert "Server is a BillableResource and needs a 'project_id' column" in printed
