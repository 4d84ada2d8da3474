"""Every signal that billing sends; the sender is always the Flask app.

A signal is sent after the rows it tells of are committed. Receivers get our rows, never personal
data. An exception in a receiver reaches the caller of the verb that sent the signal.
"""

from blinker import Namespace

__all__ = [
    "billing_details_changed",
    "closing_parked",
    "event_failed",
    "invoice_closed",
    "invoice_disputed",
    "invoice_issued",
    "invoice_needs_action",
    "invoice_paid",
    "invoice_parked",
    "invoice_past_due",
    "invoice_payment_failed",
    "invoice_refund_failed",
    "invoice_refunded",
    "invoice_voided",
    "payment_method_added",
    "payment_method_expiring",
    "payment_method_refused",
    "payment_method_removed",
    "spending_alert",
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

#: `event`: the processing of an event was given up; somebody has to look.
event_failed = _signals.signal("event-failed")

#: `alert`, `project_key`, `amount`, `currency`: the running month costs `amount`, in minor units,
#: and so reached what a spending alert was set to. Once a month for each alert, at most.
spending_alert = _signals.signal("spending-alert")

#: `invoice`: a month of a project was closed, and something was used in it. Not sent again where
#: the process dies; an exception in a receiver is logged.
invoice_closed = _signals.signal("invoice-closed")

#: `invoice`: an invoice became void; its period may be closed once more.
invoice_voided = _signals.signal("invoice-voided")

#: `project_key`, `period`, `reason`: a period is not closed before somebody has looked.
closing_parked = _signals.signal("closing-parked")

# Where money comes in, a receiver that raises is logged: it must not keep others from paying.

#: `invoice`: it was issued at the processor; from now on it can be paid.
invoice_issued = _signals.signal("invoice-issued")

#: `invoice`: it is paid, whoever paid it and how. Sent once for each invoice.
invoice_paid = _signals.signal("invoice-paid")

#: `invoice`, `needs`: only its owner can move it on: `confirmation`, `payment_method` or `address`.
invoice_needs_action = _signals.signal("invoice-needs-action")

#: `invoice`, `attempt`: a payment method was declined, and no other could be charged in this round.
invoice_payment_failed = _signals.signal("invoice-payment-failed")

#: `invoice`: every planned try failed, or the day it was to be paid by is over.
invoice_past_due = _signals.signal("invoice-past-due")

#: `invoice`, `reason`: its money is not collected before somebody has looked.
invoice_parked = _signals.signal("invoice-parked")

#: `invoice`, `refund`: money went back, or is not asked for any more.
invoice_refunded = _signals.signal("invoice-refunded")

#: `invoice`, `refund`: money that was on its way back did not arrive, however long after.
invoice_refund_failed = _signals.signal("invoice-refund-failed")

#: `invoice` (`None` for a payment of nothing we know), `dispute`: a bank asks for money back, or
#: warns that it will.
invoice_disputed = _signals.signal("invoice-disputed")

#: `billing_info`, `payment_method`: it runs out within the month. Once for each month it ends in.
payment_method_expiring = _signals.signal("payment-method-expiring")
