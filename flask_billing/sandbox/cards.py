"""Stripe's published test cards and what happens to each of them.

See https://docs.stripe.com/testing. No other number is taken, so no real card ends up here.
"""

import re
from dataclasses import dataclass

from .declines import DECLINES, Decline
from .engine.ids import fingerprint


@dataclass(frozen=True)
class Card:
    """A test card.

    :param setup: The decline when it is saved, a key of `DECLINES`.
    :param charge: The decline when it is charged.
    :param authentication: When the bank wants the person: `never`, `with_person` (whenever they
        are there), `unless_set_up` (off-session, too, when it was not set up) or `always`.
    :param after_authentication: The decline at setup once the person was confirmed.
    :param risk: The level of risk that Stripe sees in its payments.
    :param dispute: What its holder says after a payment: `inquiry`, or the reason of a dispute.
    :param fraud_warning: Its bank warns of fraud after a payment.
    :param refund: What becomes of refunds: `succeeded`, `pending` (for some time) or `failed` (in
        the end).
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
    dispute: str | None = None
    fraud_warning: bool = False
    refund: str = "succeeded"
    risk: str = "normal"

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
            "with_person": "is saved after the bank's page",
            "unless_set_up": "is saved after the bank's page",
            "always": "is saved after the bank's page, which every payment asks for again",
        }[self.authentication]
        if self.after_authentication is not None:
            return "is declined after the bank's page"
        if self.charge is not None:
            return f"{words}; payments fail: {DECLINES[self.charge].reason}"
        if self.risk != "normal":
            return f"{words}; payments have the risk level {self.risk}"
        if self.dispute is not None:
            return f"{words}; payments are disputed: {self.dispute.replace('_', ' ')}"
        if self.fraud_warning:
            return f"{words}; payments are followed by a warning of fraud"
        if self.refund != "succeeded":
            return f"{words}; refunds {'wait' if self.refund == 'pending' else 'fail later'}"
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
        Card("4000000000000077", "visa", "bypassPending"),
        Card("4000000000009235", "visa", "riskLevelElevated", risk="elevated"),
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
        Card(
            "4000003800000446",
            "visa",
            "authenticationRequiredSetupForOffSession",
            authentication="with_person",
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


def _troublesome_later() -> list[Card]:
    return [
        Card("4000000000000259", "visa", "createDispute", dispute="fraudulent"),
        Card(
            "4000000000002685",
            "visa",
            "createDisputeProductNotReceived",
            dispute="product_not_received",
        ),
        Card("4000000000001976", "visa", "createDisputeInquiry", dispute="inquiry"),
        Card("4000000000005423", "visa", "createIssuerFraudRecord", fraud_warning=True),
        Card("4000000000007726", "visa", "pendingRefund", refund="pending"),
        Card("4000000000005126", "visa", "refundFail", refund="failed"),
    ]


_ALL = (*_plain(), *_foreign(), *_declining(), *_authenticating(), *_troublesome_later())
CARDS = {card.number: card for card in _ALL}
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
