"""Runs the migrations in the app that Flask-Migrate was called for."""

from alembic import context
from flask import current_app

db = current_app.extensions["migrate"].db
settings = current_app.extensions["migrate"].configure_args


def run_offline() -> None:
    """Write the statements down instead of running them."""
    url = db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=db.metadata, literal_binds=True, **settings)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run the statements on the app's database."""
    with db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=db.metadata, **settings)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
