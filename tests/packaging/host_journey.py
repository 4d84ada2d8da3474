"""Uses the host app through the installed wheel: tables, guard, page, styles and Checkout."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import distribution
from pathlib import Path

import flask_billing
from flask_billing.sandbox import Sandbox

assert Path(flask_billing.__file__).is_relative_to(sys.prefix), "this is not the installed wheel"
assert distribution("flask-billing").version == "0.1.0"

with Sandbox() as sandbox:
    os.environ["STRIPE_API_BASE"] = sandbox.url
    from host_app import Project, Server, create_app, db

    app = create_app()
    with app.app_context():
        db.session.add(Project(id=1))
        db.session.commit()
        db.session.add(Server(project_id=1))
        try:
            db.session.commit()
        except flask_billing.PaymentMethodRequired:
            db.session.rollback()
        else:
            raise AssertionError("a server was created although the project cannot pay")

    client = app.test_client()
    page = client.get("/projects/1/billing/")
    assert page.status_code == 200, page.status
    assert "Add payment method" in page.text

    sheets = re.findall(r'<link[^>]+href="([^"]+\.css[^"]*)"', page.text)
    assert sheets, "the page links no style sheet"
    for sheet in sheets:
        assert client.get(sheet.replace("&amp;", "&")).status_code == 200, sheet

    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token, "the page has no CSRF token"
    started = client.post("/projects/1/billing/payment-methods", data={"csrf_token": token[1]})
    assert started.status_code == 303, started.status
    assert started.location.startswith(sandbox.url), started.location

print("The wheel runs a host app.")
