"""Projects and the people in them."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from sqlalchemy import select

from example_app.auth import Page, require_user, sign_in_required
from example_app.extensions import db
from example_app.forms import ConfirmForm, MemberForm, ProjectForm
from example_app.models import Membership, Project, Role, User
from example_app.tenancy import require_membership, require_owner

blueprint = Blueprint("projects", __name__)


@blueprint.get("/projects")
@sign_in_required
def index() -> Page:
    """List the projects that the person belongs to."""
    query = (
        select(Membership)
        .join(Membership.project)
        .where(Membership.user_id == require_user().id)
        .order_by(Project.name, Project.id)
    )
    memberships = db.session.scalars(query).all()
    return render_template("projects/index.html", memberships=memberships)


@blueprint.get("/projects/new")
@sign_in_required
def new() -> Page:
    """Show the form that makes a project."""
    return render_template("projects/new.html", form=ProjectForm())


@blueprint.post("/projects")
@sign_in_required
def create() -> Page:
    """Make a project, owned by the person."""
    form = ProjectForm()
    if not form.validate_on_submit():
        return render_template("projects/new.html", form=form), 422
    project = Project(name=form.name.data)
    project.memberships.append(Membership(user=require_user(), role=Role.OWNER))
    db.session.add(project)
    db.session.commit()
    return redirect(url_for("projects.show", project_id=project.id), 303)


@blueprint.get("/projects/<id:project_id>")
@sign_in_required
def show(project_id: int) -> Page:
    """Show what runs in a project."""
    membership = require_membership(project_id)
    return render_template("projects/show.html", project=membership.project)


@blueprint.get("/projects/<id:project_id>/members")
@sign_in_required
def members(project_id: int) -> Page:
    """Show who belongs to a project."""
    membership = require_membership(project_id)
    return render_template("projects/members.html", project=membership.project, form=MemberForm())


@blueprint.post("/projects/<id:project_id>/members")
@sign_in_required
def add_member(project_id: int) -> Page:
    """Let somebody with an account into the project."""
    project = require_owner(project_id).project
    form = MemberForm()
    if form.validate_on_submit():
        user = db.session.scalar(select(User).where(User.email == form.email.data))
        if user is None:
            form.email.errors = ["Nobody with this address has an account. Ask them to sign up."]
        elif any(member.user_id == user.id for member in project.memberships):
            form.email.errors = ["This person is a member already."]
        else:
            project.memberships.append(Membership(user=user, role=Role(form.role.data)))
            db.session.commit()
            flash(f"{user.name} is now in the project.", "success")
            return redirect(url_for("projects.members", project_id=project_id), 303)
    return render_template("projects/members.html", project=project, form=form), 422


@blueprint.get("/projects/<id:project_id>/members/<id:membership_id>/remove")
@sign_in_required
def confirm_member_removal(project_id: int, membership_id: int) -> Page:
    """Ask before somebody loses their access."""
    member = _find_member(require_owner(project_id).project, membership_id)
    return render_template("projects/remove_member.html", member=member, form=ConfirmForm())


@blueprint.post("/projects/<id:project_id>/members/<id:membership_id>/remove")
@sign_in_required
def remove_member(project_id: int, membership_id: int) -> Page:
    """End somebody's access; a project keeps at least one owner."""
    project = _lock(require_owner(project_id).project)
    member = _find_member(project, membership_id)
    if _is_last_owner(member):
        flash("A project needs an owner. Add another owner first.", "error")
        return redirect(url_for("projects.members", project_id=project_id), 303)
    leaves = member.user_id == require_user().id
    flash(f"{member.user.name} is no longer in {project.name}.", "success")
    project.memberships.remove(member)
    db.session.commit()
    if leaves:
        return redirect(url_for("projects.index"), 303)
    return redirect(url_for("projects.members", project_id=project_id), 303)


def _lock(project: Project) -> Project:
    # Two owners who remove each other at the same moment must not leave the project without one.
    db.session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    db.session.refresh(project, ["memberships"])
    return project


def _is_last_owner(member: Membership) -> bool:
    return [each for each in member.project.memberships if each.is_owner] == [member]


def _find_member(project: Project, membership_id: int) -> Membership:
    query = select(Membership).where(
        Membership.project_id == project.id, Membership.id == membership_id
    )
    return db.session.scalar(query) or abort(404)
