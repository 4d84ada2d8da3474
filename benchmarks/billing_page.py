"""How long the billing page takes, against the slowest single call that it makes to Stripe."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.harness import Topic, interleaved, timed
from benchmarks.host import Project, Server, db, on_postgresql
from flask_billing.sandbox import Sandbox
from flask_billing.state import current

__all__ = ["topic"]

PAGE = "billing page / its slowest Stripe call, at 150 ms"
LATENCY = 0.15


def _measure() -> dict[str, float]:
    with (
        Sandbox() as sandbox,
        on_postgresql(STRIPE_SECRET_KEY=sandbox.secret_key, STRIPE_API_BASE=sandbox.url) as app,
    ):
        page = _page_of_a_project_with_two_cards(app, sandbox)
        sandbox.latency = LATENCY
        try:
            medians = _medians(app.test_client(), page)
        finally:
            sandbox.latency = 0
            current().threads.shutdown()
    return {PAGE: medians["page"] / max(medians["customer"], medians["methods"])}


def _medians(client: FlaskClient, page: str) -> dict[str, float]:
    gateway = current().gateway
    project = db.session.scalars(db.select(Project)).one()
    assert project.billing_info is not None
    customer_id = project.billing_info.stripe_id
    db.session.commit()

    def load() -> None:
        text = client.get(page).text
        assert "4242" in text, "The page shows no card."

    return interleaved(
        {
            "page": lambda: timed(load),
            "customer": lambda: timed(lambda: gateway.customer(customer_id)),
            "methods": lambda: timed(lambda: gateway.payment_methods(customer_id)),
        },
        rounds=20,
        warm_up=3,
    )


def _page_of_a_project_with_two_cards(app: Flask, sandbox: Sandbox) -> str:
    """Save the cards as a person does, create a server, and return the page's address."""
    db.session.add(Project(name="one"))
    db.session.commit()
    key = db.session.scalars(db.select(Project.id)).one()
    page = f"/projects/{key}/billing"
    client = app.test_client()
    for card in ("4242424242424242", "5555555555554444"):
        checkout = client.post(f"{page}/payment-methods").location
        session_id = next(
            part for part in urlsplit(checkout).path.split("/") if part.startswith("cs_")
        )
        back = urlsplit(sandbox.complete_checkout(session_id, card=card))
        client.get(f"{back.path}?{back.query}")
    db.session.add(Server(name="web-1", project_id=key))
    db.session.commit()
    return f"{page}/"


topic = Topic("billing-page", {PAGE: 1.3}, _measure)
