"""The forms of the HTML pages."""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import PasswordField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired, Length, Regexp

from example_app.models import Database, Server

MACHINE_NAME = r"[a-z]([a-z0-9-]*[a-z0-9])?"
DOMAIN_NAME = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"


def stripped(value: str | None) -> str | None:
    """Drop the spaces that people leave around what they type."""
    return value.strip() if value else value


def lowered(value: str | None) -> str | None:
    """Make addresses and names that differ only in case the same."""
    return value.lower() if value else value


def whole(pattern: str, message: str) -> Regexp:
    """Accept a value that the pattern describes from its first character to its last."""
    return Regexp(rf"(?:{pattern})\Z", message=message)


def email_field(label: str = "E-mail address", autocomplete: str = "email") -> StringField:
    """Return a field for an e-mail address; whether mail arrives there is not judged."""
    return StringField(
        label,
        filters=[stripped, lowered],
        validators=[
            InputRequired("Enter an e-mail address."),
            Length(max=254),
            whole(r"[^@\s]+@[^@\s]+\.[^@\s]+", "Enter an e-mail address, like ada@example.com."),
        ],
        render_kw={"autocomplete": autocomplete, "type": "email"},
    )


def name_field(label: str, missing: str, **render_kw: Any) -> StringField:
    """Return a field for what a person calls something."""
    return StringField(
        label,
        filters=[stripped],
        validators=[InputRequired(missing), Length(min=1, max=80)],
        render_kw=render_kw,
    )


def machine_name_field() -> StringField:
    """Return a field for the name of a machine, which becomes a part of its host name."""
    return StringField(
        "Name",
        description="Lower case letters, digits and hyphens, beginning with a letter.",
        filters=[stripped, lowered],
        validators=[
            InputRequired("Enter a name."),
            Length(max=40),
            whole(MACHINE_NAME, "Use lower case letters, digits and hyphens, like web-1."),
        ],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )


def size_field(sizes: dict[str, str]) -> SelectField:
    """Return a choice between the sizes of a kind of resource."""
    choices = [SelectChoice(size, f"{size}: {what}") for size, what in sizes.items()]
    return SelectField("Size", choices=choices)


class SignInForm(FlaskForm):
    """Asks who somebody is."""

    email = email_field()
    password = PasswordField(
        "Password",
        validators=[InputRequired("Enter your password.")],
        render_kw={"autocomplete": "current-password"},
    )


class SignUpForm(FlaskForm):
    """Makes an account."""

    name = name_field("Your name", "Enter your name.", autocomplete="name")
    email = email_field()
    password = PasswordField(
        "Password",
        description="At least 10 characters.",
        validators=[
            InputRequired("Choose a password."),
            Length(min=10, max=200, message="Choose a password of at least 10 characters."),
        ],
        render_kw={"autocomplete": "new-password"},
    )


class ProjectForm(FlaskForm):
    """Names a new project."""

    name = name_field("Project name", "Enter a name for the project.", autocomplete="off")


class MemberForm(FlaskForm):
    """Adds a person to a project."""

    email = email_field("E-mail address of the person", autocomplete="off")
    role = SelectField(
        "Role",
        choices=[SelectChoice("member", "Member"), SelectChoice("owner", "Owner")],
        description="Members create resources. Owners also manage members and billing.",
    )


class TokenForm(FlaskForm):
    """Names a new API token."""

    name = name_field("What is it for?", "Enter what the token is for.", autocomplete="off")


class ServerForm(FlaskForm):
    """Describes a server."""

    name = machine_name_field()
    size = size_field(Server.SIZES)


class DatabaseForm(FlaskForm):
    """Describes a database."""

    name = machine_name_field()
    size = size_field(Database.SIZES)


class ServerSizeForm(FlaskForm):
    """Chooses another size for a server."""

    size = size_field(Server.SIZES)


class DatabaseSizeForm(FlaskForm):
    """Chooses another size for a database."""

    size = size_field(Database.SIZES)


class DnsZoneForm(FlaskForm):
    """Describes a zone."""

    name = StringField(
        "Domain",
        filters=[stripped, lowered],
        validators=[
            InputRequired("Enter a domain."),
            Length(max=253),
            whole(DOMAIN_NAME, "Enter a domain, like example.com."),
        ],
        render_kw={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"},
    )


class ConfirmForm(FlaskForm):
    """Carries nothing but the CSRF token, for pages that ask "are you sure?"."""
