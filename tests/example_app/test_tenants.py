"""Projects are walls: outside there is nothing, and inside roles differ."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.example_app.visitor import (
    PASSWORD,
    Page,
    Visitor,
    add_member,
    new_project,
    new_zone,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeVisitor = Callable[[], Visitor]

PAGES = [
    "",
    "/members",
    "/servers/new",
    "/databases/new",
    "/dns-zones/new",
    "/servers/1/resize",
    "/databases/1/resize",
    "/dns-zones/1/delete",
    "/billing",
    "/billing/usage",
    "/billing/invoices",
]
STAFF = "/billing/staff/events"
POSTS = [
    "/members",
    "/members/1/remove",
    "/servers",
    "/servers/1/resize",
    "/databases",
    "/databases/1/resize",
    "/dns-zones",
]


def test_staff_pages_do_not_exist_for_customers_of_any_kind(
    sign_up: MakeVisitor, visit: MakeVisitor
) -> None:
    owner, member = sign_up(), sign_up()
    add_member(owner, new_project(owner), member)
    people = [owner, member, sign_up(), visit()]

    answers = [person.get(STAFF) for person in people]
    answers += [person.post(f"{STAFF}/evt_1") for person in people]

    assert [answer.status_code for answer in answers] == [404] * 8
    assert "Stripe events" not in owner.get("/projects").text


def test_nobody_makes_themselves_staff(visit: MakeVisitor) -> None:
    person = visit()
    typed = {"name": "Mallory", "email": "mallory@example.com", "password": PASSWORD}

    signed_up = person.submit(person.get("/sign-up"), "Sign up", is_staff="1", **typed)

    assert signed_up.status_code == 303
    assert person.get(STAFF).status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_page_of_anothers_project_does_not_exist(sign_up: MakeVisitor, page: str) -> None:
    owner, stranger = sign_up(), sign_up()
    project = new_project(owner)

    assert stranger.get(project + page).status_code == 404


@pytest.mark.parametrize("target", POSTS)
def test_nothing_is_written_in_anothers_project(sign_up: MakeVisitor, target: str) -> None:
    owner, stranger = sign_up(), sign_up()
    project = new_project(owner)

    refused = stranger.post(
        project + target, name="planted.example", size="small", email=stranger.email, role="owner"
    )

    assert refused.status_code == 404
    assert "planted" not in owner.get(project).text
    assert stranger.email not in owner.get(f"{project}/members").text


def test_resource_of_another_project_is_not_found_through_ones_own(sign_up: MakeVisitor) -> None:
    owner, stranger = sign_up(), sign_up()
    project, own = new_project(owner), new_project(stranger)
    new_zone(owner, project, "owner.example")
    new_zone(stranger, own, "stranger.example")
    path = _deletion_path(owner, project)

    asked = stranger.get(path.replace(project, own))
    refused = stranger.post(path.replace(project, own))

    assert asked.status_code == refused.status_code == 404
    assert "owner.example" in owner.get(project).text


def test_member_of_another_project_is_not_found_through_ones_own(sign_up: MakeVisitor) -> None:
    owner, other = sign_up(), sign_up()
    project, own = new_project(owner), new_project(other)
    link = _link(owner, f"{project}/members", "/remove")

    refused = other.post(link.replace(project, own))

    assert refused.status_code == 404
    assert owner.get(project).status_code == 200


@pytest.mark.parametrize("number", ["0", "99999999999", "9" * 40, "-1", "1.0", "x"])
def test_number_that_is_no_id_is_not_found(sign_up: MakeVisitor, number: str) -> None:
    person = sign_up()

    assert person.get(f"/projects/{number}").status_code == 404
    assert person.get(f"/projects/{number}/billing").status_code == 404


@pytest.mark.parametrize("page", ["/projects", "/projects/1", "/projects/1/billing", "/tokens"])
def test_visitor_is_asked_to_sign_in(visit: MakeVisitor, page: str) -> None:
    asked = visit().get(page)

    assert asked.status_code == 302
    assert asked.headers["Location"].startswith("/sign-in?next=")


def test_member_creates_and_deletes(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)

    new_zone(member, project, "member.example")
    created = "member.example" in owner.get(project).text
    asked = member.get(_deletion_path(member, project))
    member.submit(asked, "Delete member.example")

    assert created
    assert "No DNS zones yet" in owner.get(project).text


def test_member_manages_nobody(sign_up: MakeVisitor) -> None:
    owner, member, third = sign_up(), sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)
    remove_owner = _link(owner, f"{project}/members", "/remove")

    added = member.post(f"{project}/members", email=third.email, role="owner")
    removed = member.post(remove_owner)

    assert added.status_code == removed.status_code == 403
    assert "Add person" not in member.get(f"{project}/members").text
    assert owner.get(project).status_code == 200
    assert third.get(project).status_code == 404


def test_second_owner_manages_as_the_first_does(sign_up: MakeVisitor) -> None:
    first, second, third = sign_up(), sign_up(), sign_up()
    project = new_project(first)
    add_member(first, project, second, role="owner")

    add_member(second, project, third)

    assert third.get(project).status_code == 200


def test_removed_person_is_outside_at_once(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)
    link = _link(owner, f"{project}/members", "/remove", last=True)

    owner.submit(owner.get(link), "Remove")

    assert member.get(project).status_code == 404


def test_last_owner_stays(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)
    link = _link(owner, f"{project}/members", "/remove")

    refused = owner.submit(owner.get(link), "Remove")

    assert "A project needs an owner" in owner.follow(refused).text
    assert owner.get(project).status_code == 200


def test_person_is_added_once_and_has_to_exist(sign_up: MakeVisitor) -> None:
    owner, member = sign_up(), sign_up()
    project = new_project(owner)
    add_member(owner, project, member)
    page = owner.get(f"{project}/members")

    again = owner.submit(page, "Add person", email=member.email, role="member")
    nobody = owner.submit(page, "Add person", email="nobody@example.com", role="member")

    assert again.status_code == nobody.status_code == 422
    assert "This person is a member already." in again.text
    assert "Nobody with this address has an account." in nobody.text


def test_name_is_used_once_in_a_project_and_freely_in_another(sign_up: MakeVisitor) -> None:
    person = sign_up()
    first, second = new_project(person, "First"), new_project(person, "Second")
    new_zone(person, first, "one.example")

    again = new_zone(person, first, "One.Example")
    elsewhere = new_zone(person, second, "one.example")

    assert again.status_code == 422
    assert "Choose another name" in again.text
    assert elsewhere.status_code == 303


def _link(visitor: Visitor, page: str, ending: str, *, last: bool = False) -> str:
    tags = Page(visitor.get(page)).tags
    links = [str(values.get("href")) for tag, values in tags if tag == "a"]
    found = [link for link in links if link.endswith(ending)]
    return found[-1 if last else 0]


def _deletion_path(visitor: Visitor, project: str) -> str:
    return _link(visitor, project, "/delete")


def test_staff_act_under_their_id(sign_up: MakeVisitor, harbour_database: Path) -> None:
    person, other = sign_up(), sign_up()
    columns = "id, stripe_id, type, livemode, created_at, received_at, state, attempts"
    day = "2026-08-01 00:00:00.000000"
    values = (uuid4().hex, "evt_staff", "customer.updated", False, day, day, "failed", 12)
    with closing(sqlite3.connect(harbour_database)) as connection, connection:
        connection.execute(
            f"INSERT INTO billing_event ({columns}) VALUES ({', '.join('?' * 8)})", values
        )
        (person_id,) = connection.execute(
            "UPDATE user_account SET is_staff = true WHERE email = ? RETURNING id", [person.email]
        ).fetchone()

    assert other.post(f"{STAFF}/evt_staff").status_code == 404
    assert person.post(f"{STAFF}/evt_staff").status_code == 303

    with closing(sqlite3.connect(harbour_database)) as connection:
        entries = connection.execute(
            "SELECT made_by, action FROM billing_audit WHERE object_id = 'evt_staff'"
        ).fetchall()
    assert entries == [(str(person_id), "repeat_event")]
