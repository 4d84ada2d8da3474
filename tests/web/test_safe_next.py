"""The way back to what a person was doing."""

from __future__ import annotations

import pytest
from flask import Flask, session
from hypothesis import given
from hypothesis import strategies as st

from flask_billing.web.safe_next import here, keep_way_back, local_path, take_way_back


@pytest.mark.parametrize("path", ["/", "/servers/new", "/a%20b", "/ümlaut", "/a//b", "/@:x"])
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "value",
    [None, "", "servers", "//x.example", "/\\x.example", "https://x.example/", "/a\nb", "/a\x7f"],
)
def test_everything_else_is_none(value: str | None) -> None:
    assert local_path(value) is None


@given(st.text(alphabet=st.sampled_from("/\\:@.?#%\t\r\n abhtps0[]"), max_size=12))
def test_whatever_passes_stays_on_this_site(value: str) -> None:
    path = local_path(value)

    assert path is None or (path.startswith("/") and not path.startswith(("//", "/\\")))
    assert path is None or not set(path) & set("\\?#\t\r\n ")


def test_way_back_of_one_project_leaves_the_other_alone(app: Flask) -> None:
    with app.test_request_context():
        keep_way_back("1", "/one")
        keep_way_back("2", "/two")

        assert take_way_back("1") == "/one"
        assert take_way_back("1") is None
        assert take_way_back("2") == "/two"
        assert not session


def test_session_keeps_two_ways_back_at_most(app: Flask) -> None:
    with app.test_request_context():
        for number in range(5):
            keep_way_back(str(number), "/" + "a" * 499)

        assert len(str(dict(session))) < 1200
        assert take_way_back("4") is not None
        assert take_way_back("0") is None


def test_new_start_without_a_way_back_forgets_the_old_one(app: Flask) -> None:
    with app.test_request_context():
        keep_way_back("1", "/old")
        keep_way_back("1", None)

        assert take_way_back("1") is None


def test_way_back_of_an_app_below_a_path_has_that_path(app: Flask) -> None:
    with app.test_request_context("/servers", environ_overrides={"SCRIPT_NAME": "/app"}):
        assert here() == "/app/servers"


def test_way_back_is_quoted_as_it_was(app: Flask) -> None:
    with app.test_request_context("/a%20b%3Fc"):
        assert here() == "/a%20b%3Fc"
