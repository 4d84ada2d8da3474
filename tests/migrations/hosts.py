"""A host app with a history of its own, in a folder and in processes of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP = """
import json
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

choices = json.loads(Path("choices.json").read_text())


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=choices.get("naming_convention"))


db = SQLAlchemy(model_class=Base)

if choices.get("billed", True):
    from flask_billing import BillableResource, BilledProject, Billing

    billing = Billing(db)
else:
    class BillableResource: pass
    class BilledProject: pass


class Project(BilledProject, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Server(BillableResource, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))
    project: Mapped[Project] = relationship()


app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = choices["url"]
if choices.get("second_database"):
    archive = Path("archive.sqlite").resolve()
    app.config["SQLALCHEMY_BINDS"] = {"archive": f"sqlite:///{archive}"}

    class Letter(db.Model):
        __bind_key__ = "archive"
        id: Mapped[int] = mapped_column(primary_key=True)

db.init_app(app)
Migrate(app, db, **choices.get("migrate", {}))
if choices.get("billed", True):
    billing.init_app(app)
"""

COMMANDS = """
import json
import warnings

from host import app

# Flask-Migrate's own env.py asks Flask-SQLAlchemy in an old way first.
warnings.filterwarnings("ignore", "'get_engine' is deprecated", DeprecationWarning)

answers = []
for command in json.loads({commands!r}):
    done = app.test_cli_runner().invoke(args=command)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    answers.append([done.exit_code, done.output])
print("ANSWERS" + json.dumps(answers))
"""


@dataclass
class Host:
    """A small SaaS on the database at `url`.

    Choices: `billed` (False: as it was before it had billing), `naming_convention`, `migrate`
    (arguments of Flask-Migrate) and `second_database`.
    """

    folder: Path
    run_python: Callable[[str], str]
    url: str
    choices: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "host.py").write_text(dedent(APP))

    @property
    def versions(self) -> Path:
        return self.folder / "migrations" / "versions"

    def revision_named(self, message: str) -> Path:
        """Return the file of the host's own revision that was made with a message."""
        [path] = self.versions.glob(f"*_{message}.py")
        return path

    def try_flask(self, *commands: str) -> list[tuple[int, str]]:
        """Run commands such as ``"db upgrade"`` in one process; return exit codes and outputs."""
        (self.folder / "choices.json").write_text(json.dumps(self.choices | {"url": self.url}))
        words = json.dumps([command.split() for command in commands])
        printed = self.run_python(COMMANDS.format(commands=words))
        answers = json.loads(printed.rpartition("ANSWERS")[2])
        return [(code, output) for code, output in answers]

    def flask(self, *commands: str) -> list[str]:
        """Run commands that have to succeed; return their outputs."""
        answers = self.try_flask(*commands)
        for command, (code, output) in zip(commands, answers, strict=True):
            assert code == 0, f"flask {command} ended with {code}: {output}"
        return [output for _, output in answers]
