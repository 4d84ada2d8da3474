"""The JSON API: tokens, errors as problem documents, and the guard's 402."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.example_app.visitor import Visitor, new_project, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeVisitor = Callable[[], Visitor]


class Program:
    """Something that uses the API with a token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        address = f"{self.url}/api{path}"
        return requests.request(method, address, headers=self.headers, timeout=30, **more)


@pytest.fixture
def owner(sign_up: MakeVisitor) -> Visitor:
    return sign_up()


@pytest.fixture
def program(harbour: str, owner: Visitor) -> Program:
    return Program(harbour, new_token(owner))


def test_projects_of_the_tokens_owner_are_listed(
    program: Program, owner: Visitor, sign_up: MakeVisitor
) -> None:
    mine = new_project(owner, "Mine")
    new_project(sign_up(), "Not mine")

    listed = program("get", "/projects").json()

    assert listed == {"projects": [{"id": int(mine.split("/")[-1]), "name": "Mine"}]}


@pytest.mark.parametrize("token", [None, "", "harbour_wrong"])
def test_no_token_no_answer(harbour: str, token: str | None) -> None:
    refused = Program(harbour, token)("get", "/projects")

    assert refused.status_code == 401
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_session_of_a_browser_counts_for_nothing(owner: Visitor) -> None:
    assert owner.get("/api/projects").status_code == 401


def test_revoked_token_is_refused(program: Program, owner: Visitor) -> None:
    page = owner.get("/tokens")
    link = page.text.split('href="/tokens/')[1].split('"')[0]

    owner.submit(owner.get(f"/tokens/{link}"), "Revoke token")

    assert program("get", "/projects").status_code == 401


def test_token_of_another_person_can_not_be_revoked(
    program: Program, owner: Visitor, sign_up: MakeVisitor
) -> None:
    stranger = sign_up()
    new_token(stranger)
    link = owner.get("/tokens").text.split('href="/tokens/')[1].split('"')[0]

    refused = stranger.post(f"/tokens/{link}")

    assert refused.status_code == 404
    assert program("get", "/projects").status_code == 200


def test_token_is_shown_once(owner: Visitor) -> None:
    token = new_token(owner)

    assert token not in owner.get("/tokens").text


@pytest.mark.parametrize("kind", ["servers", "databases"])
def test_machine_is_refused_without_payment_method(
    program: Program, owner: Visitor, kind: str
) -> None:
    project = new_project(owner)

    refused = program("post", f"{project}/{kind}", json={"name": "one", "size": "small"})

    assert refused.status_code == 402
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert f"{project}/billing" in refused.text
    assert program("get", f"{project}/{kind}").json() == {kind: []}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"name", "size"}),
        ([], {"name", "size"}),
        ({"name": "Not a name!", "size": "small"}, {"name"}),
        ({"name": "web-1\n", "size": "huge"}, {"size"}),
        ({"name": 1, "size": None}, {"name", "size"}),
    ],
)
def test_values_are_judged(program: Program, owner: Visitor, body: Any, wrong: set[str]) -> None:
    project = new_project(owner)

    refused = program("post", f"{project}/servers", json=body)

    assert refused.status_code == 422
    assert set(refused.json()["errors"]) == wrong


def test_body_that_is_no_json_is_refused(program: Program, owner: Visitor) -> None:
    project = new_project(owner)

    assert program("post", f"{project}/servers", data="x").status_code == 415


@pytest.mark.parametrize("method", ["get", "post"])
def test_project_of_another_is_not_found(
    program: Program, sign_up: MakeVisitor, method: str
) -> None:
    project = new_project(sign_up())

    refused = program(method, f"{project}/servers", json={"name": "one", "size": "small"})

    assert refused.status_code == 404
    assert refused.json()["status"] == 404


def test_unknown_address_is_a_problem_document(program: Program) -> None:
    missing = program("get", "/nothing")

    assert missing.status_code == 404
    assert missing.headers["Content-Type"] == "application/problem+json"
