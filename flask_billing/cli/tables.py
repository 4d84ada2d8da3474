"""Prints rows in aligned columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

__all__ = ["print_rows"]


def print_rows(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()
) -> None:
    """Print a line of names above the rows.

    :param right: The names of the columns that are aligned to the right, such as amounts.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(header, row, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())
