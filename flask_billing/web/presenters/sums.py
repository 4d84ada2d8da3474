"""Adds an invoice up for people: from what was used to what is due, each step in a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from flask_billing.models import InvoiceCollection, InvoiceGroup
from flask_billing.pricing import Group
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext

__all__ = ["Bill", "Sum", "settled_of", "sums_of"]


#: What the processor says of an invoice that nobody can pay.
_GONE = {"void", "deleted"}


class Bill(Protocol):
    """What a closed invoice and a month that still runs have in common; in minor units."""

    @property
    def gross(self) -> int: ...
    @property
    def subtotal(self) -> int: ...
    @property
    def carried_in(self) -> int: ...
    @property
    def adjusted(self) -> int: ...
    @property
    def credit_used(self) -> int: ...
    @property
    def credit_granted(self) -> int: ...
    @property
    def due(self) -> int: ...
    @property
    def carried_out(self) -> int: ...
    @property
    def waived(self) -> int: ...


class Sum(NamedTuple):
    """One row; the last one of them is the total."""

    words: str
    amount: str
    is_total: bool = False


def sums_of(
    bill: Bill, groups: Iterable[Group | InvoiceGroup], currency: str, *, is_final: bool
) -> list[Sum]:
    """Return the rows, without those that are nothing.

    The first is what the table of `groups` adds up to, with the usage that was reported late.
    """
    late = sum(group.amount for group in groups if group.kind == "late")
    steps = [
        (gettext("Carried over from earlier months"), bill.carried_in),
        (gettext("Adjustments"), bill.adjusted - late),
        (gettext("Becomes credit"), bill.credit_granted),
        (gettext("Paid from credit"), -bill.credit_used),
    ]
    if is_final:
        steps += [
            (gettext("Too little to charge: carried over to the next month"), -bill.carried_out),
            (gettext("Too little to charge: waived"), -bill.waived),
        ]
    rows = [Sum(words, amounts.number(amount, currency)) for words, amount in steps if amount]
    return [_usage(bill, late, currency), *rows, _total(bill, currency, is_final=is_final)]


def settled_of(collection: InvoiceCollection | None, currency: str) -> list[Sum]:
    """Return what the processor says of an invoice that is issued: its tax, and what came of it.

    These are read, not added up; the last row is what is still to be paid. Nothing of one that is
    void: nobody owes it.
    """
    if collection is None or collection.total is None or collection.remote_state in _GONE:
        return []
    given_back = _given_back(collection)
    steps = [
        (gettext("Tax"), collection.tax),
        (gettext("Total"), collection.total if collection.tax else 0),
        (gettext("Taken off"), (collection.credited or 0) - given_back),
        (_paid(given_back, currency), collection.paid),
        (gettext("Paid too much"), collection.overpaid),
    ]
    rows = [Sum(words, amounts.number(amount, currency)) for words, amount in steps if amount]
    left = amounts.money(collection.remaining or 0, currency)
    return [*rows, Sum(gettext("Left to pay"), left, is_total=True)]


def _given_back(collection: InvoiceCollection) -> int:
    """Return what was credited after it was paid: the rest of it was never asked for."""
    total, credited = collection.total or 0, collection.credited or 0
    taken_off = total - (collection.paid or 0) - (collection.remaining or 0)
    return credited - min(credited, max(0, taken_off))


def _paid(given_back: int, currency: str) -> str:
    if not given_back:
        return gettext("Paid")
    back = amounts.money(given_back, currency)
    return gettext("Paid, of which %(amount)s was given back", amount=back)


def _usage(bill: Bill, late: int, currency: str) -> Sum:
    words = gettext("Usage")
    if bill.gross != bill.subtotal:
        off = amounts.money(bill.gross - bill.subtotal, currency)
        words = gettext("Usage, after discounts of %(amount)s", amount=off)
    return Sum(words, amounts.number(bill.subtotal + late, currency))


def _total(bill: Bill, currency: str, *, is_final: bool) -> Sum:
    if is_final:
        return Sum(gettext("Due before tax"), amounts.money(bill.due, currency), is_total=True)
    so_far = bill.due + bill.carried_out + bill.waived
    return Sum(gettext("To pay so far, before tax"), amounts.money(so_far, currency), is_total=True)
