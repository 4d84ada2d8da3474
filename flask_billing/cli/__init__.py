"""The commands: `flask billing ...`."""

from __future__ import annotations

from flask.cli import AppGroup

from flask_billing.cli.adjust import adjust
from flask_billing.cli.allowances import allowances
from flask_billing.cli.audit import audit
from flask_billing.cli.charging import retry, terms, unpark, write_off
from flask_billing.cli.check import check
from flask_billing.cli.close import close
from flask_billing.cli.codes import codes
from flask_billing.cli.collect import collect
from flask_billing.cli.credits import credit_commands
from flask_billing.cli.discounts import discounts
from flask_billing.cli.events import events
from flask_billing.cli.install_migrations import install_migrations
from flask_billing.cli.invoices import invoices
from flask_billing.cli.methods import methods
from flask_billing.cli.rates import rates
from flask_billing.cli.rates_migrate import migrate
from flask_billing.cli.reconcile import reconcile
from flask_billing.cli.reconcile_metering import reconcile_metering
from flask_billing.cli.refund import refund
from flask_billing.cli.report import report
from flask_billing.cli.run import run
from flask_billing.cli.sandbox import sandbox
from flask_billing.cli.sync import sync
from flask_billing.cli.webhook_endpoint import webhook_endpoint

__all__ = ["group"]

rates.add_command(migrate)
reconcile.add_command(reconcile_metering)

#: Registered on every app that billing is set up for.
group = AppGroup("billing", help="Guard, payment methods and invoices.")

for command in (
    adjust,
    allowances,
    audit,
    check,
    close,
    codes,
    collect,
    credit_commands,
    discounts,
    events,
    install_migrations,
    invoices,
    methods,
    rates,
    reconcile,
    refund,
    report,
    retry,
    run,
    sandbox,
    sync,
    terms,
    unpark,
    webhook_endpoint,
    write_off,
):
    group.add_command(command)
