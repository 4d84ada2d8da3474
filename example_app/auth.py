"""Signing up, in and out."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeAlias
from urllib.parse import urlsplit

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import TooManyRequests
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from example_app.extensions import db
from example_app.forms import SignInForm, SignUpForm
from example_app.models import User
from example_app.rate_limit import count_sign_in, forget_account

blueprint = Blueprint("auth", __name__)

# Checked when nobody has the address, so that the answer takes as long as for a wrong password.
NOBODYS_HASH = generate_password_hash("nobody's password")

Page: TypeAlias = str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]
P = ParamSpec("P")


def current_user() -> User | None:
    """Return the person whom the session, or an API token, belongs to."""
    if "user" not in g:
        user_id = session.get("user_id")
        g.user = db.session.get(User, user_id) if user_id else None
    user: User | None = g.user
    return user


def require_user() -> User:
    """Return the signed-in person inside a view that only they reach."""
    user = current_user()
    if user is None:
        raise RuntimeError("This view needs @sign_in_required.")
    return user


def sign_in_required(view: Callable[P, Page]) -> Callable[P, Page]:
    """Send people who are not signed in to the sign-in page, and back afterwards."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Page:
        if current_user() is not None:
            return view(*args, **kwargs)
        came_for = request.path if request.method == "GET" else None
        return redirect(url_for("auth.sign_in", next=came_for))

    return guarded


@blueprint.get("/sign-up")
def sign_up() -> Page:
    """Show the form that makes an account."""
    return render_template("auth/sign_up.html", form=SignUpForm())


@blueprint.post("/sign-up")
def create_account() -> Page:
    """Make an account and sign its person in."""
    form = SignUpForm()
    if not form.validate_on_submit():
        return render_template("auth/sign_up.html", form=form), 422
    user = User(name=form.name.data, email=form.email.data)
    user.set_password(form.password.data)
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        form.email.errors = ["There is an account with this address already. Sign in instead."]
        return render_template("auth/sign_up.html", form=form), 422
    _begin_session(user)
    flash("Welcome to Harbour. Create a project to begin.", "success")
    return redirect(url_for("projects.index"), 303)


@blueprint.get("/sign-in")
def sign_in() -> Page:
    """Show the sign-in form."""
    return render_template("auth/sign_in.html", form=SignInForm())


@blueprint.post("/sign-in")
def begin_session() -> Page:
    """Sign somebody in who knows their password."""
    form = SignInForm()
    if not form.validate_on_submit():
        return render_template("auth/sign_in.html", form=form), 422
    try:
        count_sign_in(request.remote_addr or "unknown", form.email.data)
    except TooManyRequests as error:
        form.email.errors = [error.description]
        page = render_template("auth/sign_in.html", form=form)
        return page, 429, {"Retry-After": str(error.retry_after)}
    user = _authenticate(form.email.data, form.password.data)
    if user is None:
        form.email.errors = ["E-mail address and password don't match an account."]
        return render_template("auth/sign_in.html", form=form), 422
    forget_account(user.email)
    db.session.commit()
    _begin_session(user)
    return redirect(_local_path(request.args.get("next")) or url_for("projects.index"), 303)


@blueprint.post("/sign-out")
def sign_out() -> Page:
    """Forget who is there."""
    session.clear()
    flash("You are signed out.", "success")
    return redirect(url_for("auth.sign_in"), 303)


def _authenticate(email: str, password: str) -> User | None:
    user = db.session.scalar(select(User).where(User.email == email))
    if user is None:
        check_password_hash(NOBODYS_HASH, password)
        return None
    return user if user.has_password(password) else None


def _begin_session(user: User) -> None:
    # Whatever somebody may have planted in the visitor's session must not live on in the person's.
    session.clear()
    session["user_id"] = user.id


def _local_path(target: str | None) -> str | None:
    """Return where a person came from, if that is a page of ours."""
    # Judged after parsing, which drops the tabs and line ends that browsers drop too.
    try:
        parts = urlsplit(target or "")
    except ValueError:
        return None
    elsewhere = parts.scheme or parts.netloc or parts.path.startswith(("//", "/\\"))
    return parts.path if parts.path.startswith("/") and not elsewhere else None
