"""Refuses labels that look as if they told of a person: the tables hold none of that."""

from __future__ import annotations

import re
import unicodedata

from flask_billing.errors import AlertRefused

__all__ = ["LONGEST", "clean"]

LONGEST = 40

#: Something@somewhere, in whatever disguise is still an address.
_EMAIL = re.compile(r"@|[(\[{]\s*at\s*[)\]}]|\bat\b.+\bdot\b", re.IGNORECASE)
#: A name on the web needs no "www." in front of it.
_WEB = re.compile(r"https?:|www\.|[^\W\d_][\w-]*[.。][^\W\d_]{2}", re.IGNORECASE)
#: Seven digits or more, as telephone numbers are written, and the numbers of cards and accounts.
_NUMBER = re.compile(r"(?:\d[\s().,/+-]*){7,}")
#: Days of these years, amounts with commas, and round ones that stand alone: none of them rings.
_HARMLESS_NUMBER = re.compile(
    r"(?<!\d)20\d\d-\d\d-\d\d(?!\d)|(?<!\d)\d\d?[./]\d\d?[./]20\d\d(?!\d)"
    r"|(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])"
    r"|(?<![\d+])(?<!\d[\s()./-])[1-9]\d{0,2}(?:[. ]?000)+(?![\s()./-]?\d)"
)
_BEHIND_A_NUMBER = (
    "street|st|avenue|ave|road|rd|lane|drive|boulevard|blvd|square|court|rue|calle|plaza|piazza"
)
_BEFORE_A_NUMBER = (
    rf"{_BEHIND_A_NUMBER}|straße|strasse|str|weg|platz|gasse|allee|ring|straat|laan|ulica"
)
#: What names of streets end in, and hardly another word does: "ring" ends too many.
_ENDINGS = r"straße|strasse|str\.|weg|platz|gasse|allee|straat|laan"
_ADDRESS = re.compile(
    rf"\d.*\b(?:{_BEHIND_A_NUMBER})\b"
    rf"|\b(?:{_BEFORE_A_NUMBER})\b\.?\s*\d"
    rf"|\w(?:{_ENDINGS})\s*\d"
    r"|\b(?:rue|calle|plaza|piazza|ulica|ul\.)\s.*\d|^via\s.*\d"
    r"|\b(?:unter|an|auf|hinter|vor|bei|zu|in)\s+de[mnr]\s.*\d"
    r"|\bp\.?\s?o\.?\s*box\b|\bpostfach\b",
    re.IGNORECASE,
)


def clean(label: str | None) -> str | None:
    """Return a label without spaces around it; `None` where nothing is left.

    No pattern knows a name, or a street such as Kaiserring that ends as other words do: those pass.
    And what may be one or the other is refused: a file such as ``web.conf`` (a domain), ``1234567``
    (a telephone number), ``100 GB Drive`` and ``Speicherplatz 50`` (addresses).

    :raises AlertRefused: It is too long, or looks like an e-mail, a telephone number or an address.
    """
    text = " ".join((label or "").split())
    if not text:
        return None
    if len(text) > LONGEST:
        raise AlertRefused(f"A label has at most {LONGEST} characters.", field="label")
    if not text.isprintable() or _tells_of_a_person(unicodedata.normalize("NFKC", text)):
        raise AlertRefused(
            "This label looks like an e-mail, a number to call or an address. Choose a word that "
            "tells of no person, such as Half.",
            field="label",
        )
    return text


def _tells_of_a_person(text: str) -> bool:
    """Judge a text in NFKC, where ``①`` is 1 and every form of ``@`` is that."""
    if any(pattern.search(text) for pattern in (_EMAIL, _WEB, _ADDRESS)):
        return True
    return _NUMBER.search(_HARMLESS_NUMBER.sub("amount", text)) is not None
