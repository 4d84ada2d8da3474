"""Builds the documentation with Sphinx."""

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
nitpick_ignore_regex = [("py:.*", r"(?!flask_billing\b).*")]

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = "flask_billing"
