"""The JSON API: servers and databases for programs, which sign in with a bearer token.

No view here knows about billing. Where a project can't pay, the guard's own error leaves the view,
and the extension answers it: 402, with the address of the billing page. The calls themselves cost a
little: `count_call` records one usage event for each.
"""

from typing import Any, TypeAlias
from uuid import uuid4

from flask import Blueprint, abort, current_app, g, jsonify, request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict, WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized, UnprocessableEntity
from werkzeug.wrappers import Response
from wtforms import Form

from example_app.auth import require_user
from example_app.extensions import billing, db
from example_app.forms import machine_name_field, size_field
from example_app.models import ApiToken, Database, Membership, Project, Server
from example_app.tenancy import require_membership

blueprint = Blueprint("api", __name__, url_prefix="/api")

Machine: TypeAlias = Server | Database
MODELS: dict[str, type[Server] | type[Database]] = {"servers": Server, "databases": Database}


class ServerBody(Form):
    """Judges what a program says about a new server, by the rules of the HTML form."""

    name = machine_name_field()
    size = size_field(Server.SIZES)


class DatabaseBody(Form):
    """Judges what a program says about a new database."""

    name = machine_name_field()
    size = size_field(Database.SIZES)


BODIES: dict[str, type[Form]] = {"servers": ServerBody, "databases": DatabaseBody}


def problem(error: HTTPException, **more: Any) -> Response:
    """Return an error in the format of RFC 9457."""
    body = {"type": "about:blank", "title": error.name, "status": error.code}
    response = jsonify(body | {"detail": error.description} | more)
    response.status_code = error.code or 500
    response.mimetype = "application/problem+json"
    if isinstance(error, Unauthorized):
        response.www_authenticate = WWWAuthenticate("bearer", {"realm": "Harbour"})
    return response


@blueprint.before_request
def authenticate() -> None:
    """Let in who brings a valid token; a browser's session counts for nothing here."""
    authorization = request.authorization
    text = authorization.token if authorization and authorization.type == "bearer" else None
    query = select(ApiToken).where(ApiToken.token_hash == ApiToken.hash(text or ""))
    token = db.session.scalar(query)
    if token is None:
        abort(401, "Send a valid API token: 'Authorization: Bearer harbour_…'.")
    g.user = token.user


@blueprint.after_request
def count_call(response: Response) -> Response:
    """Count what a program asked of a project and got; a refused call costs nothing.

    The call is done by now, and whatever goes wrong with counting must not undo its answer.
    """
    project_id = (request.view_args or {}).get("project_id")
    if project_id is not None and response.status_code < 400:
        try:
            # The id is ours: a program that could choose it would count many calls as one.
            billing.record_usage(project_id, "api.call", 1, f"api-{uuid4()}")
            db.session.commit()
        except Exception as error:  # noqa: BLE001 - the call is answered by now
            db.session.rollback()
            # Not its text: a database's error holds the statement and its parameters.
            kind = type(error).__name__
            current_app.logger.error("A call of project %s was not counted: %s.", project_id, kind)  # noqa: TRY400
    return response


@blueprint.get("/projects")
def list_projects() -> Response:
    """List the projects of the token's owner."""
    query = (
        select(Project)
        .join(Project.memberships)
        .where(Membership.user_id == require_user().id)
        .order_by(Project.id)
    )
    projects = [{"id": each.id, "name": each.name} for each in db.session.scalars(query)]
    return jsonify(projects=projects)


@blueprint.get("/projects/<id:project_id>/<any(servers, databases):kind>")
def list_machines(project_id: int, kind: str) -> Response:
    """List a project's servers, or its databases."""
    project = require_membership(project_id).project
    machines = project.servers if kind == "servers" else project.databases
    return jsonify({kind: [_as_json(machine) for machine in machines]})


@blueprint.post("/projects/<id:project_id>/<any(servers, databases):kind>")
def create_machine(project_id: int, kind: str) -> tuple[Response, int] | Response:
    """Create a server or a database."""
    project = require_membership(project_id).project
    form = BODIES[kind](_text_values(request.get_json()))
    if not form.validate():
        return problem(UnprocessableEntity("Some values can't be used."), errors=form.errors)
    machine = MODELS[kind](project_id=project.id, name=form.name.data, size=form.size.data)
    db.session.add(machine)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        abort(409, "This project has one of this name already.")
    return jsonify(_as_json(machine)), 201


@blueprint.delete("/projects/<id:project_id>/<any(servers, databases):kind>/<id:machine_id>")
def delete_machine(project_id: int, kind: str, machine_id: int) -> tuple[str, int]:
    """Delete a server or a database."""
    project = require_membership(project_id).project
    model = MODELS[kind]
    query = select(model).where(model.project_id == project.id, model.id == machine_id)
    db.session.delete(db.session.scalar(query) or abort(404))
    db.session.commit()
    return "", 204


def _text_values(body: object) -> MultiDict[str, str]:
    values = body if isinstance(body, dict) else {}
    return MultiDict({name: text for name, text in values.items() if isinstance(text, str)})


def _as_json(machine: Machine) -> dict[str, Any]:
    return {"id": machine.id, "name": machine.name, "size": machine.size}
