"""`flask billing reconcile metering` and `rates migrate` say what they found and did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from flask_billing import BillingInfo, PaymentMethod, clock
from tests.cli.conftest import Shell
from tests.host import Machine, Project, billing, db

RATES = Path(__file__).parents[1] / "rates.toml"
JULY = datetime(2026, 7, 10, tzinfo=UTC)


@pytest.fixture
def settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of a host that has rates."""
    return settings | {"BILLING_RATES": str(RATES)}


@pytest.fixture(autouse=True)
def time() -> Iterator[list[datetime]]:
    """The moment that the clock shows; it can be replaced."""
    now = [datetime(2026, 6, 15, 12, tzinfo=UTC)]
    with clock.moved(lambda: now[0]):
        yield now


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """A host with two machines of one project."""
    with shell.app.app_context():
        db.create_all()
        info = BillingInfo(stripe_id="cus_1")
        project = Project(id=1, name="one", billing_info=info)
        db.session.add_all([project, PaymentMethod(stripe_id="pm_1", billing_info=info)])
        db.session.add_all([Machine(id=1, project=project), Machine(id=2, project=project, disk=3)])
        db.session.commit()
    return shell


def _sql(shell: Shell, statement: str) -> None:
    with shell.app.app_context():
        db.session.execute(text(statement))
        db.session.commit()


def test_nothing_differs(shell: Shell) -> None:
    result = shell.billing("reconcile", "metering")

    said = "Looked at resources, records and projects (5). All runs as it should.\n"
    assert (result.exit_code, result.output) == (0, said)


def test_differences_are_told_and_mended(shell: Shell) -> None:
    _sql(shell, "DELETE FROM machine WHERE id = 1")
    _sql(shell, "UPDATE machine SET disk = 4")
    with shell.app.app_context(), billing.metering_deferred():
        db.session.execute(insert(Machine), [{"id": 3, "project_id": 1}])
        db.session.commit()
    lines = [
        "machine 2 disk runs at another rate or quantity, or for another project.",
        "machine 3 compute is used by project 1 and does not run.",
        "machine 1 is metered or paused, and is gone.",
    ]

    told = shell.billing("reconcile", "metering")
    mended = shell.billing("reconcile", "metering", "--mend", "--project", "1")
    again = shell.billing("reconcile", "metering")

    assert told.exit_code == 1
    assert told.output.splitlines()[:-1] == [f"differs  {line}" for line in lines]
    assert "--mend" in told.output
    assert (mended.exit_code, again.exit_code) == (0, 0)
    assert mended.output.splitlines()[:-1] == [f"mended   {line}" for line in lines]
    assert mended.output.splitlines()[-1].endswith("3 mended, 0 left.")


def test_what_is_left_to_a_person_ends_with_status_1(shell: Shell) -> None:
    _sql(shell, "UPDATE billing_record SET resource_type = 'forgotten'")

    result = shell.billing("reconcile", "metering", "--mend")

    assert result.exit_code == 1
    assert "left     Records run for forgotten, a table that no metered model" in result.output


@pytest.mark.parametrize("words", [["reconcile", "metering"], ["rates", "migrate", "--dry-run"]])
def test_off_is_said(
    settings: dict[str, Any], make_off: Callable[..., Shell], words: list[str]
) -> None:
    extra = ["--rate", "machine.small", "--at", "2026-06-01"] if "migrate" in words else []

    result = make_off().billing(*words, *extra)

    assert (result.exit_code, "Billing is off" in result.output) == (0, True)


@pytest.fixture
def make_off(shell: Shell) -> Callable[..., Shell]:
    """Gives a host whose billing is off."""

    def make() -> Shell:
        from tests.host import create_app

        url = shell.app.config["SQLALCHEMY_DATABASE_URI"]
        return Shell(create_app(url, BILLING_RATES=str(RATES)), shell.folder)

    return make


def test_running_records_are_moved_to_a_newer_price(shell: Shell, time: list[datetime]) -> None:
    time[0] = JULY
    words = ["rates", "migrate", "--rate", "machine.small", "--at", "2026-07-01"]

    tried = shell.billing(*words, "--dry-run")
    done = shell.billing(*words)
    again = shell.billing(*words)

    assert [r.exit_code for r in (tried, done, again)] == [0, 0, 0]
    assert tried.output == "2 would move to what holds at 2026-07-01 00:00:00Z.\n"
    assert done.output == "2 moved to what holds at 2026-07-01 00:00:00Z.\n"
    assert again.output == "0 moved to what holds at 2026-07-01 00:00:00Z.\n"


def test_projects_that_are_closed_until_later_are_said(shell: Shell, time: list[datetime]) -> None:
    time[0] = JULY
    _sql(shell, "UPDATE billed_project SET closed_until = '2026-07-05 00:00:00.000000'")

    result = shell.billing("rates", "migrate", "--rate", "machine.small", "--at", "2026-07-01")

    assert result.exit_code == 1
    assert "2 left: their projects are closed until after 2026-07-01" in result.output


@pytest.mark.parametrize(
    ("rate", "at", "said"),
    [
        ("machine.small", "2027-01-01", "in the future"),
        ("api.call", "2026-06-01", "usage events"),
        ("machine.unheard-of", "2026-06-01", "There is no rate machine.unheard-of"),
    ],
)
def test_cut_off_that_can_not_be_meant_is_refused(
    shell: Shell, rate: str, at: str, said: str
) -> None:
    result = shell.billing("rates", "migrate", "--rate", rate, "--at", at)

    assert result.exit_code == 1
    assert said in result.output
