"""The forms of what staff do: why, and how much."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, ValidationError

from flask_billing import money, signing
from flask_billing.web.i18n import N_, gettext

__all__ = ["DeedForm", "ReasonForm", "RefundForm", "VoidForm"]

#: As the command line takes it.
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,10})?")


class DeedForm(FlaskForm):
    """A button, and nothing to fill in.

    :param currency: Of the invoice that it is about.
    """

    def __init__(self, currency: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.currency = currency

    @property
    def word(self) -> str | None:
        """The reason, where one is asked for."""
        return None

    @property
    def minor_units(self) -> int | None:
        """The amount in minor units, where one was given."""
        return None


class ReasonForm(DeedForm):
    """Why it is done."""

    reason = StringField(
        N_("Reason"),
        filters=[lambda text: (text or "").strip()],
        validators=[InputRequired(N_("Enter a reason."))],
        description=N_(
            "One word of small letters, digits and underscores, such as goodwill. It is kept for "
            "ever, so it must not tell of people."
        ),
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )

    def validate_reason(self, field: StringField) -> None:
        """Refuse what is no code."""
        try:
            signing.check(field.data, None)
        except ValueError:
            raise ValidationError(
                N_("Write one word of small letters, digits and underscores, at most 40 of them.")
            ) from None

    @property
    def word(self) -> str | None:
        """The reason."""
        reason: str = self.reason.data
        return reason


class VoidForm(ReasonForm):
    """Why an invoice is made void, and what becomes of its month."""

    month = SelectField(
        N_("What becomes of its month"),
        filters=[lambda text: text or "again"],
        description=N_(
            "Later months wait until it is closed once more. If it is not, they take what this "
            "invoice gives back."
        ),
    )

    def __init__(self, currency: str = "", **options: Any) -> None:
        super().__init__(currency, **options)
        self.month.choices = [
            ("again", gettext("It is to be closed once more")),
            ("for_good", gettext("Nothing: it stays void")),
        ]

    @property
    def reissue(self) -> bool:
        """Whether the month is to be closed once more."""
        chosen: str = self.month.data
        return chosen == "again"


class RefundForm(ReasonForm):
    """How much goes back, and why."""

    amount = StringField(
        N_("Amount"),
        filters=[lambda text: (text or "").strip()],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )

    def __init__(self, currency: str = "", **options: Any) -> None:
        super().__init__(currency, **options)
        self.amount.description = gettext(
            "In %(currency)s with tax, such as %(example)s. Empty for all that can be given back.",
            currency=currency.upper(),
            example=f"{money.to_major_units(12 * 10 ** money.exponent(currency), currency):f}",
        )

    def validate_amount(self, field: StringField) -> None:
        """Refuse what is no amount above nothing, or has more decimals than the currency."""
        if not field.data:
            return
        if not _AMOUNT.fullmatch(field.data) or not Decimal(field.data):
            raise ValidationError(N_("Enter an amount above 0 in numbers, with a point."))
        exact = Decimal(field.data)
        if money.to_major_units(money.to_minor_units(exact, self.currency), self.currency) != exact:
            raise ValidationError(N_("This has more decimals than the currency. Shorten it."))

    @property
    def minor_units(self) -> int | None:
        """The amount in minor units; `None` for all that can be given back."""
        if not self.amount.data:
            return None
        return money.to_minor_units(Decimal(self.amount.data), self.currency)
