"""Shows who pays, as an address block and a few facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from babel import Locale

from flask_billing.web.countries import country_name
from flask_billing.web.i18n import N_, gettext, locale
from flask_billing.web.tax_ids import kind_name

if TYPE_CHECKING:
    from flask_billing.gateways import Address, Customer

__all__ = ["Details", "details_of"]

_VERIFICATIONS = {
    "pending": N_("is being checked"),
    "unverified": N_("could not be verified"),
    "verified": N_("verified"),
}
#: Where the city stands before the region and the postal code, on one line.
_REGION_ON_CITY_LINE = {"AU", "CA", "US"}


@dataclass(frozen=True)
class Details:
    """Who pays, as the page shows it."""

    lines: tuple[str, ...] = field(repr=False)
    email: str = field(repr=False)
    tax_id: str = field(repr=False)
    tax_id_kind: str
    tax_id_state: str
    tax_id_is_verified: bool
    invoice_note: str = field(repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is known."""
        return not (self.lines or self.email or self.tax_id or self.invoice_note)


def details_of(customer: Customer) -> Details:
    """Return who pays."""
    reader = locale()
    details = customer.details
    names = [line for line in (details.company, details.name) if line]
    tax_id = customer.tax_ids[0] if customer.tax_ids else None
    verification = _VERIFICATIONS.get(tax_id.verification, "") if tax_id else ""
    return Details(
        lines=(*names, *_address_lines(details.address, reader)),
        email=details.email,
        tax_id=tax_id.value if tax_id else "",
        tax_id_kind=kind_name(tax_id.type, reader) if tax_id else "",
        tax_id_state=gettext(verification) if verification else "",
        tax_id_is_verified=tax_id is not None and tax_id.verification == "verified",
        invoice_note=details.invoice_note,
    )


def _address_lines(address: Address, reader: Locale) -> list[str]:
    if not address:
        return []
    country = country_name(address.country, reader) if address.country else ""
    lines = [address.line1, address.line2, *_city_lines(address), country]
    return [line for line in lines if line]


def _city_lines(address: Address) -> list[str]:
    city, state, code = address.city, address.state, address.postal_code
    if address.country in _REGION_ON_CITY_LINE:
        region = " ".join(part for part in (state, code) if part)
        return [", ".join(part for part in (city, region) if part)]
    if address.country == "GB":
        return [city, state, code]
    return [" ".join(part for part in (code, city) if part), state]
