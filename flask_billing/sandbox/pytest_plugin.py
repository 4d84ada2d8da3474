"""The `stripe_sandbox` fixture: `pytest_plugins = ["flask_billing.sandbox.pytest_plugin"]`."""

from collections.abc import Iterator

import pytest

from .server import Sandbox


@pytest.fixture
def stripe_sandbox() -> Iterator[Sandbox]:
    """A local Stripe of the test's own."""
    with Sandbox() as sandbox:
        yield sandbox
