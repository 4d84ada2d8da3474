"""Why banks and Stripe refuse cards, in Stripe's words and codes."""

from dataclasses import dataclass

from .engine.errors import Problem


@dataclass(frozen=True)
class Decline:
    """Why a bank or Stripe refuses a card."""

    code: str
    message: str
    decline_code: str | None = None
    advice_code: str | None = None
    param: str | None = None

    @property
    def reason(self) -> str:
        """The reason in words."""
        return (self.decline_code or self.code).replace("_", " ")

    def error(self) -> dict[str, str]:
        """Give the fields of the error object."""
        fields = {
            "type": "card_error",
            "code": self.code,
            "message": self.message,
            "decline_code": self.decline_code,
            "advice_code": self.advice_code,
            "param": self.param,
            "doc_url": f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}",
        }
        return {name: value for name, value in fields.items() if value is not None}

    def problem(self, **objects: object) -> Problem:
        """Give the 402 that tells of this decline; what was written before it stays."""
        fields = {k: v for k, v in self.error().items() if k not in ("message", "doc_url")}
        return Problem(self.message, status=402, keep=True, **fields, **objects)  # type: ignore[arg-type]


def _declined(reason: str, advice: str | None = "try_again_later", words: str = "") -> Decline:
    return Decline("card_declined", words or "Your card was declined.", reason, advice)


DECLINES = {
    "generic": _declined("generic_decline"),
    "insufficient_funds": _declined(
        "insufficient_funds", words="Your card has insufficient funds."
    ),
    "lost": _declined("lost_card", "do_not_try_again"),
    "stolen": _declined("stolen_card", "do_not_try_again"),
    "velocity": _declined("card_velocity_exceeded"),
    "blocked": _declined("fraudulent", None),
    "expired": Decline(
        "expired_card", "Your card has expired.", "expired_card", "do_not_try_again", "exp_month"
    ),
    "cvc": Decline(
        "incorrect_cvc",
        "Your card's security code is incorrect.",
        "incorrect_cvc",
        "confirm_card_data",
        "cvc",
    ),
    "processing": Decline(
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
        "try_again_later",
    ),
    "authentication": Decline(
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        "authentication_required",
    ),
}
