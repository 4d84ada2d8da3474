"""Reads `a[b][0][c]=x` pairs into nested dicts and lists."""

import re
from collections.abc import Iterable
from typing import Any

from .errors import Problem

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def decode(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Give the nested parameters of a form or query string; every leaf is a text."""
    tree: dict[str, Any] = {}
    for key, value in pairs:
        _put(tree, _parts(key), key, value)
    return {name: _with_lists(value) for name, value in tree.items()}


def _parts(key: str) -> list[str]:
    match = _KEY.fullmatch(key)
    if match is None:
        raise Problem(f"Invalid parameter name: {key}", param=key)
    return [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]


def _put(tree: dict[str, Any], parts: list[str], key: str, value: str) -> None:
    branch = tree
    for part in parts[:-1]:
        branch = branch.setdefault(part or str(len(branch)), {})
        if not isinstance(branch, dict):
            raise Problem(f"Invalid parameter: {key} is both a value and a group.", param=key)
    last = parts[-1] or str(len(branch))
    if isinstance(branch.get(last), dict):
        raise Problem(f"Invalid parameter: {key} is both a value and a group.", param=key)
    branch[last] = value


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isdecimal() for name in value):
        return [_with_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _with_lists(child) for name, child in value.items()}
