"""The walls between tenants: every project is looked up through a membership."""

from flask import abort, g, redirect, request, url_for
from sqlalchemy import select
from werkzeug.routing import IntegerConverter, Map

from example_app.auth import current_user
from example_app.extensions import billing, db
from example_app.models import Membership, Project, Role, User

LARGEST_ID = 2**31 - 1


class IdConverter(IntegerConverter):
    """Matches the ids that a row can have, so that a larger number is simply not found."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, min=1, max=LARGEST_ID)


def find_membership(project_id: int) -> Membership | None:
    """Return the signed-in person's place in a project, or None where they have none."""
    user = current_user()
    if user is None:
        return None
    query = select(Membership).where(
        Membership.project_id == project_id, Membership.user_id == user.id
    )
    membership = g.membership = db.session.scalar(query)
    return membership


def require_membership(project_id: int) -> Membership:
    """Return the person's place in a project; to everyone else the project does not exist."""
    return find_membership(project_id) or abort(404)


def require_owner(project_id: int) -> Membership:
    """Return the place of an owner; members get 403."""
    membership = require_membership(project_id)
    if not membership.is_owner:
        abort(403, "Only an owner of this project can do that.")
    return membership


def current_membership() -> Membership | None:
    """Return the place in the project of this page for the layout, also where no view looked it up.

    That is so on the billing pages while billing is off.
    """
    project_id = _id_from(str((request.view_args or {}).get("project_id")))
    if "membership" not in g and project_id is not None:
        find_membership(project_id)
    membership: Membership | None = g.get("membership")
    return membership


@billing.project_loader
def load_project(project_id: str) -> Project | None:
    """Give the billing pages the project that the person asks for, if they may see it."""
    if current_user() is None:
        abort(redirect(url_for("auth.sign_in", next=request.path)))
    known_id = _id_from(project_id)
    membership = find_membership(known_id) if known_id is not None else None
    return membership.project if membership else None


def _id_from(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= LARGEST_ID else None


@billing.staff_required
def is_staff() -> bool:
    """Let the people of Harbour see what arrives from Stripe."""
    user = current_user()
    return user is not None and user.is_staff


@billing.actor
def who_asks() -> str | None:
    """Name who did it in the audit log, by id."""
    user = current_user()
    return str(user.id) if user is not None else None


@billing.can_manage
def owns(project: Project) -> bool:
    """Let owners change billing; members only see it."""
    user = current_user()
    return user is not None and any(
        membership.user_id == user.id and membership.role is Role.OWNER
        for membership in project.memberships
    )


@billing.members_emails
def emails_of(project_key: str) -> list[str]:
    """Say who is told what becomes of a project's invoices: everybody in it."""
    query = (
        select(User.email).join(User.memberships).where(Membership.project_id == int(project_key))
    )
    return list(db.session.scalars(query.order_by(User.email)))
