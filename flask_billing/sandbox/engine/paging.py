"""Pages of a list that stands inside an object, in its own order."""

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import missing_object
from .store import Obj


def window(
    entries: Sequence[Obj], values: Mapping[str, Any], *, kind: str
) -> tuple[list[Obj], bool]:
    """Give the entries that the paging parameters ask for, and whether there are more."""
    limit = values.get("limit", 10)
    if "ending_before" in values:
        end = _place(entries, kind, "ending_before", values)
        start = max(end - limit, 0)
        return list(entries[start:end]), start > 0
    start = 0
    if "starting_after" in values:
        start = _place(entries, kind, "starting_after", values) + 1
    return list(entries[start : start + limit]), start + limit < len(entries)


def _place(entries: Sequence[Obj], kind: str, name: str, values: Mapping[str, Any]) -> int:
    for place, entry in enumerate(entries):
        if entry["id"] == values[name]:
            return place
    raise missing_object(kind, values[name], param=name)
