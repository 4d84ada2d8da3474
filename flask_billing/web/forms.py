"""The forms of the billing pages; labels and messages are translated where they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from babel import Locale
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from wtforms import SelectField, StringField
from wtforms.validators import Length, ValidationError

from flask_billing.gateways import Address, Customer, CustomerDetails
from flask_billing.web import i18n
from flask_billing.web.countries import country_name, country_names
from flask_billing.web.i18n import N_
from flask_billing.web.tax_ids import kind_name, kind_names, usual_kind

__all__ = ["ActionForm", "DetailsForm"]

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_POSTAL_CODES = {
    "US": (re.compile(r"\d{5}(-\d{4})?"), N_("Enter a ZIP code such as 94107 or 94107-1234.")),
    "CA": (
        re.compile(r"[A-Z]\d[A-Z] ?\d[A-Z]\d", re.IGNORECASE),
        N_("Enter a postal code such as K1A 0B1."),
    ),
}
#: What the processor says about a field, in words for people.
_REASONS = {
    "blank": N_("This can't be empty. Fill it in."),
    "too_long": N_("This is too long. Shorten it."),
    "unknown_location": N_("This address can't be found. Check its postal code and country."),
}
_REFUSED = N_("Stripe does not accept this. Check it for typing mistakes.")
_REFUSED_AS_A_WHOLE = N_("Stripe does not accept these details. Check them for mistakes.")
_REFUSED_TAX_ID = N_(
    "This does not look like a tax id of this kind. Check the number and the kind."
)


class ActionForm(FlaskForm):
    """A button: nothing to fill in, and not to be pressed by other sites."""

    def check(self) -> None:
        """Refuse what did not come from our own page.

        :raises flask_wtf.csrf.CSRFError: The token is missing, old or another session's.
        """
        if not self.validate():
            raise CSRFError(
                i18n.gettext("This page was open for too long. Go back, reload it and try again.")
            )


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


def _no_control_characters(_form: FlaskForm, field: StringField) -> None:
    if any(ord(character) < 32 or ord(character) == 127 for character in field.data):
        raise ValidationError(N_("Remove line breaks and invisible characters."))


def _text(label: str, length: int, hint: str = "", **attributes: str) -> StringField:
    return StringField(
        label,
        filters=[_trimmed],
        validators=[
            Length(max=length, message=N_("This is too long. Shorten it.")),
            _no_control_characters,
        ],
        description=hint,
        render_kw=attributes,
    )


class DetailsForm(FlaskForm):
    """Who pays; an empty field clears what is there."""

    name = _text(N_("Name"), 150, autocomplete="name")
    company = _text(
        N_("Company"),
        150,
        N_("As it has to stand on invoices, if a company pays."),
        autocomplete="organization",
    )
    email = _text(
        N_("E-mail"), 254, N_("Invoices are sent here."), autocomplete="email", type="email"
    )
    country = SelectField(N_("Country"), filters=[_trimmed], render_kw={"autocomplete": "country"})
    line1 = _text(N_("Street and number"), 200, autocomplete="address-line1")
    line2 = _text(
        N_("Second line"),
        200,
        N_("Such as a building, a floor or a department."),
        autocomplete="address-line2",
    )
    postal_code = _text(N_("Postal code"), 20, autocomplete="postal-code")
    city = _text(N_("City"), 100, autocomplete="address-level2")
    state = _text(N_("State or region"), 100, autocomplete="address-level1")
    tax_id = _text(
        N_("Tax id"),
        40,
        N_("Such as a VAT number. Leave it empty if you have none."),
        autocomplete="off",
    )
    tax_id_type = SelectField(
        N_("Kind of tax id"), filters=[_trimmed], render_kw={"autocomplete": "off"}
    )
    invoice_note = _text(
        N_("Note on invoices"),
        140,
        N_("Such as a purchase order number."),
        autocomplete="off",
    )

    def __init__(self, customer: Customer | None = None, **options: Any) -> None:
        current = values_of(customer) if customer is not None else {}
        super().__init__(data=current, **options)
        locale = i18n.locale()
        self.country.choices = [("", i18n.gettext("No country")), *country_names(locale)]
        self.tax_id_type.choices = [
            ("", i18n.gettext("The usual one of the country")),
            *kind_names(locale),
        ]
        # The processor may know a country or a kind that we don't: it says so if it doesn't.
        _allow_what_is_chosen(self.country, r"[A-Z]{2}", country_name)
        _allow_what_is_chosen(self.tax_id_type, r"[a-z]{2}_[a-z0-9_]{2,20}", kind_name)

    def validate_email(self, field: StringField) -> None:
        """Refuse what can't be an address; only a sent letter shows that one can be reached."""
        if field.data and not _EMAIL.fullmatch(field.data):
            raise ValidationError(N_("Enter an e-mail address such as name@example.com."))

    def validate_postal_code(self, field: StringField) -> None:
        """Refuse postal codes that the country can't have."""
        pattern, message = _POSTAL_CODES.get(self.country.data, (None, ""))
        if field.data and pattern is not None and not pattern.fullmatch(field.data):
            raise ValidationError(message)

    def validate_country(self, field: SelectField) -> None:
        """Refuse an address without a country: taxes can't be found for it."""
        address = (self.line1, self.line2, self.postal_code, self.city, self.state)
        if not field.data and any(part.data for part in address):
            raise ValidationError(N_("Choose the country of this address."))

    def validate_tax_id_type(self, field: SelectField) -> None:
        """Refuse a tax id of which nobody can say what kind it is."""
        if self.tax_id.data and not (field.data or usual_kind(self.country.data)):
            raise ValidationError(N_("Choose the kind of this tax id."))

    def details(self) -> CustomerDetails:
        """Return what was typed, apart from the tax id."""
        return CustomerDetails(
            name=self.name.data,
            company=self.company.data,
            email=self.email.data,
            address=Address(
                line1=self.line1.data,
                line2=self.line2.data,
                city=self.city.data,
                postal_code=self.postal_code.data,
                state=self.state.data,
                country=self.country.data,
            ),
            invoice_note=self.invoice_note.data,
        )

    def tax_id_pair(self) -> tuple[str, str] | None:
        """Return the tax id as kind and value, or `None` where there is to be none."""
        kind = self.tax_id_type.data or usual_kind(self.country.data)
        return (kind, self.tax_id.data) if self.tax_id.data and kind else None

    def refuse(self, reasons: dict[str, str]) -> None:
        """Show what the processor refused at the field that it belongs to.

        :param reasons: Field name → reason code; none where the processor named no field.
        """
        if not reasons:
            self.form_errors.append(_REFUSED_AS_A_WHOLE)
        for name, reason in reasons.items():
            usual = _REFUSED_TAX_ID if name == "tax_id" else _REFUSED
            self._fields[name].errors = [_REASONS.get(reason, usual)]


def values_of(customer: Customer) -> dict[str, str]:
    """Return what the processor has, by the names of the form's fields."""
    details, address = customer.details, customer.details.address
    values = {
        "name": details.name,
        "company": details.company,
        "email": details.email,
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "postal_code": address.postal_code,
        "state": address.state,
        "country": address.country,
        "invoice_note": details.invoice_note,
    }
    if customer.tax_ids:
        values |= {"tax_id": customer.tax_ids[0].value, "tax_id_type": customer.tax_ids[0].type}
    return values


def _allow_what_is_chosen(
    field: SelectField, shape: str, name: Callable[[str, Locale], str]
) -> None:
    value = field.data or ""
    if re.fullmatch(shape, value) and value not in dict(field.choices):
        field.choices.append((value, name(value, i18n.locale())))
