"""Stripe's published test cards and what happens to each of them.

See https://docs.stripe.com/testing. No other number is taken, so no real card ends up here.
"""

import re
from dataclasses import dataclass

from .engine.errors import Problem
from .engine.ids import fingerprint


@dataclass(frozen=True)
class Decline:
    """Why a bank or Stripe refuses a card."""

    code: str
    message: str
    decline_code: str | None = None
    advice_code: str | None = None
    param: str | None = None

    @property
    def reason(self) -> str:
        """The reason in words."""
        return (self.decline_code or self.code).replace("_", " ")

    def error(self) -> dict[str, str]:
        """Give the fields of the error object."""
        fields = {
            "type": "card_error",
            "code": self.code,
            "message": self.message,
            "decline_code": self.decline_code,
            "advice_code": self.advice_code,
            "param": self.param,
            "doc_url": f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}",
        }
        return {name: value for name, value in fields.items() if value is not None}

    def problem(self, **objects: object) -> Problem:
        """Give the 402 that tells of this decline; what was written before it stays."""
        fields = {k: v for k, v in self.error().items() if k not in ("message", "doc_url")}
        return Problem(self.message, status=402, keep=True, **fields, **objects)  # type: ignore[arg-type]


def _declined(reason: str, advice: str | None = "try_again_later", words: str = "") -> Decline:
    return Decline("card_declined", words or "Your card was declined.", reason, advice)


DECLINES = {
    "generic": _declined("generic_decline"),
    "insufficient_funds": _declined(
        "insufficient_funds", words="Your card has insufficient funds."
    ),
    "lost": _declined("lost_card", "do_not_try_again"),
    "stolen": _declined("stolen_card", "do_not_try_again"),
    "velocity": _declined("card_velocity_exceeded"),
    "blocked": _declined("fraudulent", None),
    "expired": Decline(
        "expired_card", "Your card has expired.", "expired_card", "do_not_try_again", "exp_month"
    ),
    "cvc": Decline(
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        "incorrect_cvc",
        "confirm_card_data",
        "cvc",
    ),
    "processing": Decline(
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
        "try_again_later",
    ),
    "authentication": Decline(
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        "authentication_required",
    ),
}


@dataclass(frozen=True)
class Card:
    """A test card.

    :param setup: The decline when it is saved, a key of `DECLINES`.
    :param charge: The decline when it is charged.
    :param authentication: When the bank wants the person: `never`, `unless_set_up` (at setup, and
        off-session when it was not set up) or `always`.
    :param after_authentication: The decline at setup once the person was confirmed.
    """

    number: str
    brand: str
    name: str
    country: str = "US"
    funding: str = "credit"
    setup: str | None = None
    charge: str | None = None
    authentication: str = "never"
    after_authentication: str | None = None

    @property
    def last4(self) -> str:
        """The digits that may be shown."""
        return self.number[-4:]

    @property
    def grouped(self) -> str:
        """The number as it is printed on a card."""
        if len(self.number) < 16:
            return f"{self.number[:4]} {self.number[4:10]} {self.number[10:]}"
        return " ".join(re.findall(r".{1,4}", self.number))

    @property
    def behaviour(self) -> str:
        """What happens to the card, in words."""
        if self.setup is not None:
            return f"is declined: {DECLINES[self.setup].reason}"
        words = {
            "never": "is saved",
            "unless_set_up": "is saved after the bank's page",
            "always": "is saved after the bank's page, which every payment asks for again",
        }[self.authentication]
        if self.after_authentication is not None:
            return "is declined after the bank's page"
        if self.charge is not None:
            return f"{words}; payments fail: {DECLINES[self.charge].reason}"
        return words

    def fingerprint(self, account: str) -> str:
        """Give what tells this number apart within an account."""
        return fingerprint(account, self.number)

    def decline_of_charge(self, *, off_session: bool, set_up: bool) -> Decline | None:
        """Give why a charge fails, if it does."""
        if off_session and (
            self.authentication == "always"
            or (self.authentication == "unless_set_up" and not set_up)
        ):
            return DECLINES["authentication"]
        refused = self.charge or self.setup or self.after_authentication
        return DECLINES[refused] if refused else None


def _plain() -> list[Card]:
    return [
        Card("4242424242424242", "visa", "visa"),
        Card("4000056655665556", "visa", "visa_debit", funding="debit"),
        Card("5555555555554444", "mastercard", "mastercard"),
        Card("2223003122003222", "mastercard", "mastercard_2_series"),
        Card("5200828282828210", "mastercard", "mastercard_debit", funding="debit"),
        Card("5105105105105100", "mastercard", "mastercard_prepaid", funding="prepaid"),
        Card("378282246310005", "amex", "amex"),
        Card("371449635398431", "amex", "amex_2"),
        Card("6011111111111117", "discover", "discover"),
        Card("6011000990139424", "discover", "discover_2"),
        Card("3056930009020004", "diners", "diners"),
        Card("36227206271667", "diners", "diners_14_digits"),
        Card("3566002020360505", "jcb", "jcb", "JP"),
        Card("6200000000000005", "unionpay", "unionpay", "CN"),
    ]


def _foreign() -> list[Card]:
    numbers = {
        "at": "4000000400000008",
        "au": "4000000360000006",
        "be": "4000000560000004",
        "br": "4000000760000002",
        "ca": "4000001240000000",
        "ch": "4000007560000009",
        "de": "4000002760000016",
        "dk": "4000002080000001",
        "es": "4000007240000007",
        "fi": "4000002460000001",
        "fr": "4000002500000003",
        "gb": "4000008260000000",
        "hk": "4000003440000004",
        "ie": "4000003720000005",
        "in": "4000003560000008",
        "it": "4000003800000008",
        "jp": "4000003920000003",
        "mx": "4000004840008001",
        "nl": "4000005280000002",
        "no": "4000005780000007",
        "nz": "4000005540000008",
        "pl": "4000006160000005",
        "pt": "4000006200000007",
        "ru": "4000006430000009",
        "se": "4000007520000008",
        "sg": "4000007020000003",
    }
    return [Card(number, "visa", code, code.upper()) for code, number in numbers.items()]


def _declining() -> list[Card]:
    return [
        Card("4000000000000002", "visa", "visa_chargeDeclined", setup="generic"),
        Card(
            "4000000000009995",
            "visa",
            "visa_chargeDeclinedInsufficientFunds",
            setup="insufficient_funds",
        ),
        Card("4000000000009987", "visa", "visa_chargeDeclinedLostCard", setup="lost"),
        Card("4000000000009979", "visa", "visa_chargeDeclinedStolenCard", setup="stolen"),
        Card(
            "4000000000006975", "visa", "visa_chargeDeclinedVelocityLimitExceeded", setup="velocity"
        ),
        Card("4000000000000069", "visa", "chargeDeclinedExpiredCard", setup="expired"),
        Card("4000000000000127", "visa", "chargeDeclinedIncorrectCvc", setup="cvc"),
        Card("4000000000000119", "visa", "chargeDeclinedProcessingError", setup="processing"),
        Card("4100000000000019", "visa", "radarBlock", setup="blocked"),
        Card("4000000000000341", "visa", "chargeCustomerFail", charge="generic"),
    ]


def _authenticating() -> list[Card]:
    return [
        Card(
            "4000002500003155",
            "visa",
            "authenticationRequiredOnSetup",
            authentication="unless_set_up",
        ),
        Card("4000002760003184", "visa", "authenticationRequired", authentication="always"),
        Card(
            "4000000000003220",
            "visa",
            "threeDSecure2Required",
            authentication="unless_set_up",
        ),
        Card(
            "4000008260003178",
            "visa",
            "authenticationRequiredChargeDeclinedInsufficientFunds",
            authentication="unless_set_up",
            charge="insufficient_funds",
        ),
        Card(
            "4000008400001629",
            "visa",
            "threeDSecureRequiredChargeDeclined",
            authentication="unless_set_up",
            after_authentication="generic",
        ),
        Card("4000000000003055", "visa", "threeDSecureOptional"),
    ]


CARDS = {card.number: card for card in (*_plain(), *_foreign(), *_declining(), *_authenticating())}
TOKENS = {f"pm_card_{card.name}": card for card in CARDS.values()} | {
    "pm_card_chargeDeclined": CARDS["4000000000000002"],
    "pm_card_chargeDeclinedInsufficientFunds": CARDS["4000000000009995"],
    "pm_card_us": CARDS["4242424242424242"],
}


def digits_of(text: str) -> str:
    """Give a typed card number without the spaces and dashes people put in."""
    return re.sub(r"[\s-]", "", text)


def passes_luhn(number: str) -> bool:
    """Tell whether the check digit of a card number is right."""
    if not number.isascii() or not number.isdecimal():
        return False
    total = 0
    for index, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
