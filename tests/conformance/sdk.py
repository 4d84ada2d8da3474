"""What the installed SDK knows of the API version it pins: its parameters and its fields."""

from __future__ import annotations

import re
import sys
import typing
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import stripe
from stripe._object_classes import OBJECT_CLASSES
from stripe._request_options import RequestOptions
from stripe._stripe_object import StripeObject
from typing_extensions import is_typeddict

_METHOD = re.compile(
    r"params: (?:Optional\[)?\"(?P<params>\w+)\".*?self\._request\(\s*"
    r"\"(?P<method>get|post|delete)\",\s*\"(?P<path>/v1/[^\"]+)\"",
    re.DOTALL,
)
_IMPORT = re.compile(
    r"from (?P<module>stripe\.params[\w.]*) import \(?\s*(?P<names>[\w,\s]+?)\)?\n(?=\s|\n)"
)
_OPTIONS = frozenset(RequestOptions.__annotations__)


@cache
def parameter_types() -> dict[tuple[str, str], type]:
    """Give the typed dict of parameters for each method and path that the SDK calls."""
    found = {}
    for file in Path(stripe.__file__).parent.rglob("_*_service.py"):
        source = file.read_text()
        modules = _modules(source)
        for body in source.split("    def ")[1:]:
            if match := _METHOD.search(body):
                key = (match["method"].upper(), without_names(match["path"]))
                found[key] = (modules.get(match["params"]), match["params"])
    return {key: _load(*place) for key, place in found.items() if place[0]}


def _modules(source: str) -> dict[str, str]:
    return {
        name.strip(): match["module"]
        for match in _IMPORT.finditer(source)
        for name in match["names"].split(",")
        if name.strip()
    }


def _load(module: str | None, name: str) -> Any:
    return getattr(import_module(str(module)), name)


def without_names(path: str) -> str:
    """Give a path with nameless placeholders, so that it compares with those of others."""
    return re.sub(r"\{\w+\}", "{}", path)


@cache
def parameters_of(holder: type) -> dict[str, Any]:
    """Give the parameters of a typed dict, with their types; options of the call are none."""
    own = {k: v for k, v in holder.__annotations__.items() if k not in _OPTIONS}
    return typing.get_type_hints(
        SimpleNamespace(__annotations__=own), vars(sys.modules[holder.__module__])
    )


def groups_in(hint: Any) -> list[type]:
    """Give the typed dicts that a parameter can be, or be a list of."""
    if is_typeddict(hint):
        return [hint]
    return [found for part in typing.get_args(hint) for found in groups_in(part)]


def values_in(hint: Any) -> set[Any]:
    """Give the values that the SDK lists for a parameter."""
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    return {value for part in typing.get_args(hint) for value in values_in(part)}


def is_free(hint: Any) -> bool:
    """Tell whether a parameter is a hash with keys of the caller's choice, as metadata is."""
    if typing.get_origin(hint) is dict:
        return True
    return any(is_free(part) for part in typing.get_args(hint))


def class_of(value: dict[str, Any]) -> type[StripeObject] | None:
    """Give the SDK's class of an API object, by its `object` field."""
    place = OBJECT_CLASSES.get(str(value.get("object")))
    return None if place is None else getattr(import_module(place[0]), place[1])


def fields_of(holder: type[StripeObject]) -> set[str]:
    """Give the fields that the SDK knows of an object."""
    return {name for base in holder.__mro__ for name in getattr(base, "__annotations__", {})}


def inner_class(holder: type[StripeObject], field: str) -> type[StripeObject] | None:
    """Give the class of a hash inside an object."""
    found: type[StripeObject] | None = holder._inner_class_types.get(field)
    return found
