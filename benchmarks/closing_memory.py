"""Closes a month in a process of its own, and prints how many MiB that took at most."""

from __future__ import annotations

import os
import resource
from secrets import token_hex

from flask import Flask

from benchmarks import months
from benchmarks.host import billing, db
from flask_billing import invoicing

__all__ = ["RATES", "URL", "main"]

#: The variables that name the database and the file of rates.
URL = "FLASK_BILLING_BENCH_URL"
RATES = "FLASK_BILLING_BENCH_RATES"


def main() -> None:
    """Close what there is to close."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=token_hex(),
        STRIPE_SECRET_KEY=f"sk_test_{token_hex()}",
        SQLALCHEMY_DATABASE_URI=os.environ[URL],
        BILLING_RATES=os.environ[RATES],
    )
    db.init_app(app)
    billing.init_app(app)
    with app.app_context(), months.at_the_end():
        assert invoicing.close().invoiced
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
