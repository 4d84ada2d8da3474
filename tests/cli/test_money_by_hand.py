"""What staff does with one invoice by command; each deed is in the audit log."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import update

from flask_billing import PaymentMethod, auditing, collecting
from flask_billing.ids import uuid7
from flask_billing.sandbox import Sandbox
from tests.cli.conftest import Shell
from tests.collecting import world
from tests.host import db


@pytest.fixture
def unpaid(stocked: Shell, stripe_sandbox: Sandbox) -> UUID:
    """An invoice of 12.34 USD whose card was declined."""
    return made(stocked, stripe_sandbox, world.BAD)


@pytest.fixture
def paid(stocked: Shell, stripe_sandbox: Sandbox) -> UUID:
    """An invoice of 12.34 USD that is paid."""
    return made(stocked, stripe_sandbox, world.VISA)


def made(shell: Shell, sandbox: Sandbox, card: str) -> UUID:
    with shell.app.app_context():
        invoice_id = world.new_invoice(world.new_owner(sandbox, card), 1000, 234)
        collecting.collect()
    return invoice_id


def deeds(shell: Shell) -> list[tuple[str, str, str | None, str]]:
    """What the audit log has, the first first."""
    with shell.app.app_context():
        found = auditing.entries()
        return [(e.action, e.object_id, e.made_by, e.outcome) for e in reversed(found)]


def test_retry_tries_every_method_once_more(
    stocked: Shell, stripe_sandbox: Sandbox, unpaid: UUID
) -> None:
    with stocked.app.app_context():
        info_id = world.collection(unpaid).billing_info_id
        assert info_id is not None
        world.add_card(stripe_sandbox, info_id, world.MASTERCARD)

    result = stocked.billing("retry", str(unpaid), "--by", "7")
    again = stocked.billing("retry", str(unpaid))

    assert result.output == f"The invoice {unpaid} is paid.\n"
    assert (again.exit_code, "is paid. Refund it instead." in again.output) == (1, True)
    with stocked.app.app_context():
        assert world.states(unpaid) == ["declined", "declined", "succeeded"]
    assert deeds(stocked) == [
        ("retry", str(unpaid), "7", "done"),
        ("retry", str(unpaid), None, "refused"),
    ]


def test_retry_that_stripe_does_not_answer_says_so(
    stocked: Shell, stripe_sandbox: Sandbox, unpaid: UUID
) -> None:
    stripe_sandbox.begin_outage()

    result = stocked.billing("retry", str(unpaid))

    stripe_sandbox.end_outage()
    assert result.exit_code == 1
    assert "Stripe failed (server_error). A worker goes on by itself" in result.output
    with stocked.app.app_context():
        assert world.states(unpaid) == ["declined"]


def test_refund_gives_back_a_part_and_then_the_rest(
    stocked: Shell, stripe_sandbox: Sandbox, paid: UUID
) -> None:
    dry = stocked.billing("refund", str(paid), "--reason", "goodwill", "--dry-run")
    part = stocked.billing("refund", str(paid), "--amount", "2.30", "--reason", "goodwill")
    rest = stocked.billing("refund", str(paid), "--reason", "goodwill", "--by", "7")
    more = stocked.billing("refund", str(paid), "--amount", "1", "--reason", "goodwill")

    assert dry.output == (
        "Nothing was given back. 12.34 USD could be, to where it was paid from.\n"
    )
    assert part.output.startswith(f"Gave back 2.30 USD of the invoice {paid}, as ")
    assert rest.output.startswith(f"Gave back 10.04 USD of the invoice {paid}, as ")
    assert (more.exit_code, "At most 0.00 USD" in more.output) == (1, True)
    assert sorted(r["amount"] for r in stripe_sandbox.objects("refund")) == [230, 1004]
    assert [deed[3] for deed in deeds(stocked)] == ["done", "done", "refused"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["refund", "{paid}", "--amount", "-3"], "an amount is above 0, such as 25.00."),
        (["refund", "{paid}", "--amount", "0"], "an amount is above 0, such as 25.00."),
        (["refund", "{paid}", "--amount", "9" * 15], "below 10,000,000,000,000.00 USD."),
        (["adjust", "{project}", "0"], "above or below 0, such as 5.00 or -5.00."),
        (["adjust", "{project}", "-" + "9" * 15], "below 10,000,000,000,000.00 USD."),
        (["credits", "grant", "{project}", "-5"], "an amount is above 0, such as 25.00."),
    ],
)
def test_amount_that_cannot_be_meant_is_refused_in_the_units_it_is_typed_in(
    stocked: Shell, paid: UUID, words: list[str], said: str
) -> None:
    typed = [word.format(paid=paid, project="1") for word in words]

    result = stocked.billing(*typed, "--reason", "goodwill")

    assert result.exit_code != 0
    assert said in result.output
    assert "minor units" not in result.output
    assert deeds(stocked) == []


def test_dry_run_refuses_a_reason_that_the_deed_refuses(
    stocked: Shell, unpaid: UUID, paid: UUID
) -> None:
    for words in (
        ["refund", str(paid)],
        ["write-off", str(unpaid)],
        ["invoices", "void", str(unpaid)],
    ):
        result = stocked.billing(*words, "--reason", "two words", "--dry-run")

        assert (result.exit_code, "A reason is one word" in result.output) == (1, True)


def test_refund_of_an_unknown_outcome_says_not_to_repeat_it(
    stocked: Shell, stripe_sandbox: Sandbox, paid: UUID
) -> None:
    stripe_sandbox.fail("POST /v1/credit_notes", how="error_500_after", times=9)

    result = stocked.billing("refund", str(paid), "--reason", "goodwill")
    again = stocked.billing("refund", str(paid), "--reason", "goodwill")

    assert result.exit_code == 1
    assert "Do not repeat this." in result.output
    assert again.exit_code == 1
    assert len(stripe_sandbox.objects("credit_note")) <= 1


def test_written_off_invoice_is_charged_no_more(
    stocked: Shell, stripe_sandbox: Sandbox, unpaid: UUID
) -> None:
    words = ("write-off", str(unpaid), "--reason", "insolvent")

    dry = stocked.billing(*words, "--dry-run")
    result = stocked.billing(*words)

    assert dry.output == f"Nothing was written off. The invoice {unpaid} is open (waiting).\n"
    assert "is uncollectible. It is not charged any more." in result.output
    with stocked.app.app_context():
        assert world.remote(stripe_sandbox, unpaid).status == "uncollectible"
    assert deeds(stocked) == [("write_off", str(unpaid), None, "done")]


def test_issued_invoice_is_made_void_at_stripe_too(
    stocked: Shell, stripe_sandbox: Sandbox, unpaid: UUID, paid: UUID
) -> None:
    words = ("--reason", "wrong_price", "--for-good")

    dry = stocked.billing("invoices", "void", str(unpaid), *words, "--dry-run")
    result = stocked.billing("invoices", "void", str(unpaid), *words)
    refused = [
        stocked.billing("invoices", "void", str(paid), *words, *more)
        for more in ([], ["--dry-run"])
    ]

    assert "It could be made void, at Stripe too, unless it is paid meanwhile." in dry.output
    assert result.output == f"The invoice {unpaid} is void for good.\n"
    assert [(each.exit_code, "Refund it instead" in each.output) for each in refused] == [
        (1, True)
    ] * 2
    with stocked.app.app_context():
        assert world.remote(stripe_sandbox, unpaid).status == "void"
        assert world.remote(stripe_sandbox, paid).status == "paid"


def test_parked_invoice_is_set_going(stocked: Shell, unpaid: UUID, paid: UUID) -> None:
    with stocked.app.app_context():
        world.set_collection(unpaid, state="parked", reason="amount_differs")

    shown = stocked.billing("invoices", "show", str(unpaid))
    result = stocked.billing("unpark", str(unpaid), "--by", "7")
    other = stocked.billing("unpark", str(paid))

    assert "Collecting: parked (amount_differs)" in shown.output
    assert result.output == f"The invoice {unpaid} is waiting.\n"
    assert (other.exit_code, "is not parked" in other.output) == (1, True)


def test_project_on_terms_pays_by_transfer(stocked: Shell, stripe_sandbox: Sandbox) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        other = world.new_owner(stripe_sandbox, world.VISA)

    given = stocked.billing("terms", owner.key, "30", "--by", "7")
    said = [stocked.billing("terms", each.key).output for each in (owner, other)]
    wrong = [stocked.billing("terms", owner.key, "--", days) for days in ("0", "-3", "366")]
    both = stocked.billing("terms", owner.key, "30", "--none")
    none = stocked.billing("terms", owner.key, "--none")

    assert given.output == f"Project {owner.key} pays by transfer, within 30 days.\n"
    assert said == [given.output, f"The payment methods of project {other.key} are charged.\n"]
    assert [each.exit_code for each in (*wrong, both)] == [2, 2, 2, 2]
    assert all("1<=x<=365" in each.output for each in wrong)
    assert none.output == f"The payment methods of project {owner.key} are charged.\n"
    assert [(deed[0], deed[3]) for deed in deeds(stocked)] == [
        ("set_terms", "done"),
        ("set_terms", "done"),
    ]


def test_disputed_method_is_charged_again(stocked: Shell, stripe_sandbox: Sandbox) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
        first, second = (method.id for method in owner.methods)
        db.session.execute(
            update(PaymentMethod).where(PaymentMethod.id == first).values(refusal="disputed")
        )
        db.session.commit()

    result = stocked.billing("methods", "accept", str(first), "--by", "7")
    other = stocked.billing("methods", "accept", str(second))

    assert result.output == f"The payment method {first} is charged again.\n"
    assert (other.exit_code, "not refused because of a dispute" in other.output) == (1, True)
    assert deeds(stocked) == [
        ("accept_method", str(first), "7", "done"),
        ("accept_method", str(second), None, "refused"),
    ]


def test_invoice_is_shown_with_its_story(
    stocked: Shell, stripe_sandbox: Sandbox, paid: UUID, unpaid: UUID
) -> None:
    stocked.billing("refund", str(paid), "--amount", "2", "--reason", "goodwill", "--by", "7")

    shown = stocked.billing("invoices", "show", str(paid)).output
    other = stocked.billing("invoices", "show", str(unpaid)).output

    story = shown.partition("What happened:")[2]
    steps = ["closed", "issued", "for the plan: succeeded", "given back", "staff: refund by 7"]
    assert all(step in story for step in steps)
    assert "told members of receipt" in story
    assert "declined (card_declined" in other
    assert "succeeded" not in other


def test_past_due_is_told_in_the_list_and_after_the_try_that_caused_it(
    stocked: Shell, unpaid: UUID
) -> None:
    with stocked.app.app_context():
        [tried] = world.attempts(unpaid)
        world.set_collection(unpaid, state="past_due", state_since=tried.created_at)
        key = world.invoice(unpaid).project_key

    listed = stocked.billing("invoices", "list", key).output
    shown = stocked.billing("invoices", "show", str(unpaid)).output

    assert "open (past_due)" in listed
    story = shown.partition("What happened:")[2]
    assert story.index("try ") < story.index("past_due")


def test_audit_shows_who_did_what(stocked: Shell, unpaid: UUID, paid: UUID) -> None:
    stocked.billing("retry", str(unpaid), "--by", "7")
    stocked.billing("refund", str(paid), "--amount", "1.50", "--reason", "goodwill", "--by", "8")

    both = stocked.billing("audit").output
    one = stocked.billing("audit", "--invoice", str(paid)).output
    before = stocked.billing("audit", "--before", "1d").output

    assert len(both.splitlines()) == 3
    [_, line] = one.splitlines()
    assert line.split()[2:5] == ["8", "cli", "refund"]
    assert "1.50 USD" in line
    assert line.endswith("goodwill  done")
    assert before == "Nothing was done.\n"


def test_audit_of_an_invoice_tells_nothing_done_from_no_such_invoice(
    stocked: Shell, paid: UUID
) -> None:
    stranger = str(uuid7())

    nothing = stocked.billing("audit", "--invoice", str(paid))
    unknown = stocked.billing("audit", "--invoice", stranger)

    assert (nothing.exit_code, nothing.output) == (0, "Nothing was done.\n")
    assert unknown.exit_code == 1
    assert unknown.output == f"Error: There is no invoice {stranger}.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["retry"],
        ["unpark"],
        ["write-off", "--reason", "insolvent"],
        ["refund", "--reason", "goodwill"],
        ["invoices", "show"],
        ["invoices", "void", "--reason", "wrong_price"],
    ],
)
def test_invoice_that_there_is_not_is_told_in_one_line(stocked: Shell, words: list[str]) -> None:
    stranger = str(uuid7())

    result = stocked.billing(*words, stranger)

    assert (result.exit_code, stranger in result.output) == (1, True)
    assert result.output.count("\n") == 1
    assert deeds(stocked) == []


def test_name_of_a_person_is_refused(stocked: Shell, unpaid: UUID) -> None:
    result = stocked.billing("retry", str(unpaid), "--by", "ann@example.com")

    assert (result.exit_code, "no e-mail" in result.output) == (1, True)
    assert "ann@example.com" not in result.output
    assert deeds(stocked) == []
