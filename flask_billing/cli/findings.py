"""What commands that look whether all is well say of one thing."""

from __future__ import annotations

from dataclasses import dataclass

import click

__all__ = ["Finding", "show"]

COLOURS = {"ok": "green", "hint": "yellow", "problem": "red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; a `problem` needs a person, a `hint` may."""

    mark: str
    text: str


def show(finding: Finding) -> None:
    """Print a line for what was found."""
    click.echo(f"{click.style(f'{finding.mark:<8}', fg=COLOURS[finding.mark])} {finding.text}")
