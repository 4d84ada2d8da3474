"""Counts what a credit note credits: lines, tax in proportion, and the sums of both."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.store import Obj

from . import invoice_lines, taxes

LINES = params.array(
    params.group(
        {
            "amount": params.integer(1),
            "description": params.text(),
            "invoice_line_item": params.text(clearable=False),
            "metadata": params.metadata,
            "quantity": params.integer(1),
            "type": params.choice("custom_line_item", "invoice_line_item"),
            "unit_amount": params.integer(1),
        },
        required=("type",),
    ),
    limit=invoice_lines.LIMIT,
)


@dataclass(frozen=True)
class Sums:
    """What a credit note comes to, in minor units; `total` is what is credited, with tax."""

    lines: list[Obj]
    total_taxes: list[Obj]
    subtotal: int
    total: int

    @property
    def without_tax(self) -> int:
        """The total less the tax that it holds or that was added."""
        return self.total - sum(int(tax["amount"]) for tax in self.total_taxes)


def count(call: Call, invoice: Obj, earlier: list[Obj], values: dict[str, Any]) -> Sums:
    """Count the `amount` or the `lines` of a new credit note.

    :param earlier: The credit notes of the invoice that hold.
    """
    if ("amount" in values) == bool(values.get("lines")):
        raise Problem("Send either amount or lines.", code="parameter_missing", param="amount")
    if "amount" in values:
        return _of_amount(call, invoice, earlier, values["amount"])
    lines = [
        _line(call, invoice, earlier, given, f"lines[{number}]")
        for number, given in enumerate(values["lines"])
    ]
    counted = taxes.sums_of(tax for line in lines for tax in line["taxes"])
    subtotal = sum(line["amount"] for line in lines)
    return Sums(lines, counted, subtotal, subtotal + _added(counted))


def _of_amount(call: Call, invoice: Obj, earlier: list[Obj], amount: int) -> Sums:
    if amount + sum(note["total"] for note in earlier) == invoice["total"]:
        counted = _rest(invoice, earlier)
    else:
        counted = _share(invoice["total_taxes"] or (), amount, invoice["total"])
    subtotal = amount - _added(counted)
    given = {"type": "custom_line_item", "quantity": 1, "unit_amount": subtotal}
    line = _new(call, given, subtotal, counted)
    return Sums([line], counted, subtotal, amount)


def _rest(invoice: Obj, earlier: list[Obj]) -> list[Obj]:
    """Give the tax that is left, so that all credit notes together credit all of it."""
    left = [dict(tax) for tax in invoice["total_taxes"] or ()]
    credited = [tax for note in earlier for tax in note["total_taxes"] or ()]
    for tax in left:
        for part in credited:
            if part["tax_rate_details"] == tax["tax_rate_details"]:
                tax["amount"] -= part["amount"]
                tax["taxable_amount"] -= part["taxable_amount"]
    return left


def _line(call: Call, invoice: Obj, earlier: list[Obj], given: Obj, name: str) -> Obj:
    if given["type"] == "custom_line_item":
        if "unit_amount" not in given:
            raise Problem(f"Missing required param: {name}[unit_amount].", param=name)
        quantity = given.get("quantity", 1)
        return _new(call, given, given["unit_amount"] * quantity, [])
    line = _credited_line(call, invoice, given, name)
    amount: int = given.get("amount") or line["amount"]
    if "quantity" in given:
        amount = _rounded(Decimal(line["amount"]) * given["quantity"] / (line["quantity"] or 1))
    before = sum(
        part["amount"]
        for note in earlier
        for part in note["_lines"]
        if part.get("invoice_line_item") == line["id"]
    )
    if amount + before > line["amount"]:
        raise Problem(
            f"Only {line['amount'] - before} of line {line['id']} is left to be credited.",
            param=name,
        )
    described = {"description": line["description"], **given}
    return _new(call, described, amount, _share(line["taxes"], amount, line["amount"]))


def _credited_line(call: Call, invoice: Obj, given: Obj, name: str) -> Obj:
    wanted = given.get("invoice_line_item")
    for line in invoice_lines.lines_of(call, invoice["id"]):
        if line["id"] == wanted:
            return line
    raise missing_object("line_item", str(wanted), param=f"{name}[invoice_line_item]")


def _new(call: Call, given: Obj, amount: int, counted: list[Obj]) -> Obj:
    line: Obj = {
        "id": new_id("cnli_1"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": call.scope.livemode,
        "metadata": given.get("metadata", {}),
        "pretax_credit_amounts": [],
        "quantity": given.get("quantity"),
        "tax_rates": [],
        "taxes": counted,
        "type": given["type"],
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": None,
    }
    if "unit_amount" in given:
        line["unit_amount_decimal"] = str(given["unit_amount"])
    if "invoice_line_item" in given:
        line["invoice_line_item"] = given["invoice_line_item"]
    return line


def _share(counted: Iterable[Obj], part: int, whole: int) -> list[Obj]:
    if not whole:
        return []
    return [
        {
            **tax,
            "amount": _rounded(Decimal(tax["amount"]) * part / whole),
            "taxable_amount": _rounded(Decimal(tax["taxable_amount"]) * part / whole),
        }
        for tax in counted
    ]


def _added(counted: Iterable[Obj]) -> int:
    return sum(tax["amount"] for tax in counted if tax["tax_behavior"] == "exclusive")


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))
