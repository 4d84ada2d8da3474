"""Ids that look like Stripe's: a prefix that tells the kind, then random letters and digits."""

import hashlib
import secrets
import string

ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    """Give `length` letters and digits that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(prefix: str, length: int = 24) -> str:
    """Give a new id such as `pm_1QyZ…` for the prefix `pm_1`."""
    return prefix + random_text(length)


def fingerprint(account: str, number: str) -> str:
    """Give what tells a card or bank account apart within an account, and does not tell it."""
    digest = hashlib.sha256(f"{account}:{number}".encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:16])
