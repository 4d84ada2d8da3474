"""Values that no code writes by chance, and the search for them."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

# Who holds an account at Harbour is Harbour's to keep; these are somebody else.
ACCOUNT = "account@example.org"

DETAILS = {
    "name": "Kanary Payer",
    "company": "Kanary Works Ltd",
    "email": "kanary-payer@example.net",
    "line1": "71 Kanary Wharf",
    "line2": "Kanary Floor",
    "city": "Kanaryville",
    "state": "Kanaryshire",
    "postal_code": "KN7 4RY",
    "country": "GB",
    "tax_id": "GB747100471",
    "tax_id_type": "gb_vat",
    "invoice_note": "PO Kanary 74",
}
PHONE = "+44 20 7471 0047"
HOLDER = {
    "name": "Kanary Holder",
    "email": "kanary-holder@example.net",
    "line1": "17 Kanary Quay",
    "line2": "Kanary Loft",
    "city": "Kanarytown",
    "state": "Kanary County",
    "postal_code": "KA4 7NY",
    "country": "GB",
    "phone": PHONE,
    "expiry": "11 / 71",
}
JCB = {"number": "3566 0020 2036 0505", "cvc": "073"} | HOLDER
AMEX = {"number": "3782 822463 10005", "cvc": "0731"} | HOLDER
DECLINED = {"number": "4000 0000 0000 0002", "cvc": "073"} | HOLDER
THREE_D_SECURE = {"number": "4000 0025 0000 3155", "cvc": "073"} | HOLDER
CARDS = (JCB, AMEX, DECLINED, THREE_D_SECURE)

SECRET_KEY = "sk_test_harbour"
WEBHOOK_SECRET = "whsec_kanarysecret"
# Goes where a canary must not go, to show that it would be found there.
PLANTED = "planted-herring"

# What is shown to the people of the project on pages meant for it.
PERSONAL = [
    "kanary",
    *(DETAILS[name] for name in ("postal_code", "tax_id")),
    *(HOLDER[name] for name in ("postal_code", "phone")),
    PHONE.replace(" ", ""),
    "11 / 71",
    "11/71",
    "11/2071",
    "2071",
    "jcb",
    "amex",
    "american express",
    *(card["number"].replace(" ", "")[-4:] for card in CARDS),
]
# What nobody is shown at all.
SECRET = [
    SECRET_KEY,
    WEBHOOK_SECRET,
    "_secret_",
    AMEX["cvc"],
    *(card["number"] for card in CARDS),
    *(card["number"].replace(" ", "") for card in CARDS),
]

# Numbers of four digits that come and go with the clock, the process and the length of an answer.
_NOISE = re.compile(
    r"""(?<=HTTP/1\.[01]"\ )\d{3}\ \d+
    | \[\d+\]\ (?=\[(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\])
    | \(pid:\ ?\d+\)
    | datetime\.datetime\([^)]*\)
    | [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}""",
    re.VERBOSE,
)


def found(text: str, *canaries: str) -> list[str]:
    """The canaries that a text holds, whatever their case, also where it is encoded for a URL."""
    text = _NOISE.sub(" ", text)
    text = f"{text} {unquote_plus(text)}".lower()
    return [canary for canary in canaries if _pattern(canary).search(text)]


def _pattern(canary: str) -> re.Pattern[str]:
    # Four digits are everywhere inside of longer numbers and ids; words may be part of others.
    alone = canary.isalnum() and len(canary) < 6 and canary != "kanary"
    escaped = re.escape(canary.lower())
    return re.compile(rf"(?<![0-9a-z_]){escaped}(?![0-9a-z])" if alone else escaped)
