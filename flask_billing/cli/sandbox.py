"""`flask billing sandbox`: a local Stripe to develop against."""

from __future__ import annotations

import click

__all__ = ["sandbox"]


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address on this machine.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4242,
    show_default=True,
    help="The port; 0 takes any that is free.",
)
@click.option(
    "--database",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The SQLite file that keeps what is saved; without it, the end forgets all.",
)
@click.option(
    "--webhook-url", metavar="URL", help="An endpoint on this machine that is sent every event."
)
@click.option(
    "--webhook-secret",
    metavar="SECRET",
    default="whsec_sandbox",
    show_default=True,
    help="What those events are signed with.",
)
def sandbox(
    host: str, port: int, database: str | None, webhook_url: str | None, webhook_secret: str
) -> None:
    """Run a local Stripe to develop against.

    It needs no account and no network, and prints the settings that make your app use it.
    Stripe's published test cards work on its payment page. Ctrl-C stops it.
    """
    from flask_billing.sandbox import serve

    webhook = (webhook_url, webhook_secret) if webhook_url else None

    def ready(address: str) -> None:
        tell(address, webhook_secret if webhook else None)

    try:
        serve(host, port, database, ready=ready, webhook=webhook)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"Can't serve at {host}:{port}: {error.strerror or error}. Choose another --port."
        ) from None
    click.echo("Stopped.")


def tell(address: str, webhook_secret: str | None) -> None:
    """Print what to set so that an app uses the sandbox at `address` and trusts its events."""
    from flask_billing.sandbox import DEFAULT_SECRET_KEY

    click.echo("A local Stripe is at work. Set these in your app, and it asks nobody else:\n")
    click.echo(f"  STRIPE_API_BASE={address}")
    click.echo(f"  STRIPE_SECRET_KEY={DEFAULT_SECRET_KEY}")
    if webhook_secret is not None:
        click.echo(f"  STRIPE_WEBHOOK_SECRET={webhook_secret}")
    click.echo("\nA card that works: 4242 4242 4242 4242. Ctrl-C stops.")
