"""Plays those whom no API call plays: persons on hosted pages, banks, card networks."""

from typing import Any

from . import outside
from .engine.engine import Engine
from .engine.store import Obj
from .hosted import play
from .resources import mandates
from .resources.payment_methods import update_automatically


class Players:
    """What happens to objects of a sandbox without a request of the app.

    Except where it says otherwise, a method raises `LookupError` for an object that does not exist
    and `ValueError` for what cannot happen to it.
    """

    engine: Engine

    @property
    def url(self) -> str:
        """The address for `STRIPE_API_BASE`."""
        raise NotImplementedError

    # Persons

    def complete_checkout(self, session_id: str, **filled_in: Any) -> str:
        """Play the person on the Checkout page and give the address they are sent to.

        Takes `card`, `exp` and `cvc`, or the `iban` of a bank account, `name`, `email`, `address`,
        `authenticate` (the answer to the bank) and any other field of the page; raises
        `CheckoutRefused` where it shows errors.
        """
        return play.complete(self.engine, session_id, self.url, **filled_in)

    def dispute(
        self, charge_id: str, *, reason: str = "fraudulent", amount: int | None = None
    ) -> str:
        """Play the holder of a card who disputes a charge, and give the dispute's id.

        :param reason: One of Stripe's reasons; `inquiry` asks a question first.
        :param amount: What is disputed; the whole charge unless given.
        """
        return outside.dispute(self.engine, charge_id, reason=reason, amount=amount)

    def pay_invoice(self, invoice_id: str, **filled_in: Any) -> str:
        """Play the person on an invoice's page, and give the status of its payment intent.

        Takes `card`, `exp` and `cvc`, or the `payment_method` of the customer to be charged, and
        `authenticate` (the answer to the bank; `None` leaves its page open). Raises
        `CheckoutRefused` where the page shows errors, such as a decline.
        """
        return play.pay_invoice(self.engine, invoice_id, self.url, **filled_in)

    def pay_out_of_band(self, invoice_id: str) -> None:
        """Play somebody who writes in the dashboard that an invoice was paid elsewhere."""
        outside.pay_out_of_band(self.engine, invoice_id)

    def pay_again(
        self, invoice_id: str, *, amount: int | None = None, card: str = "4242424242424242"
    ) -> str:
        """Pay an invoice by a second payment intent, also when it is paid, and give the id of that.

        :param amount: In minor units; what the invoice asked for unless given.
        """
        return outside.pay_again(self.engine, invoice_id, amount=amount, card=card)

    # Banks and card networks

    def answer_debit(self, payment_intent_id: str, *, succeeds: bool = True) -> None:
        """Play the bank, which answers now to a debit that is under way."""
        outside.answer_debit(self.engine, payment_intent_id, succeeds=succeeds)

    def update_card_automatically(self, payment_method_id: str, **card: Any) -> None:
        """Play the card network, which tells Stripe of a renewed card.

        Takes `exp_month`, `exp_year` and `number` (another test card's).
        """
        update_automatically(self.engine, payment_method_id, **card)

    def set_mandate_status(self, mandate_id: str, status: str) -> None:
        """Play the bank, which tells Stripe that a mandate is `active`, `inactive` or `pending`."""
        mandates.set_status(self.engine, mandate_id, status)

    def set_dispute_status(self, dispute_id: str, status: str) -> None:
        """Play the bank, which moves a dispute on: `won`, `lost`, `appeal_needs_response`."""
        outside.set_dispute_status(self.engine, dispute_id, status)

    def set_refund_status(self, refund_id: str, status: str) -> None:
        """Play the bank, which tells Stripe what became of a refund, such as `failed`."""
        outside.set_refund_status(self.engine, refund_id, status)

    def warn_of_fraud(self, charge_id: str, *, fraud_type: str = "made_with_stolen_card") -> str:
        """Play the bank, which warns Stripe of fraud, and give the early fraud warning's id."""
        return outside.warn_of_fraud(self.engine, charge_id, fraud_type=fraud_type)

    # Those who count

    def objects(self, kind: str, *, livemode: bool = False, **fields: Any) -> list[Obj]:
        """Give all objects of a kind (`charge`, `invoice` …) that have these values, oldest first.

        They are read without a request, so that nothing that is scripted hits them.
        """
        return outside.objects(self.engine, kind, livemode=livemode, **fields)
