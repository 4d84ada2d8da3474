"""What the host mixes into its own models: the project that pays, and what it pays for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, ForeignKey, Uuid, event, inspect
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    Mapped,
    Mapper,
    declared_attr,
    mapped_column,
    object_session,
    relationship,
)
from sqlalchemy.sql.naming import conv

from flask_billing import guard, metering, payment_methods, projects
from flask_billing.guard import resources
from flask_billing.metering import births, currencies
from flask_billing.models import BilledProjectRow, BillingInfo, PaymentMethod
from flask_billing.state import current

__all__ = ["BillableResource", "BilledProject", "listen"]


class BilledProject:
    """Mixed into the one model of the host that is the tenant: it gets to know who pays.

    Adds the nullable column `billing_info_id` to the host's own table.
    """

    @declared_attr
    def billing_info_id(cls) -> Mapped[UUID | None]:  # noqa: N805 - SQLAlchemy passes the class
        """Who pays; null until the first payment method is saved."""
        name = f"{getattr(cls, '__tablename__', 'project')}_billing_info_id_fkey"
        return mapped_column(Uuid, ForeignKey("billing_info.id", name=conv(name)), index=False)

    @declared_attr
    def billing_info(cls) -> Mapped[BillingInfo | None]:  # noqa: N805
        """Who pays, as a row of ids."""
        return relationship(BillingInfo)

    @property
    def can_create_resources(self) -> bool:
        """Whether the guard would let this project create a billable resource now."""
        return guard.decide(self).allowed

    @property
    def payment_methods(self) -> list[PaymentMethod]:
        """The saved payment methods, in the order in which they are tried."""
        return projects.payment_methods_of(self)

    @hybrid_property
    def has_payment_method(self) -> bool:
        """Whether there is a payment method that can be charged; also usable in queries."""
        info = projects.visible_billing_info(self)
        chargeable = info is not None and info.removed_at is None
        return chargeable and any(method.is_usable for method in self.payment_methods)

    @has_payment_method.inplace.expression
    @classmethod
    def _has_payment_method(cls) -> ColumnElement[bool]:
        return projects.has_usable_method(cls.billing_info_id, current())

    #: Set on a project that has no row of ours yet; written with its first flush.
    _billable_from_birth = True

    @property
    def billable(self) -> bool:
        """Whether the project pays at all; an internal one does not, and may create freely."""
        row = self._row()
        return self._billable_from_birth if row is None else row.billable

    @billable.setter
    def billable(self, value: bool) -> None:
        state = inspect(self, raiseerr=True)
        if state.persistent:
            projects.row_of(self).billable = value
        elif state.detached:
            raise RuntimeError("A detached project can't be changed; add it to a session first.")
        else:
            self._billable_from_birth = value

    #: Set on a project that has no row of ours yet; written with its first flush.
    _currency_from_birth: str | None = None

    @property
    def billing_currency(self) -> str:
        """What the project is billed in, such as ``"eur"``; by default the app's currency.

        Can be set until something is counted in it: usage, credit or an invoice.

        :raises CurrencyFixed: It was set too late.
        """
        row = self._row()
        currency = self._currency_from_birth if row is None else row.currency
        return currency or current().settings.currency

    @billing_currency.setter
    def billing_currency(self, value: str) -> None:
        currency = currencies.checked(value)
        state = inspect(self, raiseerr=True)
        if state.persistent:
            currencies.fix(self, currency)
        elif state.detached:
            raise RuntimeError("A detached project can't be changed; add it to a session first.")
        else:
            self._currency_from_birth = currency

    def share_billing_info_with(self, other: BilledProject) -> None:
        """Let `other` pay by this project's billing info from now on; commits the session.

        :raises SharingRefused: The host's `can_manage` does not agree for both projects.
        :raises MethodNeeded: There is nothing to share that could be charged.
        """
        payment_methods.share(self, other)

    def _row(self) -> BilledProjectRow | None:
        session = object_session(self)
        if session is None or not inspect(self).persistent:
            return None
        return session.get(BilledProjectRow, projects.key_of(self))


class BillableResource:
    """Mixed into a host model whose rows cost money: guarded when created, metered while they live.

    The model needs `project_id`, a foreign key to the project. A class can say more:

    - `billing_name`: what people call it, such as ``"web server"``; by default the class name.
    - `billing_free`: a kind that costs nothing; the guard never asks.
    - `billing_free_quantity`: so many of them are free for each project.
    - `billing_rates(self)`: what a row uses, as ``{slot: (rate name, quantity)}``; a slot is what
      the customer sees as one thing. Rows of a model without it are not metered.
    - `billing_label`: a property with what people call one row, such as its name. The pages read
      it live; it is stored nowhere.
    """

    billing_name: ClassVar[str | None] = None
    billing_free: ClassVar[bool] = False
    billing_free_quantity: ClassVar[int] = 0

    if TYPE_CHECKING:
        project_id: Any

    #: Set on a row that is not in the database yet; written with its first flush.
    _paused_from_birth = False

    def stop_billing(self) -> None:
        """End what runs for this row, and meter nothing of it until :meth:`start_billing`.

        Saves what is unsaved before; part of the session's transaction, which it does not commit.
        """
        metering.stop(self)

    def start_billing(self) -> None:
        """Meter this row from now on, as what it uses by now.

        Saves what is unsaved before; part of the session's transaction, which it does not commit.
        """
        metering.start(self)


def _adopt_project(mapper: Mapper[Any], class_: type[Any]) -> None:
    projects.adopt(mapper)


def _adopt_resource(mapper: Mapper[Any], class_: type[Any]) -> None:
    resources.adopt(mapper)
    metering.adopt(mapper)


def _project_inserted(mapper: Mapper[Any], connection: Connection, project: Any) -> None:
    told = {
        "billable": project._billable_from_birth,
        "billing_info_id": project.billing_info_id,
        "currency": project._currency_from_birth,
    }
    births.begin(object_session(project), connection, projects.key_of(project), told)


def _project_deleted(mapper: Mapper[Any], connection: Connection, project: Any) -> None:
    births.end(connection, projects.key_of(project))


def _project_updated(mapper: Mapper[Any], connection: Connection, project: Any) -> None:
    if inspect(project).attrs.billing_info_id.history.has_changes():
        projects.ensure_row(connection, projects.key_of(project), project.billing_info_id)


def listen() -> None:
    """Learn of the host's models as they are mapped, and keep our rows beside the host's."""
    event.listen(BilledProject, "after_mapper_constructed", _adopt_project, propagate=True)
    event.listen(BilledProject, "after_insert", _project_inserted, propagate=True)
    event.listen(BilledProject, "after_update", _project_updated, propagate=True)
    event.listen(BilledProject, "after_delete", _project_deleted, propagate=True)
    event.listen(BillableResource, "after_mapper_constructed", _adopt_resource, propagate=True)
    metering.listen(BillableResource)
