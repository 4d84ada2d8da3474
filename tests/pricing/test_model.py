"""The rules give the same as a model that counts tick by tick, in fractions."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_billing.money import to_minor_units
from flask_billing.periods import Span
from flask_billing.pricing import DiscountFacts, Line, RecordFacts, Terms, TotalFacts, by_day, price
from tests.pricing import model
from tests.pricing.facts import CALL, JUNE, TOKEN, allowance, rate, total
from tests.pricing.facts import terms as make_terms

PERIOD = Span(JUNE.start + 12 * model.TICK, JUNE.start + 140 * model.TICK)

# Two of a price, two of a group, and two versions of a name.
BY_MINUTE = [
    rate(11, "small", "0.01", "machines"),
    rate(12, "small", "0.0100000001", "machines"),
    rate(13, "large", "0.01", "machines"),
    rate(14, "disk", "0.0300000007", "disks"),
]
BY_COUNT = [CALL, TOKEN._replace(unit_price=Decimal("0.0003"), group="machines")]
RATES = {each.id: each for each in BY_MINUTE + BY_COUNT}

ticks = st.integers(-20, 140)
moments = ticks.map(lambda tick: PERIOD.start + tick * model.TICK)
quantities = st.sampled_from(["1", "1", "0.333333"]).map(Decimal)


@st.composite
def records(draw: st.DrawFn) -> RecordFacts:
    start, end = sorted([draw(moments), draw(moments)])
    running = draw(st.booleans()) and start < PERIOD.end
    return RecordFacts(
        "machine",
        draw(st.sampled_from(["1", "1", "2"])),
        draw(st.sampled_from(["compute", "compute", "disk"])),
        draw(st.sampled_from(BY_MINUTE)).id,
        draw(quantities),
        start,
        None if running else end,
    )


totals = st.builds(
    lambda day, quantity, counted, resource: total(
        date(2026, 6, 1) + timedelta(days=day), quantity, rate=counted, resource=resource
    ),
    st.integers(-40, 2),
    st.decimals("0.000001", 9000, places=6).map(str),
    st.sampled_from(BY_COUNT),
    st.sampled_from(["", "1"]),
)
of_rates = st.sampled_from(
    [("rate", each.name) for each in RATES.values()] + [("group", "machines"), ("group", "disks")]
)
scopes = of_rates | st.sampled_from([("project", ""), ("resource", "1"), ("resource", "2")])


@st.composite
def discounts(draw: st.DrawFn) -> list[DiscountFacts]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        scope, target = draw(scopes)
        start, end = sorted([draw(moments), draw(moments)])
        found.append(
            DiscountFacts(
                UUID(int=number + 1),
                scope,
                target,
                "machine" if scope == "resource" else None,
                draw(st.sampled_from(["0.01", "10", "33.33", "100"]).map(Decimal)),
                start,
                draw(st.sampled_from([end, None])),
            )
        )
    return found


allowances = st.lists(
    st.builds(
        lambda scope, quantity: allowance(*scope, quantity),
        of_rates,
        st.sampled_from(["0.5", "100", "1500.25", "9000"]),
    ),
    max_size=3,
)


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    return make_terms(
        period=PERIOD,
        rates=RATES,
        cap_minutes=draw(st.sampled_from([None, 1, 1000, 2001])),
        discounts=draw(discounts()),
        allowances=draw(allowances),
    )


def seen(line: Line) -> model.ModelLine:
    return model.ModelLine(
        line.kind,
        (line.resource_type or "", line.resource_id or "", line.slot or ""),
        RATES[line.rate_id].name,
        Fraction(line.quantity or 0),
        line.minutes,
        Fraction(line.free_quantity or 0),
        line.discount_id.int if line.discount_id else None,
        line.started_at,
        line.ended_at,
        Fraction(line.gross),
        Fraction(line.net),
        line.amount,
    )


@settings(max_examples=150, deadline=None)
@given(any_terms(), st.lists(records(), max_size=7), st.lists(totals, max_size=6))
def test_rules_agree_with_the_model(
    terms: Terms, records: list[RecordFacts], totals: list[TotalFacts]
) -> None:
    expected, subtotal, adjusted = model.lines(terms, records, totals)

    priced = price(terms, records, totals)

    assert [seen(line) for line in priced.lines] == expected
    assert (priced.subtotal, priced.adjusted) == (subtotal, adjusted)
    usage = [line for line in priced.lines if line.kind == "usage"]
    gross = sum((line.gross for line in usage), Decimal())
    assert priced.gross == to_minor_units(gross, "usd")
    days = by_day(terms, records, totals)
    assert sum((cost for _, cost in days), Decimal()) == gross
    assert [day for day, _ in days] == [date(2026, 6, day) for day in (1, 2, 3)]
    assert all(cost >= 0 for _, cost in days)
