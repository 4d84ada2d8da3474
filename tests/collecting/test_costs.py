"""What a paid invoice costs in statements and in calls to the processor."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import event

from flask_billing import collecting
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import host
from tests.host import db

STATEMENTS, CALLS = 15, 4


def test_paid_invoice_costs_few_statements_and_calls(
    postgresql_url: str, stripe_sandbox: Sandbox
) -> None:
    app: Flask = host(postgresql_url, stripe_sandbox)
    object.__setattr__(app.extensions["billing"].settings, "collect_threads", 1)
    with app.app_context():
        db.create_all()
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(4)]
        invoices = [world.new_invoice(owner, 300, 40, 2) for owner in owners]
        # What is not for each invoice: making rows, counting, and finding that nothing is left.
        collecting.mend()
        statements: list[str] = []

        def count(_: Any, __: Any, statement: str, *___: Any) -> None:
            statements.append(statement)

        event.listen(db.engine, "before_cursor_execute", count)
        stripe_sandbox.requests.clear()
        report = collecting.collect()
        event.remove(db.engine, "before_cursor_execute", count)

        assert report.paid == len(invoices)
        around = 4 + 4
        assert len(statements) <= STATEMENTS * len(invoices) + around, statements
        assert len(list(stripe_sandbox.requests)) <= (CALLS + 1) * len(invoices)
