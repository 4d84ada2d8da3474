"""Uses Harbour with mouse and keyboard, as a person does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.example_app.visitor import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

#: In milliseconds: a page may wait for a processor that is down.
_PATIENCE = 60_000

VISA = "4242 4242 4242 4242"
MASTERCARD = "5555 5555 5555 4444"
DECLINED = "4000 0000 0000 0002"
THREE_D_SECURE = "4000 0025 0000 3155"


def click_through(control: Locator) -> None:
    """Click what leads to another page, and wait for that page."""
    with control.page.expect_navigation(timeout=_PATIENCE):
        control.click(timeout=_PATIENCE)


@dataclass
class Person:
    """Somebody at a page of the browser; `project` is the path of their project."""

    page: Page
    url: str
    email: str
    project: str = ""

    def open(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def press(self, button: str) -> None:
        click_through(self.page.get_by_role("button", name=button))

    def follow(self, link: str) -> None:
        click_through(self.page.get_by_role("link", name=link, exact=True))

    def type(self, **values: str) -> None:
        """Fill in fields by the label that they begin with; `_` stands for a space."""
        for label, value in values.items():
            self.page.get_by_label(label.replace("_", " ")).fill(value)

    def sees(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator("main")).to_contain_text(text)

    def is_at(self, path: str) -> bool:
        return self.page.url.split("?")[0] == f"{self.url}{path}"

    @property
    def billing(self) -> str:
        return f"{self.project}/billing"

    def open_billing(self) -> None:
        self.open(self.billing)

    def sign_up(self) -> None:
        self.open("/sign-up")
        self.type(Your_name="Some Person", **{"E-mail address": self.email}, Password=PASSWORD)
        self.press("Sign up")
        self.sees("Welcome to Harbour.")

    def sign_in(self) -> None:
        self.open("/sign-in")
        self.type(**{"E-mail address": self.email}, Password=PASSWORD)
        self.press("Sign in")

    def create_project(self, name: str = "Analytical Engine") -> None:
        self.open("/projects/new")
        self.type(Project_name=name)
        self.press("Create project")
        self.project = self.page.url.removeprefix(self.url)

    def create_server(self, name: str = "web-1") -> None:
        """Fill in the form for a server, which is open."""
        self.type(Name=name)
        self.press("Create server")

    def fill_in_card(self, number: str) -> None:
        """Fill in the processor's page and send it."""
        page = self.page
        fresh = {"E-mail": "payer@example.com", "Address": "12 Row", "City": "London"}
        for label, value in fresh.items():
            field = page.get_by_label(label, exact=True)
            if field.count():
                field.fill(value)
        page.get_by_label("Postal code").fill("N1 7AA")
        page.get_by_label("Country").select_option("GB")
        self.type(Card_number=number, Expiry="12 / 40", Security_code="123")
        page.get_by_label("Name on the card").fill("Ada Lovelace")
        self.press("Save card")

    def save_card(self, number: str = VISA) -> None:
        """Save a card, from the billing page on."""
        self.open_billing()
        self.press("Add payment method")
        self.fill_in_card(number)
        self.sees("Your payment method was saved.")

    def cards(self) -> list[str]:
        """The payment methods of the billing page in their order, as their last four digits."""
        return [
            name.split()[-1] for name in self.page.locator("ol li p:first-child").all_inner_texts()
        ]
