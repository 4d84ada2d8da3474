"""The accounts and projects that the demo begins with."""

from sqlalchemy import select

from example_app.extensions import db
from example_app.models import DnsZone, Membership, Project, Role, User

PASSWORD = "harbour-demo-password"  # noqa: S105 - the demo prints it for everybody
ADA = "ada@example.com"
GRACE = "grace@example.com"


def seed() -> None:
    """Make two people with a project each, and one person a member of the other's."""
    if db.session.scalar(select(User.id).limit(1)) is not None:
        return
    ada = _person("Ada Lovelace", ADA)
    grace = _person("Grace Hopper", GRACE)
    engine = Project(name="Analytical Engine")
    engine.memberships = [
        Membership(user=ada, role=Role.OWNER),
        Membership(user=grace, role=Role.MEMBER),
    ]
    compiler = Project(name="Compiler")
    compiler.memberships = [Membership(user=grace, role=Role.OWNER)]
    db.session.add_all([engine, compiler])
    # Free, and so possible before anybody has saved a card.
    engine.dns_zones.append(DnsZone(name="engine.example"))
    db.session.commit()


def _person(name: str, email: str) -> User:
    user = User(name=name, email=email)
    user.set_password(PASSWORD)
    return user
