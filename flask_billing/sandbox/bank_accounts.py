"""Stripe's published test bank accounts for SEPA Direct Debit; no other is taken.

See https://docs.stripe.com/payments/sepa-debit/set-up-payment.
"""

import re
from dataclasses import dataclass

from .engine.ids import fingerprint


@dataclass(frozen=True)
class BankAccount:
    """A test bank account; `name` is how its token calls it, after `pm_`.

    :param pays: Whether debits succeed.
    :param seconds: How long a debit is under way.
    :param disputed: Its holder takes a debit back once it has succeeded.
    """

    iban: str
    name: str
    bank_code: str
    branch_code: str | None = None
    pays: bool = True
    seconds: int = 60
    disputed: bool = False

    @property
    def country(self) -> str:
        """Where the bank is."""
        return self.iban[:2]

    @property
    def last4(self) -> str:
        """The characters that may be shown."""
        return self.iban[-4:]

    @property
    def grouped(self) -> str:
        """The number as banks print it."""
        return " ".join(re.findall(r".{1,4}", self.iban))

    def fingerprint(self, account: str) -> str:
        """Give what tells this number apart within an account of Stripe's."""
        return fingerprint(account, self.iban)


_ACCOUNTS = (
    BankAccount("DE89370400440532013000", "success_de", "37040044"),
    BankAccount("DE08370400440532013003", "successDelayed_de", "37040044", seconds=180),
    BankAccount("DE62370400440532013001", "failed_de", "37040044", pays=False),
    BankAccount("DE78370400440532013004", "failedDelayed_de", "37040044", pays=False, seconds=180),
    BankAccount("DE35370400440532013002", "disputed_de", "37040044", disputed=True),
    BankAccount("AT611904300234573201", "success_at", "19043"),
    BankAccount("FR1420041010050500013M02606", "success_fr", "20041", "01005"),
    BankAccount("IE29AIBK93115212345678", "success_ie", "AIBK", "931152"),
    BankAccount("NL39RABO0300065264", "success_nl", "RABO"),
)
BANK_ACCOUNTS = {account.iban: account for account in _ACCOUNTS}
TOKENS = {f"pm_{account.name}": account for account in _ACCOUNTS}


def iban_of(text: str) -> str:
    """Give a typed account number as capitals, without the spaces people put in."""
    return re.sub(r"\s", "", text).upper()


def has_right_check_digits(iban: str) -> bool:
    """Tell whether the check digits of an account number are right (ISO 7064, MOD 97-10)."""
    if re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", iban, re.ASCII) is None:
        return False
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1
