"""What a project runs: servers, databases and DNS zones.

Two things keep a project that can't pay from creating a server. The decorator on the form's page
stops people before they fill it in; the guard on the row itself stops everything else. So the views
that create rows need no check of their own. A DNS zone is free, so its form has no decorator.

What they cost is recorded at the rows, too: no view says when a server begins, changes or ends.
"""

from typing import Any, TypeAlias

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm
from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from example_app.auth import Page, sign_in_required
from example_app.extensions import billing, db
from example_app.forms import (
    ConfirmForm,
    DatabaseForm,
    DatabaseSizeForm,
    DnsZoneForm,
    ServerForm,
    ServerSizeForm,
)
from example_app.models import Database, DnsZone, Project, Server
from example_app.tenancy import require_membership

Resource: TypeAlias = Server | Database | DnsZone
KINDS: dict[str, type[Resource]] = {
    "servers": Server,
    "databases": Database,
    "dns-zones": DnsZone,
}
SIZE_FORMS: dict[str, type[FlaskForm]] = {
    "servers": ServerSizeForm,
    "databases": DatabaseSizeForm,
}

blueprint = Blueprint("resources", __name__, url_prefix="/projects/<id:project_id>")


@blueprint.get("/servers/new")
@sign_in_required
@billing.payment_method_required(model=Server)
def new_server(project_id: int) -> Page:
    """Show the form for a server."""
    project = require_membership(project_id).project
    return _form_page(project, ServerForm(), "server")


@blueprint.post("/servers")
@sign_in_required
def create_server(project_id: int) -> Page:
    """Create a server."""
    project = require_membership(project_id).project
    form = ServerForm()
    if form.validate_on_submit():
        server = Server(project=project, name=form.name.data, size=form.size.data)
        if _saved(server, form):
            return _back_to(project, f"Server {form.name.data} was created.")
    return _form_page(project, form, "server"), 422


@blueprint.get("/databases/new")
@sign_in_required
@billing.payment_method_required(model=Database)
def new_database(project_id: int) -> Page:
    """Show the form for a database."""
    project = require_membership(project_id).project
    return _form_page(project, DatabaseForm(), "database")


@blueprint.post("/databases")
@sign_in_required
def create_database(project_id: int) -> Page:
    """Create a database."""
    project = require_membership(project_id).project
    form = DatabaseForm()
    if form.validate_on_submit():
        database = Database(project=project, name=form.name.data, size=form.size.data)
        if _saved(database, form):
            return _back_to(project, f"Database {form.name.data} was created.")
    return _form_page(project, form, "database"), 422


@blueprint.get("/dns-zones/new")
@sign_in_required
def new_dns_zone(project_id: int) -> Page:
    """Show the form for a DNS zone."""
    project = require_membership(project_id).project
    return _form_page(project, DnsZoneForm(), "dns_zone")


@blueprint.post("/dns-zones")
@sign_in_required
def create_dns_zone(project_id: int) -> Page:
    """Create a DNS zone."""
    project = require_membership(project_id).project
    form = DnsZoneForm()
    if form.validate_on_submit():
        zone = DnsZone(project=project, name=form.name.data)
        if _saved(zone, form):
            return _back_to(project, f"DNS zone {form.name.data} was created.")
    return _form_page(project, form, "dns_zone"), 422


@blueprint.get("/<any(servers, databases):kind>/<id:resource_id>/resize")
@sign_in_required
def choose_size(project_id: int, kind: str, resource_id: int) -> Page:
    """Ask for another size."""
    machine = _find(project_id, kind, resource_id)
    return _size_page(machine, SIZE_FORMS[kind](obj=machine))


@blueprint.post("/<any(servers, databases):kind>/<id:resource_id>/resize")
@sign_in_required
def resize(project_id: int, kind: str, resource_id: int) -> Page:
    """Give a server or a database another size; from now on it costs what that one costs."""
    machine = _find(project_id, kind, resource_id)
    form = SIZE_FORMS[kind]()
    if not form.validate_on_submit():
        return _size_page(machine, form), 422
    form.populate_obj(machine)
    db.session.commit()
    return _back_to(machine.project, f"{machine.name} is {form.size.data} now.")


@blueprint.get("/<any(servers, databases, 'dns-zones'):kind>/<id:resource_id>/delete")
@sign_in_required
def confirm_deletion(project_id: int, kind: str, resource_id: int) -> Page:
    """Ask before something is deleted."""
    resource = _find(project_id, kind, resource_id)
    return render_template(
        "resources/delete.html", project=resource.project, resource=resource, form=ConfirmForm()
    )


@blueprint.post("/<any(servers, databases, 'dns-zones'):kind>/<id:resource_id>/delete")
@sign_in_required
def delete(project_id: int, kind: str, resource_id: int) -> Page:
    """Delete a server, a database or a zone. This never needs a payment method."""
    resource = _find(project_id, kind, resource_id)
    project, name = resource.project, resource.name
    db.session.delete(resource)
    db.session.commit()
    return _back_to(project, f"{name} was deleted.")


def _find(project_id: int, kind: str, resource_id: int) -> Resource:
    project = require_membership(project_id).project
    model = KINDS[kind]
    query: Select[Any] = select(model).where(
        model.project_id == project.id, model.id == resource_id
    )
    resource: Resource | None = db.session.scalar(query)
    return resource or abort(404)


def _saved(resource: Resource, form: FlaskForm) -> bool:
    db.session.add(resource)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        form.name.errors = ["This project has one of this name already. Choose another name."]
        return False
    return True


def _form_page(project: Project, form: FlaskForm, kind: str) -> str:
    return render_template(f"resources/new_{kind}.html", project=project, form=form)


def _size_page(machine: Resource, form: FlaskForm) -> str:
    return render_template("resources/resize.html", machine=machine, form=form)


def _back_to(project: Project, message: str) -> Response:
    flash(message, "success")
    return redirect(url_for("projects.show", project_id=project.id), 303)
