"""The objects that the whole app shares; `create_app` binds them to an app."""

from pathlib import Path
from typing import TYPE_CHECKING

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from flask_billing import Billing


class Base(DeclarativeBase):
    """Gives every constraint of ours a name, so that a migration can change it later."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "pk": "%(table_name)s_pkey",
        }
    )


db = SQLAlchemy(model_class=Base)

# Before our own models: `Project` refers to the billing tables.
billing = Billing(db)

migrate = Migrate(directory=str(Path(__file__).parent / "migrations"))
csrf = CSRFProtect()

if TYPE_CHECKING:
    # The class that db.Model is at run time is made dynamically, which type checkers can't follow.
    Model = Base
else:
    Model = db.Model
