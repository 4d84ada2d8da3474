"""Visits web pages as a browser without scripts does."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import requests

if TYPE_CHECKING:
    from requests import Response


PASSWORD = "a password of the tests"


@dataclass
class Form:
    """A form of a page: where it goes, what it holds and what its buttons say."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """The forms and the text of a page."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._form: Form | None = None
        self._button: dict[str, str | None] | None = None
        self._select: str | None = None
        self.feed(response.text)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, button: str) -> Form:
        """The form with a button that begins with these words."""
        for form in self.forms:
            for text, name, value in form.buttons:
                if text.startswith(button):
                    chosen = {name: value} if name else {}
                    return Form(form.action, form.method, form.fields | chosen, form.buttons)
        texts = [text for form in self.forms for text, *_ in form.buttons]
        raise AssertionError(f"No button {button!r} among {texts} on: {self.text}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name, value = values.get("name") or "", values.get("value") or ""
        self.tags.append((tag, values))
        if tag == "form":
            self._form = Form(values.get("action") or "", values.get("method") or "get")
            self.forms.append(self._form)
        elif tag == "button":
            self._button = values
            if self._form is not None:
                self._form.buttons.append(("", name, value))
        elif self._form is not None:
            self._fill(self._form, tag, values)

    def _fill(self, form: Form, tag: str, values: dict[str, str | None]) -> None:
        name, value = values.get("name") or "", values.get("value") or ""
        unticked = values.get("type") in {"checkbox", "radio"} and "checked" not in values
        if tag == "textarea" or (tag == "input" and name and not unticked):
            form.fields[name] = value
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.fields.setdefault(self._select, value)
            if "selected" in values:
                form.fields[self._select] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._button = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._button is not None and self._form is not None:
            text, name, value = self._form.buttons[-1]
            self._form.buttons[-1] = (" ".join(f"{text} {data}".split()), name, value)


class Visitor:
    """One browser at one address; it follows no redirect by itself."""

    def __init__(self, url: str, address: str) -> None:
        self.url = url
        self.email = ""
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"X-Forwarded-For": address, "Accept": "text/html"})

    def get(self, path: str) -> Response:
        return self._send("get", urljoin(self.url, path))

    def follow(self, response: Response) -> Response:
        """Go where a redirect leads, and on until a page is there."""
        while response.is_redirect:
            response = self._send("get", urljoin(response.url, response.headers["Location"]))
        return response

    def submit(self, page: Response, button: str, **typed: str) -> Response:
        """Fill in the form with a button of these words, and press it."""
        form = Page(page).form(button)
        target = urljoin(page.url, form.action) if form.action else page.url
        referrer = {"Referer": page.url}
        return self._send(form.method, target, data=form.fields | typed, headers=referrer)

    def post(self, path: str, **typed: str) -> Response:
        """Post fields with a valid token, without a page that has a form for it."""
        forms = Page(self.get("/projects")).forms or Page(self.get("/sign-in")).forms
        token = forms[0].fields["csrf_token"]
        return self._send("post", urljoin(self.url, path), data={"csrf_token": token, **typed})

    def _send(self, method: str, url: str, **more: object) -> Response:
        response = self.session.request(method, url, timeout=30, allow_redirects=False, **more)  # type: ignore[arg-type]
        response.encoding = "utf-8"
        return response


def enroll(visitor: Visitor, email: str) -> None:
    """Make an account for a visitor, which signs them in."""
    visitor.email = email
    page = visitor.get("/sign-up")
    done = visitor.submit(page, "Sign up", name="Some Person", email=email, password=PASSWORD)
    assert done.status_code == 303


def sign_in(visitor: Visitor, email: str, password: str = PASSWORD) -> Response:
    """Sign a visitor in, or try to."""
    return visitor.submit(visitor.get("/sign-in"), "Sign in", email=email, password=password)


def new_project(visitor: Visitor, name: str = "Some Project") -> str:
    """Make a project; give the path of its page."""
    made = visitor.submit(visitor.get("/projects/new"), "Create project", name=name)
    assert made.status_code == 303
    return made.headers["Location"]


def new_zone(visitor: Visitor, project: str, name: str) -> Response:
    """Create a DNS zone, which is free."""
    form = visitor.get(f"{project}/dns-zones/new")
    return visitor.submit(form, "Create DNS zone", name=name)


def add_member(owner: Visitor, project: str, member: Visitor, role: str = "member") -> None:
    """Let somebody into a project."""
    page = owner.get(f"{project}/members")
    done = owner.submit(page, "Add person", email=member.email, role=role)
    assert done.status_code == 303


def new_token(visitor: Visitor) -> str:
    """Make an API token; give its text."""
    page = visitor.submit(visitor.get("/tokens"), "Create token", name="a program")
    return page.text.split('<code class="secret">')[1].split("<")[0]


def save_card(visitor: Visitor, page: Response, number: str = "4242 4242 4242 4242") -> Response:
    """Add a payment method from a billing page; give the page on which that ends."""
    return visitor.follow(leave_a_card(visitor, page, number))


def leave_a_card(visitor: Visitor, page: Response, number: str = "4242 4242 4242 4242") -> Response:
    """Add a payment method, and stay at the processor; give what would lead back."""
    checkout = visitor.follow(visitor.submit(page, "Add payment method"))
    return visitor.submit(
        checkout,
        "Save card",
        email=visitor.email,
        number=number,
        expiry="12 / 40",
        cvc="123",
        name="Some Person",
        line1="1 Quay Street",
        city="Hamburg",
        postal_code="20457",
        country="DE",
    )
