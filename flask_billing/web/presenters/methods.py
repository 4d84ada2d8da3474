"""Shows payment methods: rows from the database, joined with what the processor says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from flask_billing import clock
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.presenters.declines import declined_last
from flask_billing.web.times import day

if TYPE_CHECKING:
    from flask_billing.customers import LiveDetails
    from flask_billing.gateways import PaymentMethodDetails
    from flask_billing.models import PaymentMethod

__all__ = [
    "Method",
    "Row",
    "State",
    "label_of",
    "methods_of",
    "name_of",
    "refusal_sentence",
    "rows_of",
]

_BRANDS = {
    "american_express": "American Express",
    "amex": "American Express",
    "cartes_bancaires": "Cartes Bancaires",
    "diners": "Diners Club",
    "diners_club": "Diners Club",
    "discover": "Discover",
    "eftpos_au": "eftpos",
    "eftpos_australia": "eftpos",
    "interac": "Interac",
    "jcb": "JCB",
    "link": "Link",
    "mastercard": "Mastercard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
_WALLETS = {
    "amex_express_checkout": "Amex Express Checkout",
    "apple_pay": "Apple Pay",
    "google_pay": "Google Pay",
    "link": "Link",
    "masterpass": "Masterpass",
    "samsung_pay": "Samsung Pay",
    "visa_checkout": "Visa Checkout",
}
_KINDS = {
    "acss_debit": N_("Pre-authorized debit"),
    "amazon_pay": "Amazon Pay",
    "au_becs_debit": N_("BECS Direct Debit"),
    "bacs_debit": N_("Bacs Direct Debit"),
    "card": N_("Card"),
    "cashapp": "Cash App Pay",
    "link": "Link",
    "nz_bank_account": N_("Bank account"),
    "paypal": "PayPal",
    "revolut_pay": "Revolut Pay",
    "sepa_debit": N_("SEPA Direct Debit"),
    "us_bank_account": N_("Bank account"),
}
_REFUSALS = {
    "checking": N_("can't be used yet: it is being checked"),
    "banned": N_("can't be used: this card is blocked here"),
    "country": N_("can't be used: cards from its country are not accepted here"),
    "declined": N_("can't be used: your bank declined it for good"),
    "disputed": N_("can't be used: your bank was asked to take a payment back"),
}
_REFUSED_HERE = N_("can't be used here")

_REFUSAL_SENTENCES = {
    "checking": N_("Your card was saved and is being checked. Look again in a minute."),
    "banned": N_("Your card was saved, but it is blocked here. Add another one."),
    "country": N_(
        "Your card was saved, but cards from its country are not accepted here. Add another one."
    ),
    "declined": N_("Your card was saved, but your bank declined it. Add another one."),
}


@dataclass(frozen=True)
class Row:
    """What the database knows of a payment method, read before the processor is asked."""

    id: UUID
    stripe_id: str
    is_usable: bool
    is_leaving: bool
    refusal: str | None
    #: When it was charged last, where that was declined.
    declined_at: datetime | None = None


@dataclass(frozen=True)
class State:
    """A word about a payment method, and how it is to be taken.

    :ivar tone: `good`, `note` or `bad`.
    """

    tone: str
    words: str


@dataclass(frozen=True)
class Method:
    """A payment method as the page shows it."""

    id: UUID
    place: int
    label: str = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)
    states: tuple[State, ...]
    is_known: bool
    is_usable: bool
    is_leaving: bool
    can_move_up: bool
    can_move_down: bool
    #: Why it can't be removed, in words; `None` where it can.
    kept: str | None


def rows_of(methods: Iterable[PaymentMethod]) -> list[Row]:
    """Return what the database knows of `methods`, detached from it."""
    methods = list(methods)
    declined = declined_last([method.id for method in methods])
    return [
        Row(
            method.id,
            method.stripe_id,
            method.is_usable,
            method.leaving_at is not None,
            method.refusal,
            declined.get(method.id),
        )
        for method in methods
    ]


def methods_of(
    rows: Sequence[Row], details: LiveDetails, *, kept: Mapping[UUID, str]
) -> list[Method]:
    """Return the payment methods in the order of trying.

    :param details: What the processor says.
    :param kept: Why some of them can't be removed, by our ids.
    """
    live = details.methods
    staying = [row for row in rows if not row.is_leaving]
    usable = [row for row in rows if _is_usable(row, details)]
    first = usable[0] if usable and len(staying) > 1 else None
    return [
        Method(
            id=row.id,
            place=place,
            label=_label(live.get(row.stripe_id), place),
            notes=_notes(live.get(row.stripe_id)),
            states=tuple(_states(row, live.get(row.stripe_id), is_first=row is first)),
            is_known=row.stripe_id in live,
            is_usable=row in usable,
            is_leaving=row.is_leaving,
            can_move_up=not row.is_leaving and row is not staying[0],
            can_move_down=not row.is_leaving and row is not staying[-1],
            kept=kept.get(row.id),
        )
        for place, row in enumerate(rows, start=1)
    ]


def label_of(stripe_id: str, details: LiveDetails) -> str:
    """Return what a payment method is called that may be gone by now."""
    live = details.methods.get(stripe_id)
    if live is not None:
        return name_of(live)
    return gettext("Payment method") if details.missing else gettext("Removed payment method")


def name_of(live: PaymentMethodDetails) -> str:
    """Return what a payment method is called, such as "Visa ending in 4242"."""
    name = _brand(live)
    if not live.last4:
        return name
    return gettext("%(brand)s ending in %(last4)s", brand=name, last4=live.last4)


def refusal_sentence(refusal: str) -> str:
    """Say that a payment method was saved but is refused, and what to do."""
    unknown = N_("Your card was saved, but it can't be used here. Add another one.")
    return gettext(_REFUSAL_SENTENCES.get(refusal, unknown))


def _is_usable(row: Row, details: LiveDetails) -> bool:
    """Return whether a method can be charged, as far as the processor could be asked."""
    live = details.methods.get(row.stripe_id)
    if live is None:
        return row.is_usable and details.missing
    return row.is_usable and not live.is_expired(clock.now())


def _label(live: PaymentMethodDetails | None, place: int) -> str:
    if live is None:
        return gettext("Payment method %(place)s", place=place)
    return name_of(live)


def _brand(live: PaymentMethodDetails) -> str:
    if live.type == "card":
        return _BRANDS.get(live.brand) or gettext("Card")
    kind = _KINDS.get(live.type)
    return gettext(kind) if kind else live.type.replace("_", " ").capitalize()


def _notes(live: PaymentMethodDetails | None) -> tuple[str, ...]:
    if live is None:
        return ()
    notes = []
    if live.type != "card" and live.brand:
        notes.append(live.brand)
    if live.wallet:
        notes.append(_WALLETS.get(live.wallet, live.wallet.replace("_", " ").capitalize()))
    if live.exp_year is not None and live.exp_month is not None:
        date = f"{live.exp_month:02}/{live.exp_year}"
        notes.append(gettext("valid until %(month)s", month=date))
    return tuple(notes)


def _states(row: Row, live: PaymentMethodDetails | None, *, is_first: bool) -> Iterable[State]:
    if row.is_leaving:
        yield State("note", gettext("is being removed"))
        return
    now = clock.now()
    expired = live is not None and live.is_expired(now)
    if is_first:
        yield State("good", gettext("tried first"))
    if row.declined_at is not None and row.refusal is None:
        yield State("note", gettext("declined on %(day)s", day=day(row.declined_at.date())))
    if row.refusal is not None:
        tone = "note" if row.refusal == "checking" else "bad"
        yield State(tone, gettext(_REFUSALS.get(row.refusal, _REFUSED_HERE)))
    elif expired:
        yield State("bad", gettext("expired"))
    elif not row.is_usable:
        yield State("bad", gettext("can't be charged: add another one"))
    elif live is not None and (live.exp_year, live.exp_month) == (now.year, now.month):
        yield State("note", gettext("expires this month"))
