"""The tokens with which programs use the API."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from sqlalchemy import select

from example_app.auth import Page, require_user, sign_in_required
from example_app.extensions import db
from example_app.forms import ConfirmForm, TokenForm
from example_app.models import ApiToken

blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")


@blueprint.get("")
@sign_in_required
def index() -> Page:
    """List the person's tokens."""
    return render_template("tokens/index.html", tokens=require_user().tokens, form=TokenForm())


@blueprint.post("")
@sign_in_required
def create() -> Page:
    """Make a token and show it, this one time."""
    user = require_user()
    form = TokenForm()
    if not form.validate_on_submit():
        return render_template("tokens/index.html", tokens=user.tokens, form=form), 422
    token, text = ApiToken.issue(user, form.name.data)
    db.session.add(token)
    db.session.commit()
    # Shown in the answer itself: a redirect would have to carry the token in the session.
    return render_template("tokens/created.html", token=token, text=text), 201


@blueprint.get("/<id:token_id>/revoke")
@sign_in_required
def confirm_revocation(token_id: int) -> Page:
    """Ask before a program loses its access."""
    return render_template("tokens/revoke.html", token=_find(token_id), form=ConfirmForm())


@blueprint.post("/<id:token_id>/revoke")
@sign_in_required
def revoke(token_id: int) -> Page:
    """End a token."""
    token = _find(token_id)
    db.session.delete(token)
    db.session.commit()
    flash(f"The token for {token.name} no longer works.", "success")
    return redirect(url_for("tokens.index"), 303)


def _find(token_id: int) -> ApiToken:
    query = select(ApiToken).where(ApiToken.user_id == require_user().id, ApiToken.id == token_id)
    return db.session.scalar(query) or abort(404)
