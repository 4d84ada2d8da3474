"""Replaces ids in an answer by the objects they name, where the caller asked for it."""

from collections.abc import Callable
from typing import Any

from .call import Call
from .errors import Problem
from .store import Obj

Loader = Callable[[Call, Obj], Any]

_ids: dict[str, set[str]] = {}
_loaders: dict[tuple[str, str], Loader] = {}


def expandable(kind: str, *fields: str, **loaders: Loader) -> None:
    """Declare which fields of a kind hold ids, and which are only there when asked for.

    A field inside a hash is written with a dot: `invoice_settings.default_payment_method`.
    """
    _ids.setdefault(kind, set()).update(fields)
    for field, loader in loaders.items():
        _loaders[kind, field] = loader


def expand(call: Call, answer: Obj, paths: list[str]) -> Obj:
    """Give the answer with each of the paths expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > 4:
            raise Problem(f"You cannot expand more than 4 levels of a property ({path}).")
        _walk(call, answer, parts, path)
    return answer


def _walk(call: Call, obj: Obj, parts: list[str], path: str) -> None:
    if not parts:
        return
    if obj.get("object") == "list":
        if parts[0] != "data":
            raise _refused(path)
        for entry in obj["data"]:
            _walk(call, entry, parts[1:], path)
        return
    holder, field, rest = _resolve(call, obj, parts, path)
    if isinstance(holder.get(field), dict):
        _walk(call, holder[field], rest, path)


def _resolve(call: Call, obj: Obj, parts: list[str], path: str) -> tuple[Obj, str, list[str]]:
    kind = obj.get("object", "")
    if (kind, parts[0]) in _loaders:
        if parts[0] not in obj:
            obj[parts[0]] = _loaders[kind, parts[0]](call, obj)
        return obj, parts[0], parts[1:]
    for length in (1, 2):
        if ".".join(parts[:length]) in _ids.get(kind, ()) and len(parts) >= length:
            holder = obj if length == 1 else (obj.get(parts[0]) or {})
            field = parts[length - 1]
            if isinstance(holder.get(field), str):
                located = call.store.locate(holder[field])
                holder[field] = located[1] if located else holder[field]
            return holder, field, parts[length:]
    raise _refused(path)


def _refused(path: str) -> Problem:
    return Problem(f"This property cannot be expanded ({path}).", param="expand")
