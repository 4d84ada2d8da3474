"""The evidence in a dispute: what is written to the bank, and what that makes of it."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import disputes

EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
UPDATE: params.Declared = {
    "evidence": params.group({name: params.text(20_000) for name in EVIDENCE}),
    "metadata": params.metadata,
    "submit": params.boolean,
}
# What a test writes as `uncategorized_text` says how the bank decides.
_VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}
_ESCALATING = "escalate_inquiry_evidence"


@route("POST", "/v1/disputes/{dispute}", UPDATE)
def update(call: Call, dispute: str) -> Obj:
    """Write evidence and send it to the bank, unless `submit` is false."""
    found = call.get("dispute", dispute)
    if "metadata" in call.params:
        merged = params.merge_metadata(found["metadata"], call.params["metadata"])
        call.change(found, "charge.dispute.updated", metadata=merged)
    if "evidence" not in call.params:
        return found
    disputes.require_open(found)
    evidence = {**found["evidence"], **call.params["evidence"]}
    given = any(evidence.get(name) is not None for name in EVIDENCE)
    details: dict[str, Any] = {**found["evidence_details"], "has_evidence": given}
    status = found["status"]
    if call.params.get("submit", True):
        details |= {
            "submission_count": details["submission_count"] + 1,
            "submission_method": "manual",
        }
        status = disputes.REVIEWS[status]
        call.schedule(0, "decide_dispute", found)
    return call.change(
        found, "charge.dispute.updated", evidence=evidence, evidence_details=details, status=status
    )


@due_action("decide_dispute")
def _decide(call: Call, dispute: Obj) -> None:
    evidence = dispute["evidence"].get("uncategorized_text")
    if dispute["status"] not in disputes.REVIEWS.values():
        return
    if dispute["status"] == "warning_under_review":
        if evidence == _ESCALATING:
            disputes.set_status(call, dispute, "needs_response")
        elif evidence in _VERDICTS:
            disputes.set_status(call, dispute, "warning_closed")
    elif evidence in _VERDICTS:
        disputes.set_status(call, dispute, _VERDICTS[evidence])
