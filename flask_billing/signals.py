"""Every signal that billing sends; the sender is always the Flask app.

A signal is sent after the rows it tells of are committed. Receivers get our rows, never personal
data. An exception in a receiver reaches the caller of the verb that sent the signal.
"""

from blinker import Namespace

__all__ = [
    "billing_details_changed",
    "payment_method_added",
    "payment_method_refused",
    "payment_method_removed",
]

_signals = Namespace()

#: `billing_info`, `payment_method`: a payment method was saved, and is not refused.
#: It may still be checked: see `PaymentMethod.refusal`.
payment_method_added = _signals.signal("payment-method-added")

#: `billing_info`, `payment_method`: a payment method was saved but is refused by our own rules.
payment_method_refused = _signals.signal("payment-method-refused")

#: `billing_info`, `payment_method`: a payment method is gone at the processor too.
payment_method_removed = _signals.signal("payment-method-removed")

#: `billing_info`: someone changed the billing details at the processor.
billing_details_changed = _signals.signal("billing-details-changed")
