"""The commands: `flask billing ...`."""

from __future__ import annotations

from flask.cli import AppGroup

from flask_billing.cli.check import check
from flask_billing.cli.install_migrations import install_migrations
from flask_billing.cli.run import run
from flask_billing.cli.sandbox import sandbox

__all__ = ["group"]

#: Registered on every app that billing is set up for.
group = AppGroup("billing", help="Guard, payment methods and invoices.")

for command in (check, install_migrations, run, sandbox):
    group.add_command(command)
