"""Who uses Harbour, and what they run on it."""

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Enum, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from example_app.extensions import Model
from flask_billing import BillableResource, BilledProject, clock


def now() -> datetime:
    """Return the present moment."""
    return clock.now()


class Role(StrEnum):
    """What a person may do in a project: an owner also manages its members and its billing."""

    OWNER = "owner"
    MEMBER = "member"


class User(Model):
    """A person who signs in."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    #: Works for Harbour, and sees what arrives from Stripe. Set by hand, never by a form.
    is_staff: Mapped[bool] = mapped_column(default=False, server_default=false())

    memberships: Mapped[list["Membership"]] = relationship(back_populates="user")
    tokens: Mapped[list["ApiToken"]] = relationship(
        back_populates="user", order_by="ApiToken.id", cascade="all, delete-orphan"
    )

    def set_password(self, password: str) -> None:
        """Keep a salted hash of the password."""
        self.password_hash = generate_password_hash(password)

    def has_password(self, password: str) -> bool:
        """Say whether this is the person's password."""
        return check_password_hash(self.password_hash, password)


class Project(BilledProject, Model):
    """The tenant: what members share and what is paid for together."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))

    memberships: Mapped[list["Membership"]] = relationship(
        back_populates="project", order_by="Membership.id", cascade="all, delete-orphan"
    )
    servers: Mapped[list["Server"]] = relationship(back_populates="project", order_by="Server.id")
    databases: Mapped[list["Database"]] = relationship(
        back_populates="project", order_by="Database.id"
    )
    dns_zones: Mapped[list["DnsZone"]] = relationship(
        back_populates="project", order_by="DnsZone.id"
    )

    @property
    def billing_label(self) -> str:
        """What the staff pages and the notifications call it."""
        return self.name


class Membership(Model):
    """A person's place in a project."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("project_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    role: Mapped[Role] = mapped_column(
        Enum(Role, native_enum=False, length=16, values_callable=lambda _: [*map(str, Role)])
    )

    project: Mapped[Project] = relationship(back_populates="memberships")
    user: Mapped[User] = relationship(back_populates="memberships")

    @property
    def is_owner(self) -> bool:
        """Say whether this person manages the project."""
        return self.role is Role.OWNER


class Server(BillableResource, Model):
    """A virtual machine. Billable: the project has to be able to pay before one is created.

    From then on the extension records what `billing_rates` says, and follows when it changes.
    """

    __tablename__ = "server"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    SIZES = {
        "small": "1 vCPU, 2 GB memory",
        "standard-2": "2 vCPUs, 8 GB memory",
        "standard-4": "4 vCPUs, 16 GB memory",
        "standard-8": "8 vCPUs, 32 GB memory",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(40))
    size: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    project: Mapped[Project] = relationship(back_populates="servers")

    @property
    def billing_label(self) -> str:
        """What the billing pages call it."""
        return self.name

    def billing_rates(self) -> dict[str, tuple[str, int]]:
        """Say what a server uses while it exists: one machine of its size."""
        return {"compute": (f"server.{self.size}", 1)}


class Database(BillableResource, Model):
    """A managed PostgreSQL database. Billable: the machine by its size, and its storage."""

    __tablename__ = "database"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    SIZES = {
        "small": "1 GB memory, 10 GB storage",
        "standard": "4 GB memory, 80 GB storage",
        "large": "16 GB memory, 320 GB storage",
    }
    STORAGE_GB = {"small": 10, "standard": 80, "large": 320}

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(40))
    size: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    project: Mapped[Project] = relationship(back_populates="databases")

    @property
    def billing_label(self) -> str:
        """What the billing pages call it."""
        return self.name

    def billing_rates(self) -> dict[str, tuple[str, int]]:
        """Say what a database uses while it exists: a machine, and so many gigabytes."""
        return {
            "compute": (f"database.{self.size}", 1),
            "storage": ("database.storage", self.STORAGE_GB[self.size]),
        }


class DnsZone(BillableResource, Model):
    """A domain whose records we serve. Free, so that people can start without a card."""

    __tablename__ = "dns_zone"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    billing_free = True
    billing_name = "DNS zone"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    name: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    project: Mapped[Project] = relationship(back_populates="dns_zones")


class ApiToken(Model):
    """A key with which a program acts as its owner; only its hash is kept."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now)

    user: Mapped[User] = relationship(back_populates="tokens")

    @classmethod
    def issue(cls, user: User, name: str) -> tuple["ApiToken", str]:
        """Make a token; the text is returned here and can't be read again."""
        text = f"harbour_{secrets.token_urlsafe(32)}"
        return cls(user=user, name=name, token_hash=cls.hash(text)), text

    @staticmethod
    def hash(text: str) -> str:
        """Return what is stored of a token. It is random and long, so it needs no salt."""
        return hashlib.sha256(text.encode()).hexdigest()


class SignInWindow(Model):
    """How many sign-ins were tried from an address, or for an account, since a moment."""

    __tablename__ = "sign_in_window"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    started_at: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempts: Mapped[int]
