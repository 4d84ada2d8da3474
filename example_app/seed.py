"""The accounts and projects that the demo begins with."""

from sqlalchemy import select

from example_app import demo_clock, history
from example_app.cards import DECLINED, save_card
from example_app.extensions import db
from example_app.models import DnsZone, Membership, Project, Role, User

PASSWORD = "harbour-demo-password"  # noqa: S105 - the demo prints it for everybody
ADA = "ada@example.com"
GRACE = "grace@example.com"


def seed() -> None:
    """Make two people: their projects have run for months, one of them owes, and one is new."""
    if db.session.scalar(select(User.id).limit(1)) is not None:
        return
    ada = _person("Ada Lovelace", ADA)
    ada.is_staff = True
    grace = _person("Grace Hopper", GRACE)
    engine = _project("Analytical Engine", ada)
    engine.memberships.append(Membership(user=grace, role=Role.MEMBER))
    compiler = _project("Compiler", grace)
    loom = _project("Loom", ada)
    notes = _project("Notes", ada)
    # Free, and so possible before anybody has saved a card.
    notes.dns_zones.append(DnsZone(name="notes.example"))
    db.session.add_all([engine, compiler, loom, notes])
    demo_clock.set_stripe(history.began())
    engine.billing_info = save_card(ada.name, ada.email)
    compiler.billing_info = save_card(grace.name, grace.email)
    loom.billing_info = save_card(ada.name, ada.email, DECLINED)
    history.make_up(engine, compiler, loom)
    db.session.commit()
    history.close_and_collect()


def _person(name: str, email: str) -> User:
    user = User(name=name, email=email)
    user.set_password(PASSWORD)
    return user


def _project(name: str, owner: User) -> Project:
    return Project(name=name, memberships=[Membership(user=owner, role=Role.OWNER)])
