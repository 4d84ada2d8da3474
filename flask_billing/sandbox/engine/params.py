"""Declares which parameters an endpoint takes, and refuses the others as Stripe does.

A check is a function of the value (a text, a list or a dict) and the parameter's full name; it
gives the value to work with. An empty text clears a field, so most checks let it through as `None`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from .errors import Problem

Check = Callable[[Any, str], Any]
Declared = Mapping[str, Check]

EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def read(declared: Declared, given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Check all given parameters and give those that were sent."""
    values = {}
    for name, value in given.items():
        full = f"{prefix}[{name}]" if prefix else name
        if name not in declared:
            raise unknown(full)
        values[name] = declared[name](value, full)
    return values


def unknown(name: str) -> Problem:
    """Refuse a parameter that the endpoint does not take."""
    return Problem(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def require(params: Mapping[str, Any], *names: str) -> None:
    """Refuse a call that lacks one of these parameters."""
    for name in names:
        if params.get(name) is None:
            raise Problem(f"Missing required param: {name}.", code="parameter_missing", param=name)


def text(limit: int = 5000, *, clearable: bool = True) -> Check:
    """A text of at most `limit` characters."""

    def check(value: Any, name: str) -> str | None:
        if not isinstance(value, str):
            raise Problem(f"Invalid string: {name}", param=name)
        if value == "":
            if not clearable:
                raise _empty(name)
            return None
        if len(value) > limit:
            raise Problem(
                f"Invalid string: {name} must be at most {limit} characters.",
                code="parameter_invalid_string_too_long",
                param=name,
            )
        return value

    return check


def _empty(name: str) -> Problem:
    return Problem(
        f"You passed an empty string for '{name}'. It is taken as an attempt to unset the "
        "parameter, which cannot be unset. Remove it or send a value.",
        code="parameter_invalid_empty",
        param=name,
    )


def email(value: Any, name: str) -> str | None:
    """An e-mail address of at most 512 characters."""
    address: str | None = text(512)(value, name)
    if address is not None and EMAIL.fullmatch(address) is None:
        raise Problem(f"Invalid email address: {address}", code="email_invalid", param=name)
    return address


def url(value: Any, name: str) -> str | None:
    """An absolute http(s) address."""
    address: str | None = text()(value, name)
    if address is None:
        return None
    if not _is_web_address(address):
        raise Problem("Not a valid URL", code="url_invalid", param=name)
    return address


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def boolean(value: Any, name: str) -> bool:
    """`true` or `false`."""
    if value not in ("true", "false"):
        raise Problem(f"Invalid boolean: {value}", param=name)
    return bool(value == "true")


def integer(minimum: int | None = None, maximum: int | None = None) -> Check:
    """A whole number within its limits."""

    def check(value: Any, name: str) -> int:
        if not isinstance(value, str) or re.fullmatch(r"-?\d{1,18}", value) is None:
            raise Problem(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        number = int(value)
        if minimum is not None and number < minimum:
            raise Problem(
                f"This value must be greater than or equal to {minimum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if maximum is not None and number > maximum:
            raise Problem(
                f"This value must be less than or equal to {maximum}.",
                code="parameter_invalid_integer",
                param=name,
            )
        return number

    return check


def choice(*options: str, clearable: bool = False) -> Check:
    """One of the named options."""

    def check(value: Any, name: str) -> str | None:
        if value == "" and clearable:
            return None
        if value not in options:
            listed = ", ".join(options)
            raise Problem(f"Invalid {name}: must be one of {listed}", param=name)
        return str(value)

    return check


def group(declared: Declared, *, clearable: bool = False, required: tuple[str, ...] = ()) -> Check:
    """A hash of further parameters."""

    def check(value: Any, name: str) -> dict[str, Any] | None:
        if value == "" and clearable:
            return None
        if not isinstance(value, dict):
            raise Problem("Invalid object", param=name)
        fields = read(declared, value, name)
        for field in required:
            if fields.get(field) is None:
                full = f"{name}[{field}]"
                raise Problem(
                    f"Missing required param: {full}.", code="parameter_missing", param=full
                )
        return fields

    return check


def array(item: Check, limit: int = 100) -> Check:
    """A list of values of one kind; an empty text is the empty list."""

    def check(value: Any, name: str) -> list[Any]:
        if value == "":
            return []
        if not isinstance(value, list):
            raise Problem("Invalid array", param=name)
        if len(value) > limit:
            raise Problem(f"Array must have at most {limit} elements.", param=name)
        return [item(entry, f"{name}[{index}]") for index, entry in enumerate(value)]

    return check


def either(first: Check, second: Check) -> Check:
    """What the first check takes, or else the second."""

    def check(value: Any, name: str) -> Any:
        try:
            return first(value, name)
        except Problem:
            return second(value, name)

    return check


def metadata(value: Any, name: str) -> dict[str, str]:
    """At most 50 keys of 40 characters with values of 500; an empty value deletes its key."""
    if value == "":
        return {}
    pairs = {str(i): v for i, v in enumerate(value)} if isinstance(value, list) else value
    if not isinstance(pairs, dict):
        raise Problem("Invalid object", param=name)
    if len(pairs) > 50:
        raise Problem("Metadata can have at most 50 keys.", param=name)
    for key, entry in pairs.items():
        _check_metadata_entry(key, entry, name)
    return pairs


def _check_metadata_entry(key: str, entry: Any, name: str) -> None:
    if len(key) > 40:
        raise Problem("Metadata keys must be at most 40 characters long.", param=name)
    if not isinstance(entry, str):
        raise Problem("Metadata values must be strings.", param=f"{name}[{key}]")
    if len(entry) > 500:
        raise Problem(
            "Metadata values can have up to 500 characters.",
            code="parameter_invalid_string_too_long",
            param=f"{name}[{key}]",
        )


def merge_metadata(old: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """Give the metadata after an update: all of it is dropped when nothing was given."""
    merged = {**old, **given} if given else {}
    kept = {key: value for key, value in merged.items() if value != ""}
    if len(kept) > 50:
        raise Problem("Metadata can have at most 50 keys.", param="metadata")
    return kept


def retired(message: str, code: str) -> Check:
    """A parameter that the API version no longer takes."""

    def refuse(_: Any, name: str) -> None:
        raise Problem(message, code=code, param=name)

    return refuse


payment_method_types = retired(
    "The parameter `payment_method_types` is no longer supported. Leave it out, or filter with "
    "`allowed_payment_method_types`.",
    "payment_method_types_no_longer_supported",
)

ADDRESS: Declared = {
    "city": text(),
    "country": text(2),
    "line1": text(),
    "line2": text(),
    "postal_code": text(),
    "state": text(),
}
address = group(ADDRESS, clearable=True)

created = either(integer(0), group({name: integer(0) for name in ("gt", "gte", "lt", "lte")}))

PAGE: Declared = {
    "limit": integer(1, 100),
    "starting_after": text(clearable=False),
    "ending_before": text(clearable=False),
}
