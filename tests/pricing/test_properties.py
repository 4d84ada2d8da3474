"""What holds for any usage: nothing is lost, nothing is made up, and order does not matter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from flask_billing.periods import Span, month_of, months
from flask_billing.pricing import (
    AdjustmentFacts,
    AllowanceFacts,
    CreditFacts,
    DiscountFacts,
    Priced,
    RecordFacts,
    Terms,
    TotalFacts,
    price,
)
from flask_billing.pricing.slots import length_of, parts_of
from tests.pricing.facts import CALL, DISK, JUNE, LARGE, SMALL, TOKEN, terms, total

# Month edges, leap years among them.
EDGES = [
    datetime(2026, 2, 1, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2028, 3, 1, tzinfo=UTC),
    JUNE.start,
    JUNE.end,
]
near_edges = st.builds(
    lambda edge, off: edge + timedelta(microseconds=off),
    st.sampled_from(EDGES),
    st.integers(-3 * 10**9, 3 * 10**9) | st.sampled_from([-1, 0, 1]),
)
in_june = st.integers(-(10**12), 4 * 10**12).map(
    lambda off: JUNE.start + timedelta(microseconds=off)
)
moments = near_edges | in_june
by_minute = st.sampled_from([SMALL, LARGE, DISK])
quantities = st.sampled_from(["1", "2", "0.5", "7.654321"]).map(Decimal)


@st.composite
def records(
    draw: st.DrawFn, resources: str = "12", at: st.SearchStrategy[datetime] = moments
) -> RecordFacts:
    start, end = sorted([draw(at), draw(at)])
    return RecordFacts(
        "machine",
        draw(st.sampled_from(resources)),
        draw(st.sampled_from(["compute", "disk"])),
        draw(by_minute).id,
        draw(quantities),
        start,
        draw(st.sampled_from([end, end, None])),
    )


totals = st.builds(
    lambda day, quantity, rate, resource: total(
        date(2026, 6, 1) + timedelta(days=day), quantity, rate=rate, resource=resource
    ),
    st.integers(-3, 29),
    st.decimals("0.000001", 10**9, places=6).map(str),
    st.sampled_from([CALL, TOKEN]),
    st.sampled_from(["", "1"]),
)
ids = st.integers(1, 10**6).map(lambda number: UUID(int=number))
percents = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
targets = st.sampled_from(
    [
        ("project", ""),
        ("rate", "machine.small"),
        ("group", "machines"),
        ("group", "api"),
        ("resource", "1"),
    ]
)
discounts = st.builds(
    lambda number, scope, percent, start, end: DiscountFacts(
        number, *scope, "machine" if scope[0] == "resource" else None, percent, start, end
    ),
    ids,
    targets,
    percents,
    in_june,
    st.none() | in_june,
)
allowances = st.builds(
    lambda target, quantity: AllowanceFacts(*target, quantity),
    st.sampled_from([("rate", "machine.small"), ("group", "machines"), ("group", "api")]),
    st.decimals(0, 10**6, places=6),
)
some_credits = st.lists(
    st.builds(CreditFacts, ids, st.integers(0, 10**4), st.none() | in_june, in_june),
    max_size=4,
    unique_by=lambda credit: credit.id,
)
adjustments = st.lists(
    st.builds(AdjustmentFacts, ids, st.integers(-(10**5), 10**5)),
    max_size=3,
    unique_by=lambda each: each.id,
)
any_terms = st.builds(
    terms,
    cap_minutes=st.sampled_from([None, 1, 40_320]),
    below_minimum=st.sampled_from(["carry", "waive"]),
    carried=st.integers(0, 49),
    discounts=st.lists(discounts, max_size=4, unique_by=lambda each: each.id),
    allowances=st.lists(allowances, max_size=3),
    credits=some_credits,
    adjustments=adjustments,
)


@settings(max_examples=60, deadline=None)
@given(any_terms, st.lists(records(), max_size=6), st.lists(totals, max_size=6), st.randoms())
def test_order_of_arrival_does_not_matter(
    terms: Terms, records: list[RecordFacts], totals: list[TotalFacts], random: Random
) -> None:
    expected = price(terms, records, totals)

    random.shuffle(records)
    random.shuffle(totals)

    assert price(terms, records, totals) == expected


@settings(max_examples=60, deadline=None)
@given(any_terms, st.lists(records(), max_size=6), st.lists(moments, max_size=6))
def test_records_cut_at_any_borders_cost_the_same(
    terms: Terms, records: list[RecordFacts], borders: list[datetime]
) -> None:
    pieces = [piece for record in records for piece in cut(record, borders)]

    assert price(terms, pieces, []) == price(terms, records, [])


def cut(record: RecordFacts, borders: list[datetime]) -> list[RecordFacts]:
    end = record.ended_at or datetime(2100, 1, 1, tzinfo=UTC)
    inside = sorted({each for each in borders if record.started_at < each < end})
    return [
        record._replace(started_at=first, ended_at=last)
        for first, last in pairwise([record.started_at, *inside, record.ended_at])
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(records("1", moments), max_size=6), st.lists(moments, max_size=6))
def test_periods_add_up_to_the_whole(records: list[RecordFacts], borders: list[datetime]) -> None:
    records = [record for record in records if record.slot == "compute"]
    whole = Span(datetime(2025, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))

    pieces = [lengths(records, period) for period in whole.cut(borders)]
    each_month = [lengths(records, period) for period in months(*whole)]

    assert summed(pieces) == lengths(records, whole)
    assert summed(each_month) == lengths(records, whole)


def lengths(records: list[RecordFacts], period: Span) -> dict[tuple[str, Decimal], int]:
    found: dict[tuple[str, Decimal], int] = {}
    if records:
        records = [
            each._replace(ended_at=each.ended_at or datetime(2028, 6, 1, tzinfo=UTC))
            for each in records
        ]
        for part in parts_of(records, terms(period=period, cap_minutes=None)):
            found[part.rate.name, part.quantity] = length_of(part.spans)
    return found


def summed(pieces: list[dict[tuple[str, Decimal], int]]) -> dict[tuple[str, Decimal], int]:
    found: dict[tuple[str, Decimal], int] = {}
    for piece in pieces:
        for key, length in piece.items():
            found[key] = found.get(key, 0) + length
    return found


@settings(max_examples=100, deadline=None)
@given(any_terms, st.lists(records(), max_size=6), st.lists(totals, max_size=6))
def test_amounts_add_up_and_nothing_is_negative(
    terms: Terms, records: list[RecordFacts], totals: list[TotalFacts]
) -> None:
    priced = price(terms, records, totals)

    of_kind = {kind: amounts(priced, kind) for kind in ("usage", "late", "carried", "adjustment")}
    assert of_kind["usage"] == priced.subtotal
    assert of_kind["late"] + of_kind["adjustment"] == priced.adjusted
    assert of_kind["carried"] == (0 if priced.is_empty else priced.carried_in)
    assert (
        priced.subtotal + priced.carried_in + priced.adjusted + priced.credit_granted
        == priced.credit_used + priced.due + priced.carried_out + priced.waived
    )
    assert min(numbers(priced)) >= 0
    for line in priced.lines:
        if line.kind in {"usage", "late"}:
            assert 0 <= line.net <= line.gross
            assert 0 <= (line.free_quantity or 0) <= (line.quantity or 0) * (line.minutes or 1)


def amounts(priced: Priced, kind: str) -> int:
    return sum(line.amount for line in priced.lines if line.kind == kind)


def numbers(priced: Priced) -> list[int]:
    return [
        priced.gross,
        priced.subtotal,
        priced.gross - priced.subtotal,
        priced.credit_used,
        priced.credit_granted,
        priced.due,
        priced.carried_out,
        priced.waived,
    ]


@settings(max_examples=60, deadline=None)
@given(any_terms, st.lists(totals, max_size=4))
def test_groups_add_up_to_their_lines(terms: Terms, totals: list[TotalFacts]) -> None:
    priced = price(terms, [], totals)

    lines, groups = priced.lines, priced.groups
    assert sum(group.line_count for group in groups) == len(lines)
    assert sum(group.amount for group in groups) == sum(line.amount for line in lines)
    assert sum(group.gross for group in groups) == sum(line.gross for line in lines)
    assert sum(group.net for group in groups) == sum(line.net for line in lines)


@settings(max_examples=60, deadline=None)
@given(some_credits, st.integers(0, 10**4))
def test_no_credit_is_spent_beyond_what_is_left_of_it(
    credits: list[CreditFacts], cents: int
) -> None:
    priced = price(terms(credits=credits, minimum=1), [], [total(1, cents * 100 or 1)])

    left = {credit.id: credit.remaining for credit in credits}
    assert all(0 < amount <= left[spent] for spent, amount in priced.credits_used)
    assert len({spent for spent, _ in priced.credits_used}) == len(priced.credits_used)
    assert priced.credit_used == sum(amount for _, amount in priced.credits_used)
    assert priced.credit_used == min(priced.subtotal, sum(left.values()))


@settings(max_examples=60, deadline=None)
@given(st.lists(records(), max_size=5), st.integers(-14 * 60, 14 * 60))
def test_zone_in_which_a_moment_is_told_does_not_matter(
    records: list[RecordFacts], offset: int
) -> None:
    zone = timezone(timedelta(minutes=offset))
    there = [
        each._replace(
            started_at=each.started_at.astimezone(zone),
            ended_at=each.ended_at and each.ended_at.astimezone(zone),
        )
        for each in records
    ]

    assert price(terms(), there, []) == price(terms(), records, [])


@settings(max_examples=60, deadline=None)
@given(records("1", near_edges), near_edges)
def test_slot_never_has_more_minutes_than_its_period(record: RecordFacts, moment: datetime) -> None:
    period = month_of(moment)

    priced = price(terms(period=period, cap_minutes=None), [record], [])

    end = record.ended_at or period.end
    used = Span(record.started_at, end).overlap(period).length
    [minutes] = [line.minutes for line in priced.lines] or [0]
    assert minutes == -(-used // timedelta(minutes=1))
