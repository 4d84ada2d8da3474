"""The whole journey over HTTP with canaries for everything personal, and all kinds of trouble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import stripe

from tests.canary.canaries import (
    ACCOUNT,
    AMEX,
    DECLINED,
    DETAILS,
    JCB,
    PHONE,
    PLANTED,
    SECRET_KEY,
    THREE_D_SECURE,
)
from tests.example_app.visitor import Page, Visitor, enroll, new_project, new_token, sign_in

if TYPE_CHECKING:
    from requests import Response

    from flask_billing.sandbox import Sandbox


@dataclass
class Journey:
    """A visitor of Harbour, the Stripe that Harbour talks to, and the project of the visitor."""

    visitor: Visitor
    sandbox: Sandbox
    project: str = ""

    @property
    def stripe(self) -> stripe.StripeClient:
        return stripe.StripeClient(SECRET_KEY, base_addresses={"api": self.sandbox.url})

    @property
    def customer(self) -> str:
        return self.stripe.v1.customers.list().data[0].id

    def play(self) -> None:
        """Go the whole way."""
        self.sign_up()
        self.be_refused()
        self.save_first_card()
        self.create_server()
        self.edit_details()
        self.save_more_cards()
        self.change_order_and_remove()
        self.clear_details()
        self.plant()

    def open_billing(self, path: str = "") -> Response:
        return self.visitor.get(f"{self.project}/billing{path}")

    def press(self, page: Response, button: str, **typed: str) -> Response:
        """Press a button, and go where that leads."""
        return self.visitor.follow(self.visitor.submit(page, button, **typed))

    def take_down(self, call: str = "* /v1/*") -> None:
        """Have Stripe fail as it does when it gets too much; this is not tried again."""
        self.sandbox.fail(call, how="rate_limit", times=999)

    def refuse(self, call: str, **error: Any) -> None:
        """Have Stripe refuse in words that repeat what was sent, as it does."""
        words = f"{DETAILS['email']} of {DETAILS['name']} is not valid."
        self.sandbox.fail(call, how="refuse", status=400, message=words, **error)

    def bring_up(self) -> None:
        self.sandbox.engine.faults.clear()

    def sign_up(self) -> None:
        enroll(self.visitor, ACCOUNT)
        self.press(self.visitor.get("/projects"), "Sign out")
        sign_in(self.visitor, ACCOUNT)
        self.project = new_project(self.visitor)

    def be_refused(self) -> None:
        page = self.visitor.follow(self.visitor.get(f"{self.project}/servers/new"))
        assert "This server needs a payment method before it can be created." in page.text
        wanted = {"name": "web-1", "size": "small"}
        headers = {"Authorization": f"Bearer {new_token(self.visitor)}"}
        address = f"{self.visitor.url}/api{self.project}/servers"
        refused = self.visitor.session.post(address, json=wanted, headers=headers, timeout=30)
        assert refused.status_code == 402

    def save_first_card(self) -> None:
        page = self.open_billing(f"?next={self.project}/servers/new")
        self.take_down("POST /v1/checkout/sessions")
        assert "no payment method can be added" in self.press(page, "Add payment method").text
        self.bring_up()
        self.refuse("POST /v1/checkout/sessions", code="email_invalid", param="customer_email")
        answer = self.press(page, "Add payment method").text
        assert "No payment method can be added right now, and" in answer
        self.sandbox.fail("POST /v1/checkout/sessions", how="error_500")
        assert "no payment method can be added" in self.press(page, "Add payment method").text
        checkout = self.press(page, "Add payment method")
        declined = self.visitor.submit(checkout, "Save card", **DECLINED)
        assert declined.status_code == 422
        returned = self.visitor.submit(declined, "Save card", **JCB)
        self.take_down()
        assert self.visitor.follow(returned).status_code == 503
        self.bring_up()
        self.refuse("GET /v1/payment_methods/*", code="resource_broken", param="name")
        self.refuse("POST /v1/customers/*", code="email_invalid", param="email")
        self.visitor.follow(returned)
        self.bring_up()
        assert self.visitor.follow(returned).status_code == 200
        assert "ending in 0505" in self.open_billing().text
        stranger = self.open_billing(f"/return?session_id=cs_test_{PLANTED.replace('-', '')}")
        assert stranger.status_code == 404

    def create_server(self) -> None:
        form = self.visitor.get(f"{self.project}/servers/new")
        page = self.press(form, "Create server", name="web-1", size="small")
        assert "Server web-1 was created." in page.text

    def edit_details(self) -> None:
        self.stripe.v1.customers.update(self.customer, {"phone": PHONE})
        form = self.open_billing("/details")
        wrong = self.save(form, email="kanary without an address")
        assert wrong.status_code == 422
        assert self.save(form, tax_id="Kanary 74").status_code == 422
        self.refuse("POST /v1/customers/*", code="email_invalid", param="email")
        assert self.save(form).status_code == 422
        self.bring_up()
        self.refuse("POST /v1/customers/*", code="parameter_invalid", param="address[city]")
        assert self.save(form).status_code == 422
        self.bring_up()
        self.take_down("POST /v1/customers/*")
        assert self.save(form).status_code == 503
        self.bring_up()
        assert "Your billing details were saved." in self.visitor.follow(self.save(form)).text
        self.take_down()
        assert "Stripe is not answering" in self.open_billing().text
        assert "Stripe is not answering" in self.open_billing("/details").text
        self.bring_up()

    def save(self, form: Response, **changed: str) -> Response:
        return self.visitor.submit(form, "Save billing details", **(DETAILS | changed))

    def save_more_cards(self) -> None:
        checkout = self.press(self.open_billing(), "Add payment method")
        assert "ending in 0005" in self.press(checkout, "Save card", **AMEX).text
        checkout = self.press(self.open_billing(), "Add payment method")
        challenge = self.press(checkout, "Save card", **THREE_D_SECURE)
        failed = self.press(challenge, "Fail authentication")
        challenge = self.press(failed, "Save card", **THREE_D_SECURE)
        assert "ending in 3155" in self.press(challenge, "Complete authentication").text

    def change_order_and_remove(self) -> None:
        moved = self.press(self.open_billing(), "Move up American Express ending in 0005")
        assert "The order was changed." in moved.text
        last = self.removal("0505")
        self.remove("0005")
        self.take_down("POST /v1/payment_methods/*/detach")
        self.remove("3155")
        self.bring_up()
        assert "This payment method can't be removed" in Page(self.visitor.get(last)).text

    def removal(self, last4: str) -> str:
        """The address of the page that asks before a card is removed."""
        text = self.open_billing().text
        rows = [row for row in text.split('<li class="billing-method">') if last4 in row]
        method_id = rows[0].split("/payment-methods/")[1].split("/")[0]
        return f"{self.project}/billing/payment-methods/{method_id}/remove"

    def remove(self, last4: str) -> None:
        asked = self.visitor.get(self.removal(last4))
        done = self.press(asked, "Remove payment method")
        assert "Your payment method" in done.text

    def clear_details(self) -> None:
        empty = dict.fromkeys(DETAILS, "") | {"email": DETAILS["email"]}
        done = self.press(self.open_billing("/details"), "Save billing details", **empty)
        assert DETAILS["company"] not in done.text

    def be_told(self) -> None:
        """Have Stripe tell of all this, forged and true, while it is well and while it is not."""
        webhooks = self.sandbox.webhooks
        for trouble in ("bad_signature", "bad_body", "old_timestamp", "other_mode"):
            webhooks.disturb(trouble, times=2)
        self.refuse("GET /v1/customers/*", code="resource_broken", param="email")
        made = webhooks.deliver()
        self.bring_up()
        webhooks.calm()
        made += webhooks.deliver_all()
        assert any(attempt.status == 200 for attempt in made)

    def plant(self) -> None:
        """Have Harbour itself put something everywhere where nothing personal may be."""
        form = self.visitor.get(f"{self.project}/servers/new")
        self.press(form, "Create server", name=PLANTED, size="small")
        self.press(self.visitor.get("/projects"), "Sign out")
        self.visitor.get(f"/projects/{PLANTED}/billing")
