"""Stripe Tax in a simple form: one rate a country, for the whole price, wherever the seller is.

A customer of a country that is not listed pays no tax. One without a country lacks what tax needs;
the country ZZ, which is nobody's, makes the calculation fail.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

EU_RATES = {
    "AT": "20",
    "BE": "21",
    "BG": "20",
    "CY": "19",
    "CZ": "21",
    "DE": "19",
    "DK": "25",
    "EE": "24",
    "ES": "21",
    "FI": "25.5",
    "FR": "20",
    "GR": "24",
    "HR": "25",
    "HU": "27",
    "IE": "23",
    "IT": "22",
    "LT": "21",
    "LU": "17",
    "LV": "21",
    "MT": "18",
    "NL": "21",
    "PL": "23",
    "PT": "23",
    "RO": "21",
    "SE": "25",
    "SI": "22",
    "SK": "23",
}
RATES = {
    **EU_RATES,
    "AU": "10",
    "CA": "5",
    "CH": "8.1",
    "GB": "20",
    "IN": "18",
    "JP": "10",
    "NO": "25",
    "NZ": "15",
    "SG": "9",
}
GST_COUNTRIES = ("AU", "CA", "IN", "NZ", "SG")
UNCOUNTABLE = "ZZ"


@dataclass(frozen=True)
class Verdict:
    """What tax a customer pays: a percentage, and why it is not more; or what is in the way.

    :param status: `complete`, `requires_location_inputs` or `failed`, as on an invoice.
    """

    status: str
    country: str = ""
    percentage: Decimal = Decimal(0)
    reason: str = "not_collecting"


def verdict_on(customer: Obj, tax_ids: Iterable[Obj]) -> Verdict:
    """Judge a customer by their address, exemption and verified tax ids."""
    country = (customer.get("address") or {}).get("country")
    if not country:
        return Verdict("requires_location_inputs")
    if country == UNCOUNTABLE:
        return Verdict("failed")
    if country not in RATES:
        return Verdict("complete", country)
    if customer["tax_exempt"] == "exempt":
        return Verdict("complete", country, reason="customer_exempt")
    if customer["tax_exempt"] == "reverse" or _is_verified_business(country, tax_ids):
        return Verdict("complete", country, reason="reverse_charge")
    return Verdict("complete", country, Decimal(RATES[country]), "standard_rated")


def _is_verified_business(country: str, tax_ids: Iterable[Obj]) -> bool:
    return country in EU_RATES and any(
        tax_id["type"] == "eu_vat" and tax_id["verification"]["status"] == "verified"
        for tax_id in tax_ids
    )


class Taxation:
    """Counts the tax of one invoice's lines by a verdict."""

    def __init__(self, call: Call, verdict: Verdict | None) -> None:
        self._call = call
        self._verdict = verdict
        self._rates: dict[bool, str] = {}

    def of(self, amount: int, behavior: str | None) -> list[Obj]:
        """Give the `taxes` of a line of an amount in minor units.

        :param behavior: `inclusive` when the amount holds the tax; anything else adds it.
        """
        if self._verdict is None or self._verdict.status != "complete":
            return []
        inclusive = behavior == "inclusive"
        percentage = self._verdict.percentage
        share = percentage / (100 + percentage if inclusive else 100)
        tax = int((amount * share).quantize(Decimal(1), ROUND_HALF_UP))
        return [
            {
                "amount": tax,
                "tax_behavior": "inclusive" if inclusive else "exclusive",
                "tax_rate_details": {"tax_rate": self._rate(self._verdict, inclusive=inclusive)},
                "taxability_reason": self._verdict.reason,
                "taxable_amount": amount - tax if inclusive else amount,
                "type": "tax_rate_details",
            }
        ]

    def _rate(self, verdict: Verdict, *, inclusive: bool) -> str:
        if inclusive not in self._rates:
            self._rates[inclusive] = _rate(self._call, verdict, inclusive=inclusive)["id"]
        return self._rates[inclusive]


def sums_of(taxes: Iterable[Obj]) -> list[Obj]:
    """Give the `total_taxes` of an invoice: those of its lines, added up by rate."""
    totals: dict[str, Obj] = {}
    for tax in taxes:
        key = tax["tax_rate_details"]["tax_rate"]
        if key not in totals:
            totals[key] = dict(tax)
            continue
        for name in ("amount", "taxable_amount"):
            totals[key][name] += tax[name]
    return list(totals.values())


def _rate(call: Call, verdict: Verdict, *, inclusive: bool) -> Obj:
    percentage = float(verdict.percentage)
    where = {"country": verdict.country, "percentage": percentage, "inclusive": inclusive}
    # SQLite reads JSON's booleans as numbers, and so does this comparison.
    known = call.store.find(call.scope, "tax_rate", where, limit=1)
    if known:
        return known[0]
    kind = "gst" if verdict.country in GST_COUNTRIES else "vat"
    return call.create(
        "tax_rate",
        "txr_1",
        {
            "active": False,
            "country": verdict.country,
            "description": None,
            "display_name": kind.upper(),
            "effective_percentage": percentage,
            "flat_amount": None,
            "inclusive": inclusive,
            "jurisdiction": verdict.country,
            "jurisdiction_level": "country",
            "metadata": {},
            "percentage": percentage,
            "rate_type": "percentage",
            "state": None,
            "tax_type": kind if verdict.country in RATES else None,
        },
    )


@route("GET", "/v1/tax_rates/{tax_rate}")
def retrieve(call: Call, tax_rate: str) -> Obj:
    """Give a rate that a line's tax was counted by."""
    return call.get("tax_rate", tax_rate)
