"""What there is to read in an error."""

from __future__ import annotations

import traceback


def told_by(error: BaseException) -> str:
    """Everything that a log or a tracker of errors gets to see of an error."""
    chain = "".join(traceback.format_exception(error))
    return f"{error} {error!r} {error.args} {getattr(error, '__dict__', '')} {chain}"
