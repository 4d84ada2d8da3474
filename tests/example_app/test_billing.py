"""No card, no servers: how Harbour and the billing extension work together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.example_app.serving import serve
from tests.example_app.visitor import (
    Page,
    Visitor,
    add_member,
    enroll,
    new_project,
    new_token,
    new_zone,
    save_card,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeVisitor = Callable[[], Visitor]


def test_owner_is_stopped_saves_a_card_and_is_back_at_the_form(sign_up: MakeVisitor) -> None:
    owner = sign_up()
    project = new_project(owner)

    play_until_the_server_runs(owner, project)

    assert "web-1" in owner.get(project).text


@pytest.mark.parametrize("kind", ["servers", "databases"])
def test_guard_refuses_what_is_posted_past_the_form(sign_up: MakeVisitor, kind: str) -> None:
    owner = sign_up()
    project = new_project(owner)

    refused = owner.post(f"{project}/{kind}", name="web-1", size="small")

    assert refused.status_code == 303
    assert f"{project}/billing" in refused.headers["Location"]
    assert "web-1" not in owner.get(project).text


def test_zone_is_free(sign_up: MakeVisitor) -> None:
    owner = sign_up()
    project = new_project(owner)

    created = new_zone(owner, project, "free.example")

    assert created.headers["Location"] == project
    assert "free.example" in owner.get(project).text


def test_project_page_warns_until_a_card_is_saved(sign_up: MakeVisitor) -> None:
    owner = sign_up()
    project = new_project(owner)
    warning = "Servers and databases need a payment method."
    before = owner.get(project)

    save_card(owner, owner.get(f"{project}/billing"))

    assert warning in Page(before).text
    assert warning not in Page(owner.get(project)).text


def test_member_sees_billing_and_changes_nothing(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)

    page = member.get(f"{project}/billing")
    refused = member.post(f"{project}/billing/payment-methods")

    assert page.status_code == 200
    assert "Add payment method" not in [
        text for form in Page(page).forms for text, *_ in form.buttons
    ]
    assert refused.status_code == 403
    assert "Only an owner of this project can do that. Ask one of them." in Page(refused).text


def test_member_creates_once_an_owner_has_saved_a_card(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)
    save_card(owner, owner.get(f"{project}/billing"))

    form = member.get(f"{project}/databases/new")
    created = member.submit(form, "Create database", name="main")

    assert created.headers["Location"] == project


def test_card_of_one_project_pays_for_no_other(sign_up: MakeVisitor) -> None:
    owner = sign_up()
    first, second = new_project(owner, "First"), new_project(owner, "Second")
    save_card(owner, owner.get(f"{first}/billing"))

    refused = owner.get(f"{second}/servers/new")

    assert refused.status_code == 303
    assert f"{second}/billing" in refused.headers["Location"]


@pytest.mark.parametrize("kind", ["servers", "databases"])
def test_program_creates_lists_and_deletes_once_a_card_is_saved(
    harbour: str, sign_up: MakeVisitor, kind: str
) -> None:
    owner = sign_up()
    project = new_project(owner)
    save_card(owner, owner.get(f"{project}/billing"))
    headers = {"Authorization": f"Bearer {new_token(owner)}"}
    machines = f"{harbour}/api{project}/{kind}"
    wanted = {"name": "one", "size": "small"}

    made = requests.post(machines, json=wanted, headers=headers, timeout=30)
    again = requests.post(machines, json=wanted, headers=headers, timeout=30)
    listed = requests.get(machines, headers=headers, timeout=30).json()
    address = f"{machines}/{made.json()['id']}"
    deleted = requests.delete(address, headers=headers, timeout=30)
    gone = requests.delete(address, headers=headers, timeout=30)

    assert made.status_code == 201
    assert again.status_code == 409
    assert listed == {kind: [made.json()]}
    assert (deleted.status_code, gone.status_code) == (204, 404)


def test_billing_pages_stand_in_harbours_own_layout(sign_up: MakeVisitor) -> None:
    owner = sign_up()
    project = new_project(owner, "A Project with a Name")

    page = owner.get(f"{project}/billing")

    assert "<title>Billing · Harbour</title>" in page.text
    assert "/static/harbour.css" in page.text
    assert "A Project with a Name" in Page(page).text


@pytest.mark.database
def test_journey_on_postgresql(postgresql_url: str, stripe_url: str, tmp_path: Path) -> None:
    with serve(postgresql_url, stripe_url, tmp_path / "log") as url:
        owner = Visitor(url, "2001:db8::1")
        enroll(owner, "ada@example.com")
        project = new_project(owner)

        play_until_the_server_runs(owner, project)
        page = owner.get(project)
        owner.session.close()

    assert "web-1" in page.text
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_without_stripe_everything_can_be_created(
    run_python: Callable[[str], str], sqlite_url: str
) -> None:
    printed = run_python(
        f"""
        from example_app import create_app
        from example_app.extensions import db

        app = create_app(
            {{
                "SECRET_KEY": "a secret of the tests",
                "SQLALCHEMY_DATABASE_URI": "{sqlite_url}",
                "WTF_CSRF_ENABLED": False,
            }}
        )
        with app.app_context():
            db.create_all()
        browser = app.test_client()
        person = {{"name": "Ada", "email": "ada@example.com", "password": "long enough"}}
        browser.post("/sign-up", data=person)
        browser.post("/projects", data={{"name": "Engine"}})
        form = browser.get("/projects/1/servers/new")
        made = browser.post("/projects/1/servers", data={{"name": "web-1", "size": "small"}})
        page = browser.get("/projects/1")
        off = browser.get("/projects/1/billing")
        print(form.status_code, made.location, "web-1" in page.text, off.status_code)
        with app.app_context():
            db.engine.dispose()
        """
    )

    assert printed.split() == ["200", "/projects/1", "True", "501"]


def play_until_the_server_runs(owner: Visitor, project: str) -> None:
    """From the refusal over the card to the server."""
    stopped = owner.get(f"{project}/servers/new")
    billing = owner.follow(stopped)
    back = save_card(owner, billing)
    created = owner.submit(back, "Create server", name="web-1", size="standard-2")

    assert stopped.status_code == 303
    assert billing.url.split("?")[0].endswith(f"{project}/billing")
    assert back.url.endswith(f"{project}/servers/new")
    assert created.status_code == 303
