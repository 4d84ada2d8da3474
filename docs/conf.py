"""Builds the documentation with Sphinx."""

import logging
import warnings
from importlib.metadata import version as installed_version

project = "flask_billing"
author = "flask_billing contributors"
copyright = "2026, flask_billing contributors"  # noqa: A001  Sphinx gives the name
release = installed_version("flask-billing")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
# Types of the libraries around us have no inventory here: builds need no network.
nitpick_ignore_regex = [
    ("py:.*", r"(?!flask_billing\b).*"),
    # Type variables: a decorator gives back what it was given.
    (
        "py:class",
        (
            r"flask_billing\.extension\."
            r"(ProjectLoader|CanManage|StaffRequired|MembersEmails|Actor|Rule|Handler|View)"
        ),
    ),
]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = "flask_billing"

# The mixins are looked at without a host's models that they would be mapped by.
warnings.filterwarnings("ignore", "Unmanaged access of declarative attribute")
logging.getLogger("alembic").setLevel(logging.WARNING)
